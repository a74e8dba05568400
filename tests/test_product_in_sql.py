"""The SQL reads the product that Python reads: the same defaults, the same floors, the same refusals."""

import copy
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

import ml_world
import pytest
from dbt_common.exceptions import CompilationError
from macro_harness import MacroHarness

from ml.parameters import FLOOR_METRICS, Floor
from ml.product import Product, ProductError, load_products

FLOOR = {"metric": "roc_auc", "window": "28 days", "basis": "matured", "at_least": 0.6, "severity": "warn", "min_n": 7}
FULL: dict[str, Any] = {
    "entity": "account_id",
    "clock": "data",
    "outcome": {
        "model": "churn_events",
        "horizon": "30 days",
        "grace": "2 days",
        "positive": "absence",
        "delay_by": ["plan"],
    },
    "decide": {"per": "5 days", "policy": "latest"},
    "slices": ["plan"],
    "value": {"currency": "EUR", "tp": "saved_usd", "fp": -20, "fn": 1, "tn": 2},
    "holdout": 0.05,
    "train": {
        "candidates": {"logistic_regression": {"C": 2}},
        "metric": "brier",
        "split": {"validation": "11 days", "test": "12 days"},
        "cadence": "13 days",
        "rehearse": "14 days",
        "promote": {"margin": 1, "min_matured": 2, "min_positives": 3},
    },
    "monitor": {
        "windows": ["1d", "28d"],
        "min_n": 12,
        "floors": [FLOOR],
        "drift": {"q": 0.5, "k": 1, "of": 2, "windows": ["7d"], "severity": "error", "reference_until": None},
        "delay": {"min_share": 0.1, "min_positives": 9},
    },
}
CHURN_RATE = {
    "model": "churn_events", "at": "event_at", "kind": "share", "numerator": "left", "denominator": "seats",
    "entity": "seat_id", "slices": ["country"], "where": "seats > 0",
}  # fmt: skip
FULL["metrics"] = {"churn_rate": CHURN_RATE}
OF_THE_EXPOSURE = {"name", "label", "description", "owner", "path", "depends_on", "excluded"}
REQUIRED = {
    ("entity",), ("outcome",), ("outcome", "model"), ("outcome", "horizon"), ("value",),
    *(("value", cell) for cell in ("tp", "fp", "fn", "tn")),
    ("metrics", "churn_rate", "model"), ("metrics", "churn_rate", "numerator"),
    ("monitor", "floors", 0, "metric"), ("monitor", "floors", 0, "window"), ("monitor", "floors", 0, "at_least"),
}  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every field of a spec; estimator parameters are the team's own and no fields."""
    if isinstance(value, dict) and at != ("train", "candidates"):
        for key in value:
            yield (*at, key)
            yield from paths(value[key], (*at, key))
    elif at == ("monitor", "floors") and value:
        yield from paths(value[0], (*at, 0))


OPTIONAL = [path for path in paths(FULL) if path not in REQUIRED]


def without(*dropped: tuple[Any, ...]) -> dict[str, Any]:
    spec = copy.deepcopy(FULL)
    for *way, last in dropped:
        level: Any = spec
        for key in way:
            level = level[key]
        level.pop(last)
    return spec


def measured(name: str = "churn_rate", **changed: Any) -> dict[str, Any]:
    return {**FULL, "metrics": {name: {"model": "churn_events", "numerator": "left", **changed}}}


def floored(**floor: Any) -> dict[str, Any]:
    spec = copy.deepcopy(FULL)
    spec["monitor"]["floors"] = [{"metric": "f1", "window": "1d", "at_least": 0.5, **floor}]
    return spec


TOP = [path for path in OPTIONAL if len(path) == 1]
EMPTY = {**without(*TOP), "train": {}, "decide": {}, "monitor": {}}
GOOD = {
    "full": FULL,
    "least": {**without(*TOP), "outcome": {"model": "churn_events", "horizon": "30 days"}},
    "empty": {**EMPTY, "value": without(("value", "currency"))["value"]},
    "own_log_as_reference": {**EMPTY, "train": None, "monitor": {"drift": {"reference_until": "2026-03-31"}}},
    "once": {**FULL, "decide": {"per": "entity"}},
    "null_per": {**FULL, "decide": {"per": None}},
    "bare_floor": {**EMPTY, "monitor": {"floors": [{"metric": "f1", "window": "1w", "at_least": 0.5, "at_most": 1}]}},
    **{"without_" + "_".join(map(str, path)): without(path) for path in OPTIONAL},
}
BAD = {
    "resolution": (floored(metric="brier_resolution"), "brier_resolution"),
    "unknown": (floored(metric="auc"), "'auc'"),
    "naive": (floored(basis="naive"), "naive"),
    "not_a_basis": (floored(basis="matured_"), "'matured_'"),
    "no_bound": (floored(at_least=None), "at_least, at_most or both"),
    "severity": (floored(severity="page"), "'page'"),
    "min_n": (floored(min_n=0), "min_n"),
    "window": (floored(window="3d"), "'3d'"),
    "minutes": ({**EMPTY, "monitor": {"windows": ["90 minutes"]}}, "full hours, whole days or weeks"),
    "no_length": ({**EMPTY, "monitor": {"windows": ["0 days"]}}, "full hours, whole days or weeks"),
}
WINDOWS = ["1h", "3 hours", "1d", "4w", "whole"]
GOOD["hours_and_whole"] = {**EMPTY, "monitor": {"windows": WINDOWS, "floors": [
    {"metric": "coverage", "window": "whole", "at_least": 0.5}, {"metric": "ece", "window": "28d", "at_most": 0.1},
    {"metric": "accuracy", "window": "3h", "at_least": 0.5, "basis": "delay_corrected"},
    {"metric": "roc_auc", "window": "60 minutes", "at_least": 0.5, "basis": "estimated"},
]}}  # fmt: skip
GOOD["total"] = measured(kind="total")
BAD_METRICS = {
    "name": (measured("Churn"), "small letters, digits and underscores"),
    "taken": (measured("roc_auc"), "no metric of performance"),
    "kind": (measured(kind="rate"), "share or ratio or total"),
    "total_of": (measured(kind="total", denominator="1"), "a total has no denominator"),
    "field": (measured(window="28d"), "no such field"),
}


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    specs = GOOD | {
        name: spec for name, (spec, _) in (BAD | {f"metric_{n}": b for n, b in BAD_METRICS.items()}).items()
    }
    with MacroHarness(tmp_path_factory.mktemp("products"), specs) as harness:
        yield harness


