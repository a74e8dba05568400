"""`with_labels` against brute force: outcomes as known at now, and since when they have been known."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from how_many import examples
from hypothesis import HealthCheck, given, settings
from macro_harness import MacroHarness
from point_in_time_oracle import LOG_COLUMNS, SPINE_COLUMNS, Row, Spine, at, label_known_at, logs, spines

quick = settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VARIANTS = {"fast": False, "portable": True}
HORIZON, GRACE = timedelta(days=3), timedelta(days=1)
NOW = at(9 * 24 + 6)
PRODUCTS = {"churn": {"entity": "account_id", "outcome": {"model": "e", "horizon": "3 days", "grace": "1 day"}}}


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("macros"), PRODUCTS, now=f"{NOW}") as harness:
        yield harness


def labelled(macros: MacroHarness, log: list[Row], spine: list[Spine], portable: bool = False) -> list[dict[str, Any]]:
    macros.load("log", LOG_COLUMNS, log)
    macros.load("spine", SPINE_COLUMNS, spine)
    versions = macros.render("event_versions", "log", "account_id", "usage_id", ["plan"], portable=portable)
    macros.connection.execute(f"create or replace table events as {versions}")
    rows = macros.query(macros.render("with_labels", "spine", "events", "churn", portable=portable))
    return sorted(rows, key=lambda row: row["spine_id"])


def expected(log: list[Row], spine: list[Spine]) -> list[dict[str, Any]]:
    rows = []
    for s in spine:
        if s.as_of + HORIZON + GRACE <= NOW:
            outcome_label, known_at = label_known_at(log, s, HORIZON, GRACE, NOW)
            rows.append({**s._asdict(), "outcome_label": outcome_label, "label_known_at": known_at})
    return rows


@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
@quick
@given(log=logs(), spine=spines())
def test_labels_are_what_is_known_at_now(
    macros: MacroHarness, portable: bool, log: list[Row], spine: list[Spine]
) -> None:
    assert labelled(macros, log, spine, portable) == expected(log, spine)


@quick
@given(log=logs(), spine=spines())
def test_rows_in_are_rows_out_once_matured(macros: MacroHarness, log: list[Row], spine: list[Spine]) -> None:
    assert labelled(macros, log, spine * 2) == [row for row in expected(log, spine) for _ in range(2)]


def churn(event: float, known: float, row_id: int, usage_id: int = 1, is_deleted: bool = False) -> Row:
    return Row("a", usage_id, at(24 * event), at(24 * known), row_id, is_deleted, None, None)


# as_of is day 1, so the horizon is (day 1, day 4] and the row matures on day 5; now is day 9 and 6 hours.
CASES: dict[str, tuple[list[Row], int, float]] = {
    "no event": ([], 0, 5),
    "an event on the last instant": ([churn(4, 4, 1)], 1, 5),
    "an event at as_of is in the past": ([churn(1, 1, 1)], 0, 5),
    "an event after the horizon": ([churn(4.5, 4.5, 1)], 0, 5),
    "an event known late": ([churn(2, 7, 1)], 1, 7),
    "an event not known yet": ([churn(2, 10, 1)], 0, 5),
    "a retraction": ([churn(2, 2, 1), churn(2, 8, 2, is_deleted=True)], 0, 8),
    "a retraction before maturity": ([churn(2, 2, 1), churn(2, 3, 2, is_deleted=True)], 0, 5),
    "a retraction of one of two": ([churn(2, 2, 1), churn(3, 3, 2, 2), churn(2, 8, 3, is_deleted=True)], 1, 5),
    "a correction into the horizon": ([churn(5, 5, 1), churn(3, 6, 2)], 1, 6),
    "a correction within the horizon": ([churn(2, 2, 1), churn(3, 7, 2)], 1, 5),
    "retracted and reported again": ([churn(2, 2, 1), churn(2, 6, 2, is_deleted=True), churn(2, 8, 3)], 1, 8),
}


@pytest.mark.parametrize(("log", "outcome_label", "known_on_day"), CASES.values(), ids=CASES)
def test_label_case(macros: MacroHarness, log: list[Row], outcome_label: int, known_on_day: float) -> None:
    (row,) = labelled(macros, log, [Spine(0, "a", at(24))])
    assert (row["outcome_label"], row["label_known_at"]) == (outcome_label, at(24 * known_on_day))


def test_a_row_matures_when_grace_has_passed(macros: MacroHarness) -> None:
    edge = NOW - HORIZON - GRACE
    rows = labelled(macros, [], [Spine(0, "a", edge), Spine(1, "a", edge + timedelta(microseconds=1))])
    assert [row["spine_id"] for row in rows] == [0]
