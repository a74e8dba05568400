"""`state_versions` and `latest_as_of` against brute force: one state per spine row, as it was known at its as_of."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from how_many import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness
from point_in_time_oracle import LOG_COLUMNS, SPINE_COLUMNS, Row, Spine, at, instants, logs, spines, state

quick = settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VARIANTS = {"fast": False, "portable": True}


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("macros")) as harness:
        yield harness


def latest(
    macros: MacroHarness, log: list[Row], spine: list[Spine], portable: bool = False, ttl: str | None = None
) -> list[dict[str, Any]]:
    macros.load("log", LOG_COLUMNS, log)
    macros.load("spine", SPINE_COLUMNS, spine)
    columns = ["plan", "n_actions"]
    versions = macros.render("state_versions", "log", "account_id", columns, portable=portable)
    macros.connection.execute(f"create or replace table versions as {versions}")
    joined = macros.render(
        "latest_as_of", "spine", "versions", "account_id", [*columns, "event_at as since"], ttl=ttl, portable=portable
    )
    return sorted(macros.query(joined), key=lambda row: row["spine_id"])


def expected(log: list[Row], spine: list[Spine], ttl: timedelta | None = None) -> list[dict[str, Any]]:
    rows = []
    for s in spine:
        found = state(log, s.account_id, s.as_of, ttl)
        values = (found.plan, found.n_actions, found.event_at) if found else (None, None, None)
        rows.append({**s._asdict(), **dict(zip(["plan", "n_actions", "since"], values, strict=True))})
    return rows


@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
@quick
@given(log=logs(), spine=spines())
def test_latest_is_the_newest_visible_row(
    macros: MacroHarness, portable: bool, log: list[Row], spine: list[Spine]
) -> None:
    assert latest(macros, log, spine, portable) == expected(log, spine)


@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
@quick
@given(log=logs(), spine=spines())
def test_ttl_forgets_states_that_are_older(
    macros: MacroHarness, portable: bool, log: list[Row], spine: list[Spine]
) -> None:
    assert latest(macros, log, spine, portable, ttl="36 hours") == expected(log, spine, timedelta(hours=36))


@quick
@given(log=logs(), later=logs(), spine=spines(), cut=instants)
def test_rows_visible_after_as_of_change_nothing(
    macros: MacroHarness, log: list[Row], later: list[Row], spine: list[Spine], cut: datetime
) -> None:
    spine = [s for s in spine if s.as_of <= cut]
    later = [r._replace(row_id=r.row_id + 100) for r in later if max(r.event_at, r.known_at) > cut]
    assert latest(macros, log + later, spine) == latest(macros, log, spine)


@quick
@given(log=logs(), spine=spines(), known=instants)
def test_state_as_known_on_a_day_is_the_state_of_the_log_cut_there(
    macros: MacroHarness, log: list[Row], spine: list[Spine], known: datetime
) -> None:
    cut = [r for r in log if r.known_at <= known]
    spine = [s._replace(as_of=known) for s in spine]
    assert latest(macros, log, spine) == latest(macros, cut, spine) == expected(cut, spine)


@quick
@given(log=logs())
def test_versions_of_an_account_never_overlap(macros: MacroHarness, log: list[Row]) -> None:
    macros.load("log", LOG_COLUMNS, log)
    versions = macros.render("state_versions", "log", "account_id", ["plan"])
    macros.connection.execute(f"create or replace table versions as {versions}")
    overlaps = macros.query(
        """
        select * from (
            select *, lead(valid_from) over (partition by account_id order by valid_from) as next_from from versions
        ) as ordered
        where valid_to <= valid_from or next_from < valid_to
        """
    )
    assert overlaps == []


def state_row(event: float, known: float, plan: str | None, row_id: int = 0, is_deleted: bool = False) -> Row:
    return Row("a", 1, at(event), at(known), row_id, is_deleted, plan, None)


CASES = {
    "a late row of an older event does not win": ([(5, 5, "new"), (1, 8, "old")], 9, "new"),
    "a correction of the same event wins once it is known": ([(5, 5, "wrong"), (5, 8, "right")], 8, "right"),
    "and not before": ([(5, 5, "wrong"), (5, 8, "right")], 7, "wrong"),
    "a row known before it happens waits for its event": ([(1, 1, "free"), (6, 2, "pro")], 5, "free"),
    "a null value is a value": ([(1, 1, "free"), (2, 2, None)], 3, None),
    "nothing is known before the first row": ([(5, 5, "free")], 4, None),
    "an instant belongs to the version that starts there": ([(5, 5, "free")], 5, "free"),
}


@pytest.mark.parametrize(("rows", "as_of", "plan"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
def test_state_case(
    macros: MacroHarness, portable: bool, rows: list[tuple[float, float, str | None]], as_of: float, plan: str | None
) -> None:
    log = [state_row(event, known, value, i) for i, (event, known, value) in enumerate(rows)]
    assert latest(macros, log, [Spine(0, "a", at(as_of))], portable)[0]["plan"] == plan


def test_of_equal_times_the_row_loaded_last_wins(macros: MacroHarness) -> None:
    log = [state_row(1, 1, "second", 2), state_row(1, 1, "first", 1)]
    assert latest(macros, log, [Spine(0, "a", at(1))])[0]["plan"] == "second"


def test_a_deleted_state_is_none_until_the_next_one(macros: MacroHarness) -> None:
    log = [state_row(1, 1, "pro", 1), state_row(2, 2, "pro", 2, True), state_row(4, 4, "free", 3)]
    plans = [row["plan"] for row in latest(macros, log, [Spine(i, "a", at(i)) for i in range(5)])]
    assert plans == [None, "pro", None, None, "free"]


def test_a_tombstone_stays_in_the_versions_without_values(macros: MacroHarness) -> None:
    macros.load("log", LOG_COLUMNS, [state_row(1, 1, "pro", 1), state_row(2, 2, "pro", 2, True)])
    rows = macros.query(macros.render("state_versions", "log", "account_id", ["plan"]) + " order by valid_from")
    assert [(r["plan"], r["is_deleted"]) for r in rows] == [("pro", False), (None, True)]


def test_rows_without_entity_or_time_are_left_out(macros: MacroHarness) -> None:
    rows = [(None, 1, at(1), at(1), 1, False, "x", 1), ("a", 1, None, at(1), 2, False, "x", 1)]
    macros.load("log", LOG_COLUMNS, rows)
    assert macros.query(macros.render("state_versions", "log", "account_id", ["plan"])) == []


def test_spine_rows_without_account_or_as_of_are_kept(macros: MacroHarness) -> None:
    spine = [Spine(0, "a", at(3)), Spine(1, None, at(3)), Spine(2, "a", None)]  # type: ignore[arg-type]
    assert [r["plan"] for r in latest(macros, [state_row(1, 1, "pro")], spine)] == ["pro", None, None]


@quick
@given(log=logs(), spine=spines(), copies=st.integers(2, 4))
def test_rows_in_are_rows_out(macros: MacroHarness, log: list[Row], spine: list[Spine], copies: int) -> None:
    assert len(latest(macros, log, spine * copies)) == len(spine) * copies
