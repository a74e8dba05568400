"""The small macros below the joins: buckets, durations, the clock."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from how_many import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness

from ml.clock import parse_duration

quick = settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NOW = "2026-01-01 06:30:00.25"


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("macros"), now=NOW) as harness:
        yield harness


def bucket(value: str, n: int, salt: str) -> int:
    return int(hashlib.md5(f"{salt}|{value}".encode()).hexdigest()[:8], 16) % n


@pytest.mark.parametrize("portable", [False, True])
@quick
@given(value=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12))
def test_bucket_is_the_python_rule(macros: MacroHarness, portable: bool, value: str) -> None:
    macros.load("keys", {"k": "varchar"}, [(value,)])
    expression = macros.render("bucket", "k", 10000, "holdout|o'neil", portable=portable)
    assert macros.query(f"select {expression} as b from keys") == [{"b": bucket(value, 10000, "holdout|o'neil")}]


@pytest.mark.parametrize("portable", [False, True])
def test_bucket_of_integers_and_nulls(macros: MacroHarness, portable: bool) -> None:
    macros.load("keys", {"k": "bigint"}, [(17,), (None,)])
    expression = macros.render("bucket", "k", 30, "s", portable=portable)
    rows = macros.query(f"select {expression} as b from keys order by k")
    assert [r["b"] for r in rows] == [
        bucket("17", 30, "s"),
        None,
    ]


@pytest.mark.parametrize("portable", [False, True])
def test_buckets_are_spread_evenly(macros: MacroHarness, portable: bool) -> None:
    expression = macros.render("bucket", "'account-' || i", 10, "s", portable=portable)
    rows = macros.query(f"select {expression} as b, count(*) as n from range(20000) as r(i) group by 1")
    assert sorted(r["b"] for r in rows) == list(range(10))
    assert all(1800 < r["n"] < 2200 for r in rows)


@pytest.mark.parametrize("text", ["30 days", "6 hours", "45 minutes", "2 weeks", "28d", "1 day", "3h", "5m", "1w"])
@pytest.mark.parametrize("portable", [False, True])
def test_durations_are_those_of_the_clock(macros: MacroHarness, portable: bool, text: str) -> None:
    interval = macros.render("interval", text, portable=portable)
    start = datetime(2025, 3, 1)
    assert macros.value(f"timestamp '{start}' + {interval}") == start + parse_duration(text)


def test_now_is_the_var_and_as_of_its_midnight(macros: MacroHarness) -> None:
    now = datetime.fromisoformat(NOW)
    assert macros.value(macros.render("now")) == now
    assert macros.value(macros.render("as_of")) == now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert macros.value(macros.render("later_of", macros.render("now"), macros.render("as_of"))) == now
    assert macros.value(macros.render("end_of_time")) - now > timedelta(days=365 * 1000)
