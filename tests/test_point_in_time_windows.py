"""`event_versions` and `window_as_of` against brute force: aggregates over what was known at each spine row's as_of."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
from dbt_common.exceptions import CompilationError
from how_many import examples
from hypothesis import HealthCheck, given, settings
from macro_harness import MacroHarness
from point_in_time_oracle import LOG_COLUMNS, SPINE_COLUMNS, Row, Spine, at, events, instants, logs, spines

quick = settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VARIANTS = {"fast": False, "portable": True}
WINDOWS = {
    "1 day": {"n_1d": "count(*)", "actions_1d": "sum(n_actions)"},
    "3 days": {
        "n_3d": "count(*)",
        "actions_3d": "sum(n_actions)",
        "newest_3d": "max(event_at)",
        "pro_3d": "sum(case when plan = 'pro' then 1 end)",
        "share_3d": "coalesce(sum(n_actions), 0) + count(n_actions)",
    },
    "1 week": {"n_7d": "count(*)"},
}


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("macros")) as harness:
        yield harness


def build_versions(macros: MacroHarness, log: list[Row], portable: bool = False) -> None:
    macros.load("log", LOG_COLUMNS, log)
    sql = macros.render("event_versions", "log", "account_id", "usage_id", ["plan", "n_actions"], portable=portable)
    macros.connection.execute(f"create or replace table versions as {sql}")


def aggregated(
    macros: MacroHarness, log: list[Row], spine: list[Spine], portable: bool = False
) -> list[dict[str, Any]]:
    build_versions(macros, log, portable)
    macros.load("spine", SPINE_COLUMNS, spine)
    sql = macros.render("window_as_of", "spine", "versions", "account_id", WINDOWS, portable=portable)
    return sorted(macros.query(sql), key=lambda row: row["spine_id"])


def total(values: list[int | None]) -> int | None:
    present = [v for v in values if v is not None]
    return sum(present) if present else None


def expected(log: list[Row], spine: list[Spine]) -> list[dict[str, Any]]:
    rows = []
    for s in spine:
        known = events(log, s.account_id, s.as_of)
        days = {n: [r for r in known if r.event_at > s.as_of - timedelta(days=n)] for n in (1, 3, 7)}
        actions = [r.n_actions for r in days[3]]
        rows.append(
            {
                **s._asdict(),
                "n_1d": len(days[1]),
                "actions_1d": total([r.n_actions for r in days[1]]),
                "n_3d": len(days[3]),
                "actions_3d": total(actions),
                "newest_3d": max((r.event_at for r in days[3]), default=None),
                "pro_3d": total([1 for r in days[3] if r.plan == "pro"]),
                "share_3d": (total(actions) or 0) + sum(a is not None for a in actions),
                "n_7d": len(days[7]),
            }
        )
    return rows


@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
@quick
@given(log=logs(), spine=spines())
def test_aggregates_are_over_the_events_known_then(
    macros: MacroHarness, portable: bool, log: list[Row], spine: list[Spine]
) -> None:
    assert aggregated(macros, log, spine, portable) == expected(log, spine)


@quick
@given(log=logs())
def test_fast_and_portable_versions_are_the_same_rows(macros: MacroHarness, log: list[Row]) -> None:
    macros.load("log", LOG_COLUMNS, log)
    found = []
    for portable in (False, True):
        sql = macros.render("event_versions", "log", "account_id", "usage_id", ["plan", "n_actions"], portable=portable)
        found.append(sorted(macros.query(sql), key=repr))
    assert found[0] == found[1]


@quick
@given(log=logs(), later=logs(), spine=spines(), cut=instants)
def test_rows_known_after_as_of_change_nothing(
    macros: MacroHarness, log: list[Row], later: list[Row], spine: list[Spine], cut: datetime
) -> None:
    spine = [s for s in spine if s.as_of <= cut]
    later = [r._replace(row_id=r.row_id + 100) for r in later if r.known_at > cut]
    assert aggregated(macros, log + later, spine) == aggregated(macros, log, spine)


@quick
@given(log=logs(), later=logs(), spine=spines(), cut=instants)
def test_events_after_as_of_change_nothing(
    macros: MacroHarness, log: list[Row], later: list[Row], spine: list[Spine], cut: datetime
) -> None:
    spine = [s for s in spine if s.as_of <= cut]
    later = [r._replace(row_id=r.row_id + 100, usage_id=r.usage_id + 10) for r in later if r.event_at > cut]
    assert aggregated(macros, log + later, spine) == aggregated(macros, log, spine)


def event(event_at: float, known_at: float, row_id: int, usage_id: int = 1, **values: Any) -> Row:
    return Row("a", usage_id, at(event_at), at(known_at), row_id, False, None, 1)._replace(**values)


def intervals(macros: MacroHarness) -> list[tuple[Any, ...]]:
    rows = macros.query("select n_actions, valid_from, valid_to from versions order by valid_from, usage_id")
    return [tuple(row.values()) for row in rows]


FOREVER = datetime(9999, 12, 31)
CASES = {
    "a correction replaces from when it is known": (
        [event(1, 2, 1), event(1, 5, 2, n_actions=7)],
        [(1, at(2), at(5)), (7, at(5), FOREVER)],
    ),
    "a correction of a null": (
        [event(1, 2, 1, n_actions=None), event(1, 5, 2)],
        [(None, at(2), at(5)), (1, at(5), FOREVER)],
    ),
    "a correction to null": (
        [event(1, 2, 1), event(1, 5, 2, n_actions=None)],
        [(1, at(2), at(5)), (None, at(5), FOREVER)],
    ),
    "a redelivery of nulls is no new version": (
        [event(1, 2, 1, n_actions=None), event(1, 5, 2, n_actions=None)],
        [(None, at(2), FOREVER)],
    ),
    "a redelivery is no new version": ([event(1, 2, 1), event(1, 5, 2)], [(1, at(2), FOREVER)]),
    "a tombstone only ends": ([event(1, 2, 1), event(1, 5, 2, is_deleted=True)], [(1, at(2), at(5))]),
    "a deleted event can come back": (
        [event(1, 2, 1), event(1, 5, 2, is_deleted=True), event(1, 6, 3)],
        [(1, at(2), at(5)), (1, at(6), FOREVER)],
    ),
    "of equal known_at the row loaded last wins": (
        [event(1, 2, 2, n_actions=7), event(1, 2, 1)],
        [(7, at(2), FOREVER)],
    ),
    "an event moved to the future is gone when that is known": (
        [event(4, 2, 1), event(9, 6, 2)],
        [(1, at(4), at(6)), (1, at(9), FOREVER)],
    ),
    "a tombstone of an unknown event leaves nothing": ([event(1, 2, 1, is_deleted=True)], []),
}


@pytest.mark.parametrize(("log", "versions"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
def test_event_case(macros: MacroHarness, portable: bool, log: list[Row], versions: list[tuple[Any, ...]]) -> None:
    build_versions(macros, log, portable)
    assert intervals(macros) == versions


@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
def test_a_key_may_have_several_columns(macros: MacroHarness, portable: bool) -> None:
    macros.load("log", LOG_COLUMNS, [event(1, 1, 1), event(2, 2, 2), event(1, 3, 3, n_actions=9)])
    sql = macros.render(
        "event_versions", "log", "account_id", ["account_id", "event_at"], ["n_actions"], portable=portable
    )
    rows = macros.query(f"select * from ({sql}) as v order by event_at, valid_from")
    assert [(r["n_actions"], r["event_at"], r["valid_to"]) for r in rows] == [
        (1, at(1), at(3)),
        (9, at(1), FOREVER),
        (1, at(2), FOREVER),
    ]


def test_a_window_is_open_at_its_start_and_closed_at_as_of(macros: MacroHarness) -> None:
    log = [event(hours, hours, i, usage_id=i) for i, hours in enumerate([0, 1, 24, 25])]
    assert aggregated(macros, log, [Spine(0, "a", at(24))])[0]["n_1d"] == 2


@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
def test_a_version_valid_before_its_event_waits_for_it(macros: MacroHarness, portable: bool) -> None:
    build_versions(macros, [event(5, 5, 1)])
    macros.connection.execute("update versions set valid_from = valid_from - interval 2 hour")
    macros.load("spine", SPINE_COLUMNS, [Spine(i, "a", at(i)) for i in range(3, 7)])
    sql = macros.render("window_as_of", "spine", "versions", "account_id", WINDOWS, portable=portable)
    assert [row["n_1d"] for row in macros.query(f"select * from ({sql}) as w order by as_of")] == [0, 0, 1, 1]


def test_windows_before_1970_work_the_same(macros: MacroHarness) -> None:
    back = timedelta(days=365 * 60)
    log = [event(h, h, i, usage_id=i) for i, h in enumerate([0, 30, 60, 90])]
    log = [r._replace(event_at=r.event_at - back, known_at=r.known_at - back) for r in log]
    spine = [Spine(i, "a", at(12 * i) - back) for i in range(9)]
    assert aggregated(macros, log, spine) == expected(log, spine)


@pytest.mark.parametrize("portable", VARIANTS.values(), ids=VARIANTS)
@quick
@given(log=logs(), spine=spines())
def test_rows_in_are_rows_out(macros: MacroHarness, portable: bool, log: list[Row], spine: list[Spine]) -> None:
    assert aggregated(macros, log, spine * 2, portable) == [row for row in expected(log, spine) for _ in range(2)]


def test_spine_rows_without_account_or_as_of_are_kept(macros: MacroHarness) -> None:
    spine = [Spine(0, "a", at(3)), Spine(1, None, at(3)), Spine(2, "a", None)]  # type: ignore[arg-type]
    assert [r["n_1d"] for r in aggregated(macros, [event(1, 1, 1)], spine)] == [1, 0, 0]


def test_latest_of_events_is_refused(macros: MacroHarness) -> None:
    build_versions(macros, [event(1, 1, 1)])
    macros.load("spine", SPINE_COLUMNS, [Spine(0, "a", at(3))])
    with pytest.raises(duckdb.BinderException, match="is_deleted"):
        macros.query(macros.render("latest_as_of", "spine", "versions", "account_id", ["plan"]))


@pytest.mark.parametrize("windows", [{}, {"1 day": {"n": "count(*)"}, "2 days": {"n": "count(*)"}}])
def test_windows_need_distinct_aliases(macros: MacroHarness, windows: dict[str, dict[str, str]]) -> None:
    with pytest.raises(CompilationError, match="each once over all windows"):
        macros.render("window_as_of", "spine", "versions", "account_id", windows)


def test_a_bad_duration_says_what_is_allowed(macros: MacroHarness) -> None:
    with pytest.raises(CompilationError, match="duration is 'a month'; allowed is a whole number and minutes"):
        macros.render("window_as_of", "spine", "versions", "account_id", {"a month": {"n": "count(*)"}})
