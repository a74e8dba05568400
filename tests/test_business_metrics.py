"""Business metrics declared as SQL: brute force, honest intervals, and one number for checks, plots and analysts."""

import math
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dbt_common.exceptions import CompilationError
from how_many import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness
from statsmodels.stats.proportion import proportion_confint

NOW = datetime(2025, 3, 30, 6, 30)
TODAY = datetime(2025, 3, 30)
Z = 1.959963984540054
METRICS: dict[str, dict[str, Any]] = {
    "churn_rate": {
        "model": "orders",
        "at": "ordered_at",
        "kind": "share",
        "numerator": "case when paid = 0 then 1 else 0 end",
    },
    "price": {"model": "orders", "at": "ordered_at", "numerator": "paid", "denominator": "seats", "slices": ["plan"]},
    "takings": {
        "model": "orders",
        "at": "ordered_at",
        "kind": "total",
        "numerator": "paid",
        "where": "seats > 1",
        "slices": [],
    },
}
BASE: dict[str, Any] = {
    "entity": "account_id",
    "outcome": {"horizon": "30 days"},
    "slices": ["plan"],
    "monitor": {"windows": ["3h", "1d", "7d", "whole"], "min_n": 4},
}
PRODUCTS = {"churn": {**BASE, "metrics": METRICS}, "none": BASE}
COLUMNS = {"account_id": "varchar", "ordered_at": "timestamp", "plan": "varchar", "paid": "double", "seats": "double"}
WINDOWS = {"3h": ("hour", 3 / 24), "1d": ("day", 1), "7d": ("day", 7), "whole": ("day", math.inf)}
Row = dict[str, Any]


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("metrics"), PRODUCTS, now=str(NOW)) as harness:
        yield harness


def table(macros, product: str = "churn") -> dict[tuple[Any, ...], Row]:
    rows = macros.query(macros.render("default__metrics", product, {"orders": "orders"}))
    keys = ("metric", "window_kind", "window_end", "slice_name", "slice_value")
    return {tuple(row[key] for key in keys): row for row in rows}


def next_full(unit: str, at: datetime) -> datetime:
    floor = at.replace(minute=0, second=0, microsecond=0)
    floor = floor.replace(hour=0) if unit == "day" else floor
    return floor if floor == at else floor + timedelta(**{f"{unit}s": 1})


PARTS = {  # numerator, denominator, whether the row is asked for
    "churn_rate": lambda row: (None if row["paid"] is None else float(row["paid"] == 0), 1.0, True),
    "price": lambda row: (row["paid"], row["seats"], True),
    "takings": lambda row: (row["paid"], 1.0, row["seats"] is not None and row["seats"] > 1),
}


def parts(metric: str, row: Row) -> tuple[float, float] | None:
    a, b, _ = PARTS[metric](row)
    if metric == "churn_rate" and a is None:
        a = 0.0  # SQL: null is not 0, so the case falls to else
    usable = all(number is not None and math.isfinite(number) and abs(number) <= 1e12 for number in (a, b))
    return (a, b) if usable else None


def oracle(rows: list[Row]) -> dict[tuple[Any, ...], Row]:
    out: dict[tuple[Any, ...], Row] = {}
    for metric, declared in METRICS.items():
        mine = [row for row in rows if row["ordered_at"] <= NOW and PARTS[metric](row)[2]]
        for kind, (unit, days) in WINDOWS.items():
            ends = {next_full(unit, row["ordered_at"]) for row in mine} if kind != "whole" else {TODAY}
            for end in ends:
                if end > (NOW.replace(minute=0) if unit == "hour" else TODAY):
                    continue
                start = end - timedelta(days=days) if days < math.inf else datetime(1, 1, 1)
                inside = [row for row in mine if start < next_full("hour", row["ordered_at"]) <= end]
                groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
                for row in inside:
                    groups[("overall", "all")].append(row)
                    if "plan" in declared.get("slices", ["plan"]):
                        groups[("plan", "(none)" if row["plan"] is None else row["plan"])].append(row)
                for group, members in groups.items():
                    out[(metric, kind, end, *group)] = numbers(metric, declared.get("kind", "ratio"), members)
    return out


def numbers(metric: str, kind: str, members: list[Row]) -> Row:
    usable = [(row["account_id"], *pair) for row in members if (pair := parts(metric, row)) is not None]
    n, top, bottom = len(usable), sum(a for _, a, _ in usable), sum(b for *_, b in usable)
    entities = {entity for entity, *_ in usable}
    out: Row = {"n": n, "n_missing": len(members) - n, "n_entities": len(entities), "numerator": top}
    out["value"] = (top if n else None) if kind == "total" else (top / bottom if bottom else None)
    out["status"] = "ok" if n >= 4 and out["value"] is not None else "insufficient_data"
    out["value_low"] = out["value_high"] = None
    if out["value"] is None:
        return out
    sums: dict[str, float] = defaultdict(float)
    for entity, a, b in usable:
        sums[entity] += a - (top / n if kind == "total" else out["value"] * b)
    squares, m = sum(s * s for s in sums.values()), len(entities)
    if kind == "share":
        variance, rate = squares / bottom**2, out["value"]
        size = rate * (1 - rate) / variance if variance > 1e-18 and rate * (1 - rate) > 1e-18 else m
        low, high = proportion_confint(rate * size, size, method="wilson")
        out["value_low"], out["value_high"] = max(0.0, low), min(1.0, high)
    elif m > 1:
        half = Z * math.sqrt(squares * m / (m - 1)) / (1 if kind == "total" else abs(bottom))
        out["value_low"], out["value_high"] = out["value"] - half, out["value"] + half
    return out


