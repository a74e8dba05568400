"""What Dagster shows of incidents: of all that is open, of what commands changed, of messages that reached nobody."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from paging_world import DATA, HOUR, ML, NOW, TEAMS, WORLD, Recorder, Says, all_ok, pager, seen

from orchestration.observing.shown import show
from orchestration.paging.delivery import COMMAND, LIVES, Courier, retry_dead
from orchestration.paging.model import OK
from orchestration.paging.pager import Pager

PATIENT = replace(COMMAND, seconds=600)  # a slow machine does not end a round
SEEN = replace(
    WORLD,
    parents={**WORLD.parents, "published/warehouse": frozenset({"churn/action_list"})},
    groups={**WORLD.groups, "churn/health": ML, "published/warehouse": DATA},
)


@dataclass
class Dagster:
    """As much of an instance as takes observations."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def report_runless_asset_event(self, event: Any) -> None:
        values = {name: value.value for name, value in event.metadata.items()}
        self.told.append((event.asset_key.to_user_string(), {**values, "said": event.description}))

    def newest(self, asset: str) -> dict[str, Any]:
        return [told for name, told in self.told if name == asset][-1]


@pytest.fixture
def paged(tmp_path: Path) -> Iterator[Pager]:
    found = pager(tmp_path, SEEN)
    yield found
    found.store.close()


@pytest.fixture
def dagster() -> Dagster:
    return Dagster()


def look(paged: Pager, dagster: Dagster, *given: Any, at: Any = NOW, diagnose: Any = None) -> None:
    """A look and its showing, as the sensor does it; every message arrives."""
    after = paged.observe(list(given), at, diagnose)
    Courier(paged.store, TEAMS, Recorder(), COMMAND).deliver(at)
    show(dagster, paged.store, SEEN, tuple(after.state.incidents))  # type: ignore[arg-type]


def test_what_two_incidents_block_is_blocked_until_both_are_over(paged: Pager, dagster: Dagster) -> None:
    look(paged, dagster, [seen("raw/usage"), seen("raw/invoices", name="late")])
    both = dagster.newest("churn/predictions")
    assert sorted(both["blocked by"].split("; ")) == ["raw/invoices (late)", "raw/usage (rows)"]
    later = NOW + HOUR
    look(paged, dagster, [seen("raw/usage", OK, later)], at=later)
    assert dagster.newest("churn/predictions")["blocked by"] == "raw/invoices (late)"
    assert dagster.newest("raw/usage")["state"] == "resolved"
    assert dagster.newest("staging/usage")["blocked by"] == "nothing any more"
    assert dagster.newest("churn/health")["accountable asset"].to_user_string() == "raw/invoices"
    later += HOUR
    look(paged, dagster, [seen("raw/invoices", OK, later, "late")], at=later)
    assert dagster.newest("churn/predictions")["blocked by"] == "nothing any more"
    assert dagster.newest("churn/health")["state"] == "resolved"


def test_what_commands_changed_is_shown_by_the_next_look_and_once(paged: Pager, dagster: Dagster) -> None:
    look(paged, dagster, [seen("raw/usage")])
    paged.acknowledge(1, "ann", NOW)
    show(dagster, paged.store, SEEN)  # type: ignore[arg-type]
    own = dagster.newest("raw/usage")
    assert (own["state"], own["acknowledged by"]) == ("acknowledged", "ann")
    paged.snooze(1, NOW + 5 * HOUR, "bob", NOW)
    show(dagster, paged.store, SEEN)  # type: ignore[arg-type]
    assert (dagster.newest("raw/usage")["state"], dagster.newest("churn/health")["acknowledged by"]) == (
        "snoozed",
        "bob",
    )
    paged.pass_on(1, ML, "theirs", NOW)
    Courier(paged.store, TEAMS, Recorder(), COMMAND).deliver(NOW)
    show(dagster, paged.store, SEEN)  # type: ignore[arg-type]
    assert dagster.newest("raw/usage")["accountable group"] == ML
    assert dagster.newest("churn/predictions")["accountable"] == ML
    count = len(dagster.told)
    show(dagster, paged.store, SEEN)  # type: ignore[arg-type]
    assert len(dagster.told) == count, "nothing has changed"


def test_what_ended_while_nobody_showed_it_is_shown_as_over(paged: Pager, dagster: Dagster) -> None:
    look(paged, dagster, [seen("raw/usage")])
    paged.observe([all_ok(NOW + HOUR)], NOW + HOUR)  # this look's process died before it showed anything
    Courier(paged.store, TEAMS, Recorder(), COMMAND).deliver(NOW + HOUR)
    show(dagster, paged.store, SEEN)  # type: ignore[arg-type]
    assert dagster.newest("raw/usage")["state"] == "resolved"


def test_the_accountable_asset_shows_what_was_ruled_out_and_what_to_type_next(paged: Pager, dagster: Dagster) -> None:
    says = Says("raw/usage", DATA, ruled_out=("the model: its champion is the one of last week",))
    look(paged, dagster, [seen("raw/usage")], diagnose=lambda *_: says)
    own = dagster.newest("raw/usage")
    assert own["ruled out"] == "1. the model: its champion is the one of last week"
    assert own["next command"] == "baton diagnose churn"
    assert own["in plain words"] == "no new data has come"
    assert own["mend"].startswith("Ask who delivers it")


def test_messages_that_reached_nobody_are_listed_at_their_incident_and_all_at_the_published_copy(
    paged: Pager, dagster: Dagster
) -> None:
    paged.observe([[seen("raw/usage"), seen("churn/action_list", severity="warn", name="small")]], NOW)
    down = Courier(paged.store, TEAMS, Recorder(down=lambda address: True), PATIENT, lambda seconds: None)
    down.deliver(NOW)
    show(dagster, paged.store, SEEN)  # type: ignore[arg-type]
    own = dagster.newest("raw/usage")
    assert "could not be delivered" not in own
    assert "raw/usage is broken: rows: opened to data_engineering, incident 1" in own["waits to be delivered"]
    down.deliver(NOW + LIVES)  # by `baton pass`, `baton page --retry`: no look
    show(dagster, paged.store, SEEN)  # type: ignore[arg-type]
    assert "opened to data_engineering" in dagster.newest("raw/usage")["could not be delivered"]
    listed = dagster.newest("published/warehouse")
    assert "digest to analytics_engineering, since" in listed["could not be delivered"]
    assert "raw/usage" in listed["blocked by"]
    retry_dead(paged.store, NOW + LIVES)
    Courier(paged.store, TEAMS, Recorder(), COMMAND).deliver(NOW + LIVES)
    show(dagster, paged.store, SEEN)  # type: ignore[arg-type]
    assert "could not be delivered" not in dagster.newest("raw/usage")
    assert dagster.newest("published/warehouse")["could not be delivered"] == "nothing"
