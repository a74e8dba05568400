"""The active customers of the company as arrays, how they join, and the snapshot that the next day continues from."""

import io
import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo import health, market
from demo.company import Company
from demo.files import replace as replace_file
from demo.health import Floats, Ints

Rows = dict[str, NDArray[Any]]  # one table's rows by column; instants are seconds since 1970
SECONDS = 86_400
OLDEST_CUSTOMER_DAYS = 1_100
STATE_VERSION = 1


class StateError(RuntimeError):
    """The stored state of the demo company cannot be continued."""


@dataclass(frozen=True)
class Customers:
    """Active customers (n): `index` is the customer's number; `belief` (n, 3) is what the best observer believes."""

    index: Ints
    signed_up: Ints
    country: Ints
    segment: Ints
    contract: Ints
    plan: Ints
    seats: Ints
    state: Ints
    belief: Floats

    @property
    def risk(self) -> Floats:
        """Static hazard multiplier (n,)."""
        return health.risk(self.contract, self.segment, self.country)

    @property
    def mrr_usd(self) -> Floats:
        """Monthly recurring revenue (n,)."""
        return market.mrr_usd(self.plan, self.contract, self.seats)

    def where(self, keep: health.Bools) -> "Customers":
        """Those customers only."""
        return Customers(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})

    def joined(self, others: "Customers") -> "Customers":
        """These and those customers."""
        pairs = {field.name: (getattr(self, field.name), getattr(others, field.name)) for field in fields(self)}
        return Customers(**{name: np.concatenate(pair) for name, pair in pairs.items()})

    def changed(self, plan: Ints, seats: Ints, state: Ints, belief: Floats) -> "Customers":
        """The same customers after a day."""
        return replace(self, plan=plan, seats=seats, state=state, belief=belief)


@dataclass(frozen=True)
class State:
    """Where the play stands: the next day to play, the next customer number, rows written but not yet delivered."""

    day: int
    next_index: int
    customers: Customers
    pending: dict[str, Rows]


def sign_ups_per_day(company: Company) -> float:
    """Sign-ups that replace what churns, so that the company stays about constant."""
    return _daily_churn() * opening_size(company)


def opening_size(company: Company) -> int:
    """Customers on the first day, such that `company.accounts` have ever existed by the end of the history."""
    return max(1, round(company.accounts / (1 + _daily_churn() * company.days)))


def _daily_churn() -> float:
    """Sign-ups per active customer and day that keep the company constant: one over the mean lifetime."""
    draw = np.random.default_rng(0)
    sample = _attributes(draw, 4_000)
    rate = health.hazard(health.risk(sample["contract"], sample["segment"], sample["country"]))
    stay = health.TRANSITION[None] * (1 - rate)[:, None, :]
    lifetime = np.linalg.solve(np.eye(3)[None] - stay, np.ones((len(rate), 3, 1)))[:, :, 0] @ health.AT_SIGN_UP
    # The oldest customers are younger than an undisturbed lifetime of the safest: cap, or the base would never balance.
    return float(1 / np.minimum(lifetime, OLDEST_CUSTOMER_DAYS).mean())


def newcomers(draw: np.random.Generator, first_index: int, signed_up: Ints, shares: Floats) -> Customers:
    """New customers with numbers from `first_index` on; state drawn from `shares` (3,), the belief too."""
    n = len(signed_up)
    traits = _attributes(draw, n)
    state = draw.choice(3, n, p=shares)
    belief = np.tile(shares, (n, 1))
    index = np.arange(first_index, first_index + n)
    return Customers(index=index, signed_up=signed_up, state=state, belief=belief, **traits)


def _attributes(draw: np.random.Generator, n: int) -> dict[str, Ints]:
    segment = draw.choice(len(market.SEGMENTS), n, p=market.SEGMENT_SHARE)
    plan = (draw.random(n)[:, None] > market.PLAN_SHARE[segment].cumsum(axis=1)[:, :-1]).sum(axis=1)
    seats = np.rint(market.SEATS_MEDIAN[segment] * np.exp(0.5 * draw.standard_normal(n))).astype(np.int64)
    return {
        "country": draw.choice(len(market.COUNTRIES), n, p=market.COUNTRY_SHARE),
        "segment": segment,
        "contract": (draw.random(n) < market.ANNUAL_SHARE[segment]).astype(np.int64),
        "plan": plan.astype(np.int64),
        "seats": np.maximum(seats, 1),
    }


def save(path: Path, state: State) -> None:
    """Store the state, replacing the previous one in one step."""
    arrays = {f"customers/{field.name}": getattr(state.customers, field.name) for field in fields(Customers)}
    for table, rows in state.pending.items():
        arrays |= {f"pending/{table}/{column}": values for column, values in rows.items()}
    buffer = io.BytesIO()
    np.savez(buffer, place=np.array([STATE_VERSION, state.day, state.next_index]), **arrays)
    replace_file(path, buffer.getvalue())


def restore(path: Path) -> State:
    """The stored state. Raises StateError when it is unreadable or of another version."""
    way_out = "Delete the demo's folders `demo` and `landing` in the home, or set BATON_HOME to a new folder"
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise StateError(f"{path} is no readable state of the demo company ({error}). {way_out}") from error
    version, day, next_index = (int(value) for value in arrays.pop("place"))
    if version != STATE_VERSION:
        raise StateError(f"{path} has version {version}, this generator continues version {STATE_VERSION}. {way_out}")
    pending: dict[str, Rows] = {}
    for name in [name for name in arrays if name.startswith("pending/")]:
        _, table, column = name.split("/")
        pending.setdefault(table, {})[column] = arrays.pop(name)
    return State(day, next_index, Customers(**{n.removeprefix("customers/"): a for n, a in arrays.items()}), pending)
