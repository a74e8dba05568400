"""What did not run is blocked; causes that move, join, part and end: the pure core."""

from dataclasses import replace
from datetime import datetime

from paging_world import ANALYTICS, DATA, DAY, HOUR, ML, NOW, WORLD, Says, Told, seen

from orchestration.paging import core
from orchestration.paging.model import (
    FAILED,
    NOT_RUN,
    OK,
    PAGES,
    STEP,
    Observation,
    State,
)


def not_run(*assets: str, run_id: str, at: datetime) -> list[Observation]:
    return [Observation(asset, NOT_RUN, "planned", FAILED, at, at, run_id=run_id) for asset in assets]


def test_what_did_not_run_is_blocked_and_no_incident_of_its_own() -> None:
    told = Told()
    broke = seen("churn/model", source=STEP, name="materialized")
    told.look([broke, *not_run("raw/invoices", run_id="r1", at=NOW)])
    assert told.open == {"churn/model": "open"}
    assert "raw/invoices" in told.state.incidents[1].blocked


def test_what_a_run_left_out_is_blocked_by_what_broke_in_that_run_alone() -> None:
    told = Told()
    told.look([seen("raw/invoices", run_id="r1", name="nulls")])
    broke = seen("raw/usage", source=STEP, name="materialized", at=NOW + HOUR, run_id="r2")
    told.look([broke, *not_run("staging/usage", "churn/model", run_id="r2", at=NOW + HOUR)], now=NOW + HOUR)
    first, second = told.state.incidents[1], told.state.incidents[2]
    assert (first.asset, second.asset) == ("raw/invoices", "raw/usage")
    assert "staging/usage" not in first.blocked
    assert not first.is_stopped
    assert "staging/usage" in second.blocked
    assert second.is_stopped


def test_a_later_run_of_something_else_does_not_publish_what_a_run_left_out() -> None:
    told = Told()
    told.look([seen("raw/usage", run_id="r1"), *not_run("staging/usage", run_id="r1", at=NOW)])
    assert told.state.incidents[1].is_stopped
    told.look([seen("raw/invoices", OK, NOW + HOUR, run_id="r2")], now=NOW + HOUR)
    assert told.state.incidents[1].is_stopped
    assert told.look(now=NOW + 4 * HOUR) == [("escalated", ANALYTICS)]
    assert "is of an earlier run" in told.messages[-1].body
    told.look([seen("raw/usage", at=NOW + 5 * HOUR, run_id="r3")], now=NOW + 5 * HOUR)
    assert not told.state.incidents[1].is_stopped, "this run went on"


def test_mended_upstream_and_still_broken_below_stays_one_incident() -> None:
    told = Told()
    told.look([seen("raw/usage"), seen("staging/usage")])
    said = told.look([seen("raw/usage", OK, NOW + HOUR), seen("staging/usage", at=NOW + HOUR)])
    assert ("handover", ANALYTICS) in said
    assert list(told.open) == ["staging/usage"]
    assert len(told.state.incidents) == 1


def test_a_step_that_is_mended_gives_an_asset_back_to_the_group_of_its_check() -> None:
    told = Told()
    told.look([seen("raw/usage", group=ML)])
    step = seen("raw/usage", source=STEP, name="materialized", at=NOW + HOUR)
    assert ("handover", DATA) in told.look([step], now=NOW + HOUR)
    assert ("handover", ML) in told.look([replace(step, status=OK, at=NOW + 2 * HOUR)], now=NOW + 2 * HOUR)
    assert told.state.incidents[1].cause == "rows"


def test_a_check_that_the_project_no_longer_has_holds_nothing_open() -> None:
    told = Told()
    told.look([seen("raw/usage")])
    world = replace(WORLD, checks=frozenset({("raw/usage", "another")}))
    told.take(core.observe(told.state, [[seen("raw/usage", OK, NOW + DAY, "another")]], NOW, world))
    assert told.open, "a daemon that knows an older project hears of a new check before it knows it"
    told.take(core.observe(told.state, [[seen("raw/usage", OK, NOW + 2 * DAY, "another")]], NOW, world))
    assert told.open == {}


def test_the_end_of_what_broke_again_is_not_counted_from_its_last_break_and_says_so() -> None:
    told = Told()
    told.look([seen("raw/usage")])
    told.look([seen("raw/usage", OK, NOW + HOUR)], now=NOW + HOUR)
    assert any("(60 min after it was noticed)" in message.body for message in told.messages)
    told.look([seen("raw/usage", at=NOW + 30 * HOUR)], now=NOW + 30 * HOUR)
    for hour in (31, 32, 33):
        told.look([seen("raw/usage", OK, NOW + hour * HOUR)], now=NOW + hour * HOUR)
    assert "(33 h after it was first noticed; it broke 2 times)" in told.messages[-1].body


def test_whoever_could_not_be_told_before_it_was_over_gets_one_message() -> None:
    fail, mend = [seen("raw/usage")], [seen("raw/usage", OK, NOW + HOUR)]
    look = core.observe(State("t"), [fail, mend], NOW + DAY, WORLD)
    assert [(m.kind, m.group) for m in look.messages] == [("resolved_late", DATA)]
    assert "raw/usage has 3 rows" in look.messages[0].body
    first = core.observe(State("t"), [fail], NOW, WORLD)
    second = core.observe(first.state, [mend], NOW + DAY, WORLD)
    assert {m.key for m in first.messages} == second.withdrawn
    assert [(m.kind, m.group) for m in second.messages] == [("resolved_late", DATA)]


