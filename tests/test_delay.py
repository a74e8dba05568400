"""The delay curve and delay-corrected performance equal a brute-force oracle, on ugly data too, and never NaN."""

import math
from datetime import datetime, timedelta
from typing import Any

import delay_oracle as oracle
import monitoring_oracle
import numpy as np
import pytest
from how_many import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness
from scipy import stats

NOW = datetime(2025, 3, 10, 12, 30)
WINDOWS = {"1h": 1, "3h": 3, "1d": 24, "2d": 48, "whole": None}
SPEC: dict[str, Any] = {
    "open_hours": 26,
    "horizon_hours": 24,
    "grid": 300,
    "slices": ["channel"],
    "windows": WINDOWS,
    "value": {"tp": "amount", "fp": -10, "fn": -50.5, "tn": 0},
    "min_n": 5,
    "min_share": 0.1,
    "min_positives": 2,
}
PRODUCTS = {
    name: {
        "entity": "lead_id",
        "outcome": {"horizon": "24 hours", "grace": "2 hours", "delay_by": delay_by},
        "decide": {"per": per},
        "slices": ["channel"],
        "value": {"currency": "USD", **SPEC["value"]},
        "monitor": {"windows": list(WINDOWS), "min_n": 5, "delay": {"min_share": 0.1, "min_positives": 2}},
    }
    for name, delay_by, per in (
        ("pooled", [], "1 hour"),
        ("stratified", ["campaign"], "1 hour"),
        ("two_columns", ["campaign", "channel"], "1 hour"),
        ("once", ["campaign"], "entity"),
    )
}
DECISIONS = {
    "decision_key": "varchar", "lead_id": "varchar", "as_of": "timestamp", "prediction_id": "bigint", "score": "double",
    "predicted_label": "integer", "model_version": "integer", "channel": "varchar", "campaign": "varchar",
    "amount": "double",
}  # fmt: skip
OUTCOMES = {
    "decision_key": "varchar", "lead_id": "varchar", "as_of": "timestamp", "state": "varchar",
    "outcome_known_at": "timestamp", "matures_at": "timestamp", "outcome_label": "integer", "is_restated": "boolean",
}  # fmt: skip


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("delay"), PRODUCTS, now=str(NOW)) as harness:
        yield harness


