"""Data time in the pure core: old partitions, late data, Dagster's freshness beside Baton's, what is news."""

from dataclasses import replace

import pytest
from paging_world import DATA, DAY, HOUR, ML, NOW, WORLD, Told, all_ok, seen

from orchestration.paging import core
from orchestration.paging.model import (
    FAILED,
    FRESHNESS,
    NO_FAULT,
    OK,
    STEP,
    Observation,
)


def test_an_old_partition_turns_nothing_green_and_nothing_red() -> None:
    told = Told()
    told.look([seen("raw/usage")])
    old = seen("raw/usage", OK, NOW + HOUR, as_of=NOW - 5 * DAY)
    assert told.look([old]) == []
    assert told.open
    told.look(all_ok(NOW + 2 * HOUR))
    assert told.open == {}
    assert told.look([seen("raw/usage", at=NOW + 3 * HOUR, as_of=NOW - 5 * DAY)]) == []
    assert told.open == {}


def test_dagsters_green_does_not_mend_freshness_and_a_materialization_of_an_old_day_neither() -> None:
    told = Told()
    stale = Observation("raw/usage", FRESHNESS, "policy", FAILED, NOW, NOW.replace(hour=0))
    told.look([stale])
    assert told.state.incidents[1].cause == "nothing has run"
    made = Observation("raw/usage", STEP, "materialized", OK, NOW + HOUR, NOW.replace(hour=0) - 3 * DAY)
    told.look([made])
    assert told.open
    told.look([replace(made, as_of=NOW.replace(hour=0), at=NOW + 2 * HOUR)])
    assert told.open == {}


STALE = Observation("raw/usage", FRESHNESS, "policy", FAILED, NOW, NOW.replace(hour=0))
MADE = Observation("raw/usage", STEP, "materialized", OK, NOW, NOW.replace(hour=0))


def test_a_freshness_warning_after_a_failure_mends_nothing() -> None:
    """A re-run of an old day makes Dagster green, a day later it warns: from one bad state to another."""
    told = Told()
    told.look([STALE])
    later = NOW + 26 * HOUR
    told.look([replace(STALE, severity="warn", at=later, as_of=later.replace(hour=0))], now=later)
    assert told.open == {"raw/usage": "open"}
    made = replace(MADE, at=later + HOUR, as_of=later.replace(hour=0))
    told.look([made], now=later + HOUR)
    assert told.open == {}


@pytest.mark.parametrize("severity", ["error", "warn"])
def test_freshness_that_a_good_step_has_overtaken_opens_nothing_whenever_it_is_read(severity: str) -> None:
    stale = replace(STALE, severity=severity, at=NOW - HOUR)
    yesterday = replace(stale, at=NOW - 8 * HOUR, as_of=NOW.replace(hour=0) - DAY)
    for batches in ([[MADE], [stale]], [[MADE], [yesterday]], [[MADE, stale]], [[stale, MADE]]):
        told = Told()
        assert told.look(*batches) == [], batches
    told = Told()
    assert told.look([MADE]) == []
    assert told.look([stale]) == []
    assert told.open == {}
    old = Told()
    said = old.look([replace(MADE, as_of=MADE.as_of - 3 * DAY)], [stale])
    assert said[0] == (("opened", DATA) if severity == "error" else ("digest", DATA)), "an old day made nothing fresh"


def test_a_page_about_what_has_not_run_blames_neither_data_nor_model() -> None:
    told = Told()
    told.look([STALE])
    page, notice = told.messages[0].body, told.messages[1].body
    for body in (page, notice):
        assert "what is published is of an earlier run" in body
        assert "may be wrong" not in body
    assert "neither the data nor the model: nothing has run" in page
    assert "broke before any model" not in page
    assert told.state.incidents[1].kind == "platform"


def test_a_warning_that_went_and_came_back_is_news_again() -> None:
    told = Told()
    warned = seen("churn/performance", severity="warn")
    said = told.look([warned])
    for day in range(1, 12):
        at, status = NOW + day * DAY, OK if day < 10 else FAILED
        said += told.look([replace(warned, status=status, at=at, as_of=at.replace(hour=0))], now=at)
    assert said == [("digest", ML), ("digest", ML)]
    assert "of the last digest" not in told.messages[-1].body
    assert told.messages[-1].created_at == NOW + 10 * DAY


def test_a_fault_that_could_not_be_diagnosed_says_so_and_how_to_ask() -> None:
    """The check is named by what should be: its name says the opposite of what happened."""
    from orchestration import diagnosis

    assert NO_FAULT == diagnosis.NAME
    told = Told()
    world = replace(WORLD, groups={**WORLD.groups, "late_payers/health": ML})
    failed = seen("late_payers/health", name=NO_FAULT, command="baton dbt test --select x")
    told.take(core.observe(told.state, [[failed]], NOW, world))
    page = told.messages[0]
    assert "no fault" not in page.title + page.body
    assert "a fault was found, it could not be diagnosed yet" in page.title
    assert "baton diagnose late_payers" in page.title
    assert "See it     baton diagnose late_payers" in page.body
    assert "Side       not known yet" in page.body