ORDER = st.tuples(
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from([0, 0.5, 1, 3, 23.5, 24, 30.5, 100, -6.25, -8]).map(lambda hours: TODAY - timedelta(hours=hours)),
    st.sampled_from(["x", "y", "it's", None]),
    st.sampled_from([0.0, 0.0, 10.0, 7.25, -3.5, None, math.nan, math.inf, 1e13]),
    st.sampled_from([1.0, 2.0, 3.0, 5.5, None]),
)


# One entity with several rows: its residuals cancel, and what rounding leaves of them is no variance.
@example(rows=[("a", TODAY, "x", amount, 1.0) for amount in (0.0, 0.0, 0.0, 0.0, 10.0)])
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ORDER, max_size=25))
def test_every_number_equals_brute_force(macros, rows):
    macros.load("orders", COLUMNS, rows)
    found, expected = table(macros), oracle([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    assert set(found) == set(expected)
    for key, row in expected.items():
        assert found[key]["status"] == row.pop("status")
        for name, number in row.items():
            close = None if number is None else pytest.approx(number, abs=2e-4, rel=1e-6)
            assert found[key][name] == close, (key, name)
        assert all(math.isfinite(v) for v in found[key].values() if isinstance(v, float))


def test_checks_plots_and_analysts_see_the_same_number(macros):
    """The check's failing row, the row a plot draws, and a query of one's own with `baton.metric`: equal to the bit."""
    rng = np.random.default_rng(1)
    rows = [
        (f"a{rng.integers(40)}", TODAY - timedelta(hours=int(rng.integers(24 * 7))), "xyz"[rng.integers(3)],
         float(rng.choice([0.0, rng.random() * 100])), float(1 + rng.integers(9)))
        for _ in range(500)
    ]  # fmt: skip
    macros.load("orders", COLUMNS, rows)
    macros.connection.execute(
        f"create or replace table business as {macros.render('default__metrics', 'churn', {'orders': 'orders'})}"
    )
    for metric, declared in METRICS.items():
        bounds = {"metric": metric, "window": "7d", "at_most": -1}
        (checked,) = macros.query(macros.render("test_metric_within", "business", **bounds))
        (drawn,) = macros.query(
            f"select value, window_end from business where metric = '{metric}' and window_kind = '7d' "
            "and slice_name = 'overall' order by window_end desc limit 1"
        )
        inside = (
            f"ordered_at > timestamp '{drawn['window_end']}' - interval 7 day and ordered_at <= '{drawn['window_end']}'"
        )
        expression, asked = macros.render("metric", "churn", metric), declared.get("where", "true")
        own = macros.value(f"(select {expression} from orders where {asked} and {inside})")
        assert checked["value"] == drawn["value"] == own
        assert checked["n"] > 100
    by_plan = macros.query(f"select plan, {macros.render('metric', 'churn', 'price')} as price from orders group by 1")
    for row in by_plan:
        found = table(macros)[("price", "whole", TODAY, "plan", row["plan"])]
        assert found["value"] == row["price"]


def test_intervals_cover_where_accounts_order_again_and_again(macros):
    """300 worlds, each a plan: 80 accounts order 1 to 6 times, each with its own habit."""
    rng, rows = np.random.default_rng(3), []
    for world in range(300):
        for account in range(80):
            habit, orders = rng.beta(1, 3), 1 + rng.integers(6)
            for _ in range(orders):
                paid = 0.0 if rng.random() < habit else 10 * (1 + habit) + rng.normal()
                rows.append((f"{world}-{account}", TODAY - timedelta(hours=1), f"w{world}", paid, 2.0))
    macros.connection.register("orders", pd.DataFrame(rows, columns=list(COLUMNS)))
    found = table(macros)
    macros.connection.unregister("orders")
    habits = rng.beta(1, 3, 400_000)
    truth = {"churn_rate": habits.mean(), "price": ((1 - habits) * 10 * (1 + habits)).mean() / 2}
    for metric, target in truth.items():
        worlds = [row for key, row in found.items() if key[:4] == (metric, "1d", TODAY, "plan")]
        covered = np.mean([row["value_low"] <= target <= row["value_high"] for row in worlds])
        assert 0.92 <= covered <= 0.98, (metric, covered)
        assert len(worlds) == 300


def test_a_product_without_metrics_has_an_empty_table(macros):
    macros.load("orders", COLUMNS, [("a", TODAY, "x", 1.0, 1.0)])
    assert table(macros, "none") == {}


def test_a_metric_that_is_not_declared_is_refused(macros):
    with pytest.raises(
        CompilationError, match="declares no metric 'prize'; allowed is one of churn_rate, price, takings"
    ):
        macros.render("metric", "churn", "prize")