def decided(
    age_minutes: int, *, delay_minutes: int | None = None, entity: str = "a", score: float = 0.5, version: int = 1,
    channel: str | None = "x", campaign: str | None = "c", amount: float | None = 100.0, has_label: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """A decision of that age at NOW with the outcome the table would show: known after `delay_minutes`, or never."""
    as_of = NOW - timedelta(minutes=age_minutes)
    matures_at = as_of + timedelta(hours=26)
    closed = matures_at <= NOW
    known_at = None if delay_minutes is None else as_of + timedelta(minutes=delay_minutes)
    seen = known_at is not None and known_at <= NOW
    state = ("positive" if closed else "early_positive") if seen else ("negative" if closed else "pending")
    return {
        "entity": entity, "as_of": as_of, "score": score, "channel": channel,
        "predicted_label": int(score >= 0.5) if has_label else None,
        "model_version": version, "campaign": campaign, "amount": amount, "state": state, "matures_at": matures_at,
        "outcome_known_at": known_at if seen else None, "outcome_label": int(seen) if closed else None,
        "is_restated": bool(closed and seen and known_at > matures_at),
    }  # fmt: skip


def tables(macros: MacroHarness, product: str, rows: list[dict[str, Any]], portable: bool = False):
    """Rows of `delay` and of `performance_delay_corrected` over decisions given with their outcomes."""
    keyed = [
        {**row, "decision_key": str(i), "prediction_id": i, "lead_id": row["entity"]} for i, row in enumerate(rows)
    ]
    for table, columns in (("decisions", DECISIONS), ("outcomes", OUTCOMES)):
        macros.load(table, columns, [tuple(row[name] for name in columns) for row in keyed])
    sql = macros.render("default__delay", product, "decisions", "outcomes", portable=portable)
    macros.connection.execute(f"create or replace table delay as {sql}")
    curve = macros.query("select * from delay order by stratum, age_seconds")
    sql = macros.render("performance_delay_corrected", product, "decisions", "outcomes", "delay", portable=portable)
    return curve, macros.query(sql)


def spec_of(product: str) -> dict[str, Any]:
    return {**SPEC, "delay_by": PRODUCTS[product]["outcome"]["delay_by"]}


def assert_equals_oracle(macros: MacroHarness, product: str, rows: list[dict[str, Any]]) -> None:
    curve, performance = tables(macros, product, rows)
    spec = spec_of(product)
    assert_same({(r["stratum"], r["age_seconds"]): r for r in curve}, oracle.delay(spec, rows))
    key = ("window_kind", "window_end", "slice_name", "slice_value", "model_version")
    assert_same({tuple(r[k] for k in key): r for r in performance}, oracle.corrected(spec, rows, NOW))


def assert_same(found: dict[Any, dict[str, Any]], expected: dict[Any, dict[str, Any]]) -> None:
    assert found.keys() == expected.keys()
    for key, row in found.items():
        numbers = [value for value in row.values() if isinstance(value, float)]
        assert all(math.isfinite(value) for value in numbers), (key, row)
        scale = max([1.0, *(abs(row.get(name) or 0) for name in ("value_high", "value_low", "value_treat_all"))])
        for name, value in expected[key].items():
            assert is_same(row[name], value, 1e-6 * scale), (key, name, row[name], value)


def is_same(found: Any, expected: Any, abs_tol: float) -> bool:
    """Sums keep 4 to 12 digits of a row; what cancels is as exact as what it is made of."""
    if isinstance(found, float) and isinstance(expected, int | float):
        return math.isclose(found, expected, rel_tol=1e-6, abs_tol=abs_tol)
    return bool(found == expected)


ROWS = st.lists(
    st.builds(
        decided,
        st.one_of(st.integers(0, 27 * 60), st.integers(0, 80 * 60)),
        delay_minutes=st.one_of(st.none(), st.integers(0, 90), st.integers(0, 24 * 60), st.integers(0, 40 * 60)),
        entity=st.sampled_from("abcd"),
        score=st.sampled_from([0.0, 1e-9, 0.2, 0.5, 0.9, 1.0]),
        version=st.sampled_from([1, 2]),
        channel=st.sampled_from(["x", "y|%", None]),
        campaign=st.sampled_from(["c", "d", "it's", None]),
        amount=st.sampled_from([100.0, 0.0, -3.25, 1e9, None]),
        has_label=st.sampled_from([True, True, True, False]),
    ),
    max_size=40,
)
HISTORY = [decided(60 * 60 + i, delay_minutes=i, score=0.9 if i % 3 else 0.1, entity=str(i)) for i in range(0, 600, 20)]


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(product=st.sampled_from(list(PRODUCTS)), rows=ROWS)
@example(product="pooled", rows=[])
@example(product="pooled", rows=[decided(5)])
@example(product="pooled", rows=[decided(age, entity=str(age)) for age in range(0, 4000, 100)])  # no positive
@example(product="pooled", rows=[decided(age, has_label=False, entity=str(age)) for age in range(0, 4000, 100)])
@example(product="pooled", rows=[*HISTORY, decided(1), decided(2, delay_minutes=1)])  # all too fresh
@example(product="pooled", rows=[*HISTORY, decided(300, delay_minutes=10)])  # one positive outweighs its row
@example(product="pooled", rows=[*HISTORY, *(decided(300 + i, delay_minutes=10 * i) for i in range(9))])  # one entity
def test_tables_equal_the_oracle(macros, product, rows):
    if product == "once":
        rows = [{**row, "entity": str(i)} for i, row in enumerate(rows)]
    assert_equals_oracle(macros, product, rows)


@pytest.mark.parametrize("product", ["stratified", "once"])
def test_a_larger_world_equals_the_oracle(macros, product):
    assert_equals_oracle(macros, product, world(np.random.default_rng(5), 400, entities=product == "stratified"))


def world(rng: np.random.Generator, n: int, entities: bool) -> list[dict[str, Any]]:
    rows = []
    for i in range(n):
        score = float(rng.random())
        rows.append(
            decided(
                int(rng.integers(0, 60 * 60)),
                delay_minutes=int(min(rng.exponential(240), 1600)) if rng.random() < score else None,
                entity=str(rng.integers(0, 60)) if entities else str(i), score=score, version=int(rng.integers(1, 3)),
                campaign=str(rng.choice(["c", "d"])), channel=str(rng.choice(["x", "y"])),
            )
        )  # fmt: skip
    return rows


def test_portable_sql_gives_the_same_rows(macros):
    rows = world(np.random.default_rng(6), 200, entities=True)
    own, portable = tables(macros, "two_columns", rows), tables(macros, "two_columns", rows, portable=True)
    for mine, theirs in zip(own, portable, strict=True):
        ignored = {"built_at", "content"}  # the checksum is the engine's own
        drop = [[{k: v for k, v in row.items() if k not in ignored} for row in part] for part in (mine, theirs)]
        assert sorted(drop[0], key=str) == sorted(drop[1], key=str)


def test_the_curve_is_the_empirical_distribution_which_is_kaplan_meier(macros):
    """Closed cohorts are watched to their end, so nothing is censored; the correlation is Spearman's."""
    rng = np.random.default_rng(7)
    rows = [r for r in world(rng, 600, entities=False) if r["outcome_label"] is not None]
    curve, _ = tables(macros, "pooled", rows)
    positives = [r for r in rows if oracle.counted(r)]
    ages = [oracle.seen_age(spec_of("pooled"), r) for r in positives]
    expected = stats.ecdf(stats.CensoredData(uncensored=ages)).cdf
    for row in curve:
        assert row["share_seen"] == pytest.approx(float(expected.evaluate(row["age_seconds"])), abs=1e-12)
    rho = stats.spearmanr([r["score"] for r in positives], ages).statistic
    assert curve[0]["score_delay_correlation"] == pytest.approx(rho, abs=1e-9)
    assert (curve[-1]["age_seconds"], curve[-1]["share_seen"]) == (26 * 3600, 1.0)


def test_a_window_of_closed_cohorts_has_the_numbers_and_intervals_of_matured(macros):
    """With F = 1 the weights are the labels; every formula is that of basis matured, repeated entities included."""
    rows = [r for r in world(np.random.default_rng(8), 500, entities=True) if r["outcome_label"] is not None]
    spec = {**SPEC, "value": {"currency": "USD", **SPEC["value"]}}
    window = [r for r in rows if oracle.hour_of(r["as_of"]) <= NOW.replace(hour=0, minute=0)]
    expected = monitoring_oracle.numbers(spec, window, "matured")
    row = next(
        r for r in tables(macros, "pooled", rows)[1]
        if (r["window_kind"], r["slice_name"], r["model_version"]) == ("whole", "overall", "all")
    )  # fmt: skip
    null_here = {"roc_auc", "roc_auc_low", "roc_auc_high", "average_precision", "ks"}
    null_here |= {"brier_reliability", "brier_resolution", "ece"}
    compared = [name for name in expected if name not in null_here and name in row]
    assert {"accuracy_low", "f1_high", "balanced_accuracy_low", "value_lift_low", "log_loss"} <= set(compared)
    for name in compared:
        assert is_same(row[name], expected[name], 1e-6), (name, row[name], expected[name])


def test_quick_positives_with_high_scores_are_told(macros):
    rows = [decided(3000 + i, delay_minutes=1400 - i, score=i / 1000, entity=str(i)) for i in range(0, 900, 10)]
    assert {row["status"] for row in tables(macros, "pooled", rows)[0]} == {"score_correlates"}
    assert {row["status"] for row in tables(macros, "pooled", rows[:1])[0]} == {"insufficient_data"}


def test_advice_on_grace_counts_what_came_too_late(macros):
    """Of 200 positives 10 are known 5 hours after a horizon of 24: a grace of 2 hours loses them, 5 hours would not."""
    rows = [decided(3000, delay_minutes=29 * 60 if i % 20 == 0 else 600, entity=str(i)) for i in range(200)]
    row = tables(macros, "pooled", rows)[0][-1]
    assert (row["n_known_late"], row["n_positives"], row["grace_p99_hours"]) == (10, 190, 5.0)


@pytest.mark.parametrize(
    ("horizon", "grid"), [("20 hours", 60), ("5 days", 300), ("14 days", 900), ("30 days", 3600), ("400 days", 86400)]
)
def test_the_grid_is_bounded(macros, horizon, grid):
    parameters = {"outcome": {"horizon": horizon, "grace": "2 hours"}}
    assert macros.evaluate("delay_grid", parameters) == grid
    assert macros.evaluate("last_step", parameters) <= 1501
