"""Figures of the monitoring tables: they show what the table holds, and a table with nothing to show has none."""

from datetime import datetime, timedelta

import duckdb
import numpy as np
import pytest
from matplotlib.dates import date2num

from ml.pictures import PICTURES, pictures
from ml.pictures.performance import draw

PNG = b"\x89PNG\r\n\x1a\n"
START = datetime(2026, 1, 1)
COLUMNS = (
    "window_kind varchar, window_end timestamp, slice_name varchar, model_version varchar, basis varchar, "
    "coverage double, roc_auc double, roc_auc_low double, roc_auc_high double, value double, value_low double, "
    "value_high double, value_treat_none double, value_treat_all double, value_lift double"
)


def table(rows: list[tuple[object, ...]]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"create table performance ({COLUMNS})")
    if rows:
        con.executemany(f"insert into performance values ({', '.join('?' * 15)})", rows)
    return con


def row(
    day: int, *, kind: str = "28d", basis: str = "matured", coverage: float = 1.0, auc: float | None = 0.8
) -> tuple[object, ...]:
    money = (100.0 + day, 50.0, 150.0, 0.0, -900.0, 100.0 + day) if auc is not None else (None,) * 6
    around = (auc - 0.05, auc + 0.05) if auc is not None else (None, None)
    return (kind, START + timedelta(days=day), "overall", "all", basis, coverage, auc, *around, *money)


def test_the_line_is_the_longest_windows_matured_number() -> None:
    rows = [row(day, auc=0.7 + day / 100) for day in range(5)]
    other = [row(day, kind="1d", auc=0.1) for day in range(5)] + [row(day, basis="naive", auc=0.1) for day in range(5)]
    whole = [row(4, kind="whole", auc=0.1)]
    figure = draw(table(rows + other + whole), "performance")["performance over time"]
    line = figure.axes[0].lines[0]
    assert np.allclose(line.get_ydata(), [0.70, 0.71, 0.72, 0.73, 0.74])
    assert np.allclose(line.get_xdata(orig=False), date2num([START + timedelta(days=day) for day in range(5)]))
    assert figure.axes[0].get_title() == "Ranking of matured decisions, windows of 28d"


def test_windows_with_pending_decisions_are_dotted_and_have_no_sum_of_money() -> None:
    found = draw(table([row(0), row(1), row(2, coverage=0.5)]), "performance")
    solid, dotted = found["performance over time"].axes[0].lines
    assert np.isnan(solid.get_ydata()[2])  # type: ignore[index]
    assert np.isnan(dotted.get_ydata()[:2]).all()  # type: ignore[index]
    assert list(found["value over time"].axes[0].lines[0].get_ydata()) == [100.0, 101.0]


@pytest.mark.parametrize(
    "rows", [[], [row(0, kind="whole")], [row(0, auc=None, coverage=0.0)], [row(0, basis="naive")]], ids=str
)
def test_nothing_to_show_is_no_picture(rows: list[tuple[object, ...]]) -> None:
    assert pictures("performance", table(rows), "performance") == {}


def test_two_windows_are_a_line_and_one_is_none() -> None:
    found = pictures("performance", table([row(0), row(1)]), "performance")
    assert set(found) == {"performance over time", "value over time"}
    assert all(png.startswith(PNG) for png in found.values())
    assert pictures("performance", table([row(0)]), "performance") == {}


def test_an_unknown_picture_says_what_is_allowed() -> None:
    with pytest.raises(ValueError, match=rf"'pie'; allowed are {', '.join(PICTURES)}"):
        pictures("pie", table([]), "performance")
