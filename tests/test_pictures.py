"""Figures of the monitoring tables: they show what the table holds, and a table with nothing to show has none."""

from datetime import datetime, timedelta

import duckdb
import numpy as np
import pytest
from matplotlib.dates import date2num

from ml.pictures import PICTURES, calibration, delay, drift, metrics, pictures
from ml.pictures.performance import draw
from orchestration.pictures import kind_of

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
    with pytest.raises(ValueError, match=rf"'pie'; there are {', '.join(PICTURES)}"):
        pictures("pie", table([]), "performance")


def of(relation: str, columns: str, rows: list[tuple[object, ...]]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"create table {relation} ({columns})")
    if rows:
        con.executemany(f"insert into {relation} values ({', '.join('?' * len(rows[0]))})", rows)
    return con


BIN = (
    "window_kind varchar, window_end timestamp, model_version varchar, status varchar, bin integer, n bigint, "
    "mean_score double, positive_rate double, positive_rate_low double, positive_rate_high double"
)


def test_calibration_shows_the_newest_full_window_that_can_be_judged() -> None:
    def day(at: int, status: str, rate: float, n: int = 100) -> list[tuple[object, ...]]:
        end = START + timedelta(days=at)
        return [("28d", end, "all", status, b, n, b / 10 + 0.05, rate, rate - 0.04, rate + 0.04) for b in range(3)]

    con = of("calibration", BIN, day(1, "ok", 0.1) + day(2, "ok", 0.2) + day(3, "ok", 0.8, 9))
    (ax,) = calibration.draw(con, "calibration")["calibration"].axes
    assert ax.get_title() == "Calibration, 28d to 2026-01-03, 300 decisions"
    points = np.asarray(ax.collections[-1].get_offsets())
    assert np.allclose(points, [[0.05, 0.2], [0.15, 0.2], [0.25, 0.2]])
    assert calibration.draw(of("calibration", BIN, day(3, "insufficient_data", 0.9)), "calibration") == {}


DRIFT = (
    "window_kind varchar, window_end timestamp, feature varchar, method varchar, value double, threshold double, "
    "is_alarm boolean"
)


def test_drift_shows_how_far_each_feature_is_over_its_threshold() -> None:
    rows: list[tuple[object, ...]] = [
        ("1d", START + timedelta(days=day), feature, "psi", value, 0.1, feature == "odd 'name'" and day == 2)
        for day in range(3)
        for feature, value in (("calm", 0.01), ("odd 'name'", 0.1 * day), ("never", None))
    ]
    figure = drift.draw(of("drift", DRIFT, rows), "drift")["drift by feature"]
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["calm", "odd 'name'"]
    assert np.allclose(np.asarray(ax.collections[0].get_array()), [[0.1, 0.1, 0.1], [0.0, 1.0, 2.0]])
    assert np.asarray(ax.collections[1].get_offsets())[:, 1].tolist() == [1.0]
    assert drift.draw(of("drift", DRIFT, rows[:3]), "drift") == {}  # one window is no development


DELAY = (
    "stratum varchar, age_seconds bigint, age_hours double, share_seen double, share_seen_low double, "
    "share_seen_high double, n_positives bigint, age_p99_hours double"
)


def test_delay_shows_the_curve_and_its_strata() -> None:
    rows: list[tuple[object, ...]] = [
        (stratum, hour * 3600, float(hour), hour / 48, hour / 50, min(1.0, hour / 40), 20, 48.0)
        for stratum in ("all", "a campaign")
        for hour in (12, 24, 48)
    ]
    (ax,) = delay.draw(of("delay", DELAY, rows), "delay")["delay of outcomes"].axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["all, 20 outcomes", "a campaign", "99 % are known after 2 days"]
    assert np.allclose(ax.lines[0].get_ydata(), [0.25, 0.5, 1.0])
    assert delay.draw(of("delay", DELAY, []), "delay") == {}


METRICS = (
    "window_kind varchar, window_end timestamp, slice_name varchar, metric varchar, value double, value_low double, "
    "value_high double"
)


def test_business_metrics_have_a_panel_each() -> None:
    rows: list[tuple[object, ...]] = [
        ("28d", START + timedelta(days=day), "overall", metric, day / 10, None, None)
        for day in range(3)
        for metric in ("churn_rate", "mrr_at_risk")
    ]
    rows.append(("28d", START, "overall", "once", 1.0, None, None))
    axes = metrics.draw(of("metrics", METRICS, rows), "metrics")["business metrics"].axes
    assert [ax.get_title() for ax in axes] == ["churn_rate, windows of 28d", "mrr_at_risk, windows of 28d"]
    assert metrics.draw(of("metrics", METRICS, []), "metrics") == {}


def test_the_model_of_a_monitoring_macro_has_its_pictures() -> None:
    node = {"depends_on": {"macros": ["macro.dbt.is_incremental", "macro.baton.drift"]}}
    assert kind_of(node) == "drift"
    assert kind_of({"depends_on": {"macros": ["macro.shop.drift", "macro.baton.decisions"]}}) is None
    assert kind_of({"depends_on": {}}) is None
