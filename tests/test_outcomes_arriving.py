"""The check that outcomes keep arriving: silent through healthy weeks, loud within days of a dead feed."""

from datetime import timedelta

import delay_worlds as worlds
import numpy as np
import pytest
from macro_harness import MacroHarness

BASE = {"entity": "lead_id", "decide": {"per": "entity"}}
PRODUCTS = {
    "lead": {**BASE, "outcome": {"horizon": "14 days", "grace": "3 days"}},
    "lapse": {**BASE, "outcome": {"horizon": "14 days", "grace": "3 days", "positive": "absence"}},
}


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("arriving"), PRODUCTS, now=worlds.PLACEHOLDER) as harness:
        yield harness


@pytest.mark.parametrize(("per_day", "weekdays_only"), [(3, False), (20, True), (60, False)])
def test_healthy_weeks_are_silent(macros, per_day, weekdays_only):
    world = worlds.arrivals_world(np.random.default_rng(per_day), 500, per_day, weekdays_only)
    for week in range(12):
        now = worlds.DAY_0 + timedelta(days=300 + 7 * week + week % 7, hours=6)
        worlds.load_arrivals(macros, world, now)
        assert worlds.alarms(macros, "lead", now) == []


@pytest.mark.parametrize(
    ("per_day", "weekdays_only", "within"), [(3, False, 14), (20, False, 3), (60, False, 1), (20, True, 5)]
)
def test_a_dead_feed_is_noticed(macros, per_day, weekdays_only, within):
    """At 60 outcomes a day the next day, at 20 within 3 days, at 3 within two weeks; a weekend delays it by itself."""
    world = worlds.arrivals_world(np.random.default_rng(100 + per_day), 400, per_day, weekdays_only)
    noticed = worlds.days_until_noticed(macros, "lead", world, worlds.DAY_0 + timedelta(days=333), within)
    assert noticed is not None


def test_the_message_says_number_threshold_and_window(macros):
    world = worlds.arrivals_world(np.random.default_rng(1), 400, 40)
    dead_since = worlds.DAY_0 + timedelta(days=330)
    worlds.load_arrivals(macros, world, dead_since + timedelta(days=4, hours=6), dead_since)
    row = worlds.alarms(macros, "lead", dead_since + timedelta(days=4, hours=6))[0]
    assert (row["n_arrived"], row["n_days"], row["window_start"]) == (0, 4, dead_since)
    assert row["n_expected"] == pytest.approx(160, rel=0.15)
    assert row["n_least"] == pytest.approx(row["n_expected"] / 2, rel=0.5)
    assert row["message"].startswith("0 outcomes became known in the 4 days to 2024-11-30 00:00:00, usual are 1")
    assert "; the last one known is of 2024-11-2" in row["message"]


def test_fewer_decisions_are_no_dead_feed_and_more_hide_none(macros):
    """Expectation follows the decisions: a tenth of them brings a tenth of the outcomes, three times as many do not."""
    rng = np.random.default_rng(2)
    world, now = worlds.arrivals_world(rng, 400, 30), worlds.DAY_0 + timedelta(days=350, hours=6)
    recent = world.as_of > worlds.DAY_0 + timedelta(days=320)
    fewer = world[~recent | (rng.random(len(world)) < 0.1)]
    worlds.load_arrivals(macros, fewer, now)
    assert worlds.alarms(macros, "lead", now) == []
    lost = world.known_at > worlds.DAY_0 + timedelta(days=345)
    world.loc[lost & (rng.random(len(world)) < 0.8), "known_at"] = None
    worlds.load_arrivals(macros, world, now)
    assert worlds.alarms(macros, "lead", now)[0]["n_arrived"] > 0


def test_where_absence_is_the_outcome_events_are_counted_when_cohorts_close(macros):
    world = worlds.arrivals_world(np.random.default_rng(3), 400, 30)
    now = worlds.DAY_0 + timedelta(days=350, hours=6)
    worlds.load_arrivals(macros, world, now)
    states = {"positive": "negative", "negative": "positive", "early_positive": "pending", "pending": "pending"}
    turned = " ".join(f"when '{state}' then '{other}'" for state, other in states.items())
    macros.connection.execute(f"update outcomes set state = case state {turned} end")
    assert worlds.alarms(macros, "lapse", now) == []
    macros.connection.execute("update outcomes set state = 'positive' where matures_at > timestamp '2024-12-10'")
    assert worlds.alarms(macros, "lapse", now)[0]["n_arrived"] == 0


@pytest.mark.parametrize("n_days", [0, 1, 20, 40])
def test_too_little_to_judge_is_silent(macros, n_days):
    world = worlds.arrivals_world(np.random.default_rng(4), n_days, 5)
    now = worlds.DAY_0 + timedelta(days=n_days, hours=6)
    worlds.load_arrivals(macros, world, now, dead_since=worlds.DAY_0)
    assert worlds.alarms(macros, "lead", now) == []
