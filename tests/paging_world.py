"""A small graph to page about: a source, its staging, a model, its predictions and what watches them; three groups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from ml.home import Home
from orchestration.paging import core
from orchestration.paging.channels import NotDelivered
from orchestration.paging.model import CHECK, FAILED, OK, Consumer, Message, Observation, State, Team, World
from orchestration.paging.pager import Pager
from orchestration.paging.store import Store

NOW = datetime(2026, 11, 21, 6)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DATA, ANALYTICS, ML, SUCCESS = "data_engineering", "analytics_engineering", "ml_engineering", "customer_success"
CHAIN = {
    "raw/usage": (DATA, ()),
    "raw/invoices": (DATA, ()),
    "staging/usage": (ANALYTICS, ("raw/usage",)),
    "churn/scoring_set": (ANALYTICS, ("staging/usage", "raw/invoices")),
    "churn/model": (ML, ("churn/scoring_set",)),
    "churn/predictions": (ML, ("churn/model", "churn/scoring_set")),
    "churn/performance": (ML, ("churn/predictions",)),
    "churn/action_list": (ANALYTICS, ("churn/predictions",)),
}
TEAMS = {
    DATA: Team(DATA, "test://data", ANALYTICS, 4 * HOUR),
    ANALYTICS: Team(ANALYTICS, "test://analytics", ML, 4 * HOUR),
    ML: Team(ML, "test://ml", ANALYTICS, 4 * HOUR),
    SUCCESS: Team(SUCCESS, "test://success", ANALYTICS, 4 * HOUR),
}
WORLD = World(
    parents={asset: frozenset(parents) for asset, (_, parents) in CHAIN.items()},
    groups={asset: group for asset, (group, _) in CHAIN.items()},
    teams=TEAMS,
    consumers=(
        Consumer("churn", "Customer churn", ML, frozenset({"churn/scoring_set"}), is_product=True),
        Consumer("calls", "Customer success call list", SUCCESS, frozenset({"churn/action_list"})),
    ),
)


@dataclass(frozen=True)
class Says:
    """What a diagnosis says."""

    asset: str
    group: str
    cause: str = "source_late"
    kind: str = "data"
    confidence: float = 0.9
    since: datetime | None = None
    evidence: tuple[str, ...] = ("newest row is 31 h old",)
    ruled_out: tuple[str, ...] = ()
    command: str = "baton diagnose churn"


def seen(asset: str, status: str = FAILED, at: datetime = NOW, name: str = "rows", **more: object) -> Observation:
    """A check of `asset` evaluated at `at`, about the day of `at` unless it says otherwise."""
    plain = Observation(
        asset, CHECK, name, status, at, at.replace(hour=0, minute=0), run_id="r1", message=f"{asset} has 3 rows"
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def all_ok(at: datetime, names: Sequence[str] = ("rows",)) -> list[Observation]:
    """Every check green."""
    return [seen(asset, OK, at, name) for asset in CHAIN for name in names]


@dataclass
class Recorder:
    """A channel that keeps what it was given; `down` says which addresses do not answer."""

    down: Callable[[str], bool] = lambda address: False
    got: list[tuple[str, Message, str]] = field(default_factory=list)

    def send(self, address: str, message: Message, title: str) -> None:
        if self.down(address):
            raise NotDelivered("test: nobody answered")
        self.got.append((address, message, title))


def pager(folder: Path, world: World = WORLD) -> Pager:
    """A pager on a store of its own; the caller closes `pager.store`."""
    return Pager(Store(Home(folder)).__enter__(), world)


class Told:
    """A state that goes on, and everything that was said on the way."""

    def __init__(self) -> None:
        self.state = State("t")
        self.messages: list[Message] = []
        self.withdrawn: set[str] = set()

    def look(self, *batches: Sequence[Observation], now: datetime = NOW, **more: object) -> list[tuple[str, str]]:
        return self.take(core.observe(self.state, batches, now, WORLD, **more))  # type: ignore[arg-type]

    def take(self, look: core.Look) -> list[tuple[str, str]]:
        self.state = replace(look.state, pending={})  # everything is delivered at once
        self.messages += look.messages
        self.withdrawn |= look.withdrawn
        return [(message.kind, message.group) for message in look.messages]

    @property
    def open(self) -> dict[str, str]:
        return {each.asset: each.state for each in self.state.incidents.values() if each.is_open}
