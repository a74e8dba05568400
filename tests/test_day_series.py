"""The instants of `baton.day_series`: fast and portable form against plain Python."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from macro_harness import MacroHarness


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("macros")) as harness:
        yield harness


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize(
    ("first", "last", "step"),
    [("2026-01-30", "2026-03-02", 1), ("2026-01-05", "2026-12-31", 7), ("2026-01-02", "2026-01-01", 1)],
)
def test_day_series(macros: MacroHarness, first: str, last: str, step: int, portable: bool) -> None:
    sql = macros.render("day_series", f"timestamp '{first}'", f"timestamp '{last}'", step, portable=portable)
    start, days = datetime.fromisoformat(first), (datetime.fromisoformat(last) - datetime.fromisoformat(first)).days
    expected = [start + n * timedelta(days=step) for n in range(days // step + 1)]
    assert sorted(row["as_of"] for row in macros.query(sql)) == expected


@pytest.mark.parametrize("portable", [False, True])
def test_an_unknown_end_gives_no_day(macros: MacroHarness, portable: bool) -> None:
    sql = macros.render("day_series", "timestamp '2026-01-01'", "cast(null as timestamp)", portable=portable)
    assert macros.query(sql) == []