def parsed(spec: dict[str, Any]) -> Product:
    return load_products(ml_world.manifest(spec))["churn"]


def in_sql(macros: MacroHarness, name: str) -> dict[str, Any]:
    spec = dict(macros.evaluate("product", name))
    assert spec.pop("name") == name
    return spec


def test_no_field_is_left_out_here() -> None:
    product = {name: value for name, value in asdict(parsed(FULL)).items() if name not in OF_THE_EXPOSURE}
    product["monitor"]["floors"] = [{k: v for k, v in FLOOR.items() if k in product["monitor"]["floors"][0]}]
    assert set(paths(product)) == set(paths(FULL))
    assert {field.name for field in fields(Floor)} == set(FLOOR) | {"at_most"}


@pytest.mark.parametrize("name", GOOD)
def test_sql_fills_in_what_python_fills_in(macros: MacroHarness, name: str) -> None:
    filled = in_sql(macros, name)
    assert parsed(filled).spec_hash == parsed(GOOD[name]).spec_hash
    expected = {path for path in paths(FULL) if filled.get("train") or path[0] != "train"}
    if not filled["metrics"]:
        expected -= {path for path in expected if path[0] == "metrics" and len(path) > 1}
    if not filled["monitor"]["floors"]:
        expected = {path for path in expected if 0 not in path}
    assert expected <= set(paths(filled)) | {("train",)}


def test_both_sides_judge_the_same_metrics(macros: MacroHarness) -> None:
    assert macros.evaluate("floor_metrics") == list(FLOOR_METRICS)


@pytest.mark.parametrize("name", ["full", "bare_floor", "without_monitor_floors_0_min_n"])
def test_both_sides_read_the_same_floors(macros: MacroHarness, name: str) -> None:
    found = macros.evaluate("floors", name)
    floors = parsed(GOOD[name]).monitor.floors
    assert [(f["metric"], f.get("at_least"), f.get("at_most"), f["severity"], f["min_n"]) for f in found] == [
        (f.metric, f.at_least, f.at_most, f.severity, f.min_n) for f in floors
    ]


@pytest.mark.parametrize("name", BAD)
def test_both_sides_refuse_what_is_not_judged(macros: MacroHarness, name: str) -> None:
    spec, said = BAD[name]
    with pytest.raises(ProductError, match=said):
        parsed(spec)
    with pytest.raises(CompilationError, match=said):
        macros.evaluate("floors", name)


@pytest.mark.parametrize("name", BAD_METRICS)
def test_both_sides_refuse_a_metric_that_cannot_be_computed(macros: MacroHarness, name: str) -> None:
    spec, said = BAD_METRICS[name]
    with pytest.raises(ProductError, match=said):
        parsed(spec)
    with pytest.raises(CompilationError, match=said):
        macros.evaluate("declared_metrics", f"metric_{name}", {"churn_events": "events"})


def test_a_metric_needs_its_model_at_hand(macros: MacroHarness) -> None:
    with pytest.raises(ProductError, match="a model listed in depends_on"):
        parsed(measured(model="orders"))
    with pytest.raises(CompilationError, match="add 'churn_events': ref"):
        macros.evaluate("declared_metrics", "full", {"orders": "orders"})


@pytest.mark.parametrize("field", ["at", "entity", "slices"])
def test_columns_of_a_metric_are_columns_of_its_model(field: str) -> None:
    declared = {"event_at": {}, "seat_id": {}, "country": {}}
    manifest = ml_world.manifest(FULL)
    manifest["nodes"]["model.demo.churn_events"]["columns"] = declared
    load_products(manifest)
    wrong = {**CHURN_RATE, field: ["nowhere"] if field == "slices" else "nowhere"}
    manifest["exposures"]["exposure.demo.churn"]["config"]["meta"]["product"] = {
        **FULL,
        "metrics": {"churn_rate": wrong},
    }
    with pytest.raises(ProductError, match=f"metrics.churn_rate.{field}: found 'nowhere'; allowed is a column of"):
        load_products(manifest)