def test_a_clock_wound_back_neither_blinds_nor_freezes_the_pager() -> None:
    told = Told()
    told.look([seen("raw/usage", at=NOW, as_of=datetime(2031, 1, 1))], now=datetime(2031, 1, 1, 6))
    told.look([seen("raw/usage", at=NOW + HOUR)], now=NOW + HOUR)
    assert told.look(now=NOW + 6 * HOUR) == [("escalated", ANALYTICS)]
    told.look([seen("raw/usage", OK, NOW + 7 * HOUR)], now=NOW + 7 * HOUR)
    assert told.open == {}


def health(told: Told, day: float, verdict: Says | None, status: str = FAILED) -> list[tuple[str, str]]:
    """One morning: all that does not stop a run fails one check, whatever its cause is. What is said, but by time."""
    at = NOW + day * DAY
    said = told.look([seen("churn/performance", status, at)], now=at, diagnose=lambda asset, seen: verdict)
    return [each for each in said if each[0] != "escalated"]


USAGE, INVOICES = Says("raw/usage", DATA, "null_spike"), Says("raw/invoices", DATA, "source_late", confidence=0.7)
DRIFT = Says("churn/model", ML, "covariate_drift", "model", 0.6)


def test_a_cause_in_another_branch_is_another_incident_though_the_check_is_the_same() -> None:
    told = Told()
    health(told, 0, USAGE)
    told.take(core.acknowledge(told.state, 1, "ann", NOW + HOUR, WORLD))
    said = health(told, 1, INVOICES)
    assert [each for each in said if each[0] in PAGES or each[0] == "resolved"] == [
        ("opened", DATA),
        ("resolved", DATA),
    ]
    assert told.open == {"raw/invoices": "open"}
    over = next(m for m in told.messages if m.kind == "resolved")
    assert "is mended" not in over.body
    assert "raw/invoices is broken now: incident 2" in over.body
    assert health(told, 1.1, INVOICES) == []
    assert told.look(now=NOW + 1.5 * DAY) == [("escalated", ANALYTICS)]
    assert health(told, 2, replace(INVOICES, confidence=0.1)) == []
    assert health(told, 3, None) == []
    assert told.open == {"raw/invoices": "open"}


def test_a_lately_resolved_incident_is_not_the_one_of_a_cause_in_another_branch() -> None:
    told = Told()
    health(told, 0, USAGE)
    health(told, 1, None, OK)
    assert ("opened", DATA) in health(told, 2, INVOICES)
    assert told.open == {"raw/invoices": "open"}
    assert told.state.incidents[1].resolved_at == NOW + DAY


def test_two_causes_that_take_turns_reopen_what_was_open_and_then_keep_quiet() -> None:
    told = Told()
    for n in range(40):
        health(told, n / 24, INVOICES if n % 2 else USAGE)
    assert [(m.kind, m.incident_id) for m in told.messages if m.kind in ("opened", "reopened", "handover")] == [
        ("opened", 1),
        ("opened", 2),
        ("reopened", 1),
        ("reopened", 2),
    ]
    assert list(told.open) == ["raw/invoices"]
    health(told, 40 / 24, None, OK)  # it settles: it has not flapped, what it was called has
    assert told.open == {}


def test_the_word_of_a_person_holds_for_what_it_was_said_of() -> None:
    told = Told()
    health(told, 0, USAGE)
    told.take(core.pass_on(told.state, 1, ANALYTICS, "the join lost rows", NOW, WORLD))
    assert health(told, 1, USAGE) == []
    assert told.state.incidents[1].group == ANALYTICS
    assert ("opened", DATA) in health(told, 2, INVOICES)
    assert told.state.incidents[2].group == DATA
    again = Told()
    health(again, 0, USAGE)
    again.take(core.pass_on(again.state, 1, ANALYTICS, "the join lost rows", NOW, WORLD))
    assert ("handover", ML) in health(again, 1, Says("churn/model", ML, "stale_model", "model", 0.95))
    assert not again.state.incidents[1].is_passed
    back = Told()
    health(back, 0, USAGE)
    back.take(core.pass_on(back.state, 1, ANALYTICS, "the join lost rows", NOW, WORLD))
    health(back, 1, None, OK)
    assert ("reopened", ML) in health(back, 2, DRIFT)


def test_what_remains_when_the_cause_above_it_is_mended_goes_back_to_its_group() -> None:
    told = Told()
    health(told, 0, DRIFT)
    assert ("handover", DATA) in health(told, 1, USAGE)
    assert health(told, 1.5, DRIFT) == [], "two verdicts that take turns play no ping-pong"
    told.take(core.acknowledge(told.state, 1, "ann", NOW + 1.5 * DAY, WORLD))
    assert health(told, 2, DRIFT) == []
    said = health(told, 4, DRIFT)
    assert said[:2] == [("handover", ML), ("handed_over", DATA)]
    incident = told.state.incidents[1]
    assert (incident.asset, incident.cause, incident.group, incident.state) == (
        *("churn/model", "covariate_drift", ML, "open"),
    )
    assert health(told, 5, USAGE) == []
    assert len(told.state.incidents) == 1
