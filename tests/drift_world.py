"""Predictions and references for the drift tests, and what numpy and scipy say about them."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from macro_harness import MacroHarness
from scipy import stats
from scipy.spatial.distance import jensenshannon

from ml import reference as ml_reference

END = datetime(2026, 1, 9)
COLUMNS = ["product", "version", "feature", "kind", "bin", "lower", "upper", "category", "n", "value"]
EDGES = 15
Values = Sequence[Any] | np.ndarray
_RNG = np.random.default_rng(0)
REFERENCE, CURRENT = _RNG.normal(0, 1, 5000), _RNG.normal(0.25, 1, 2000)  # golden values are of these numbers


def products(**drift: Any) -> dict[str, Any]:
    """A product that Baton trains, and one that it only monitors."""
    spec = {"entity": "account_id", "outcome": {"horizon": "30 days"}, "monitor": {"min_n": 30, "drift": drift}}
    return {"churn": {**spec, "train": {}}, "watched": spec}


def is_number(values: Values) -> bool:
    return not any(isinstance(value, str) for value in values)


def reference_rows(name: str, values: Values, version: int = 1, text: bool = False) -> list[dict[str, Any]]:
    """Rows of ops.model_reference as training writes them; infinite numbers never get there."""
    if is_number(values) and not text:
        number = np.asarray([np.nan if v is None else float(v) for v in values], dtype=float)
        rows = list(ml_reference._numbers(name, number))
    else:
        rows = list(ml_reference._categories(name, pd.Series(list(values), dtype=object)))
    return [{**row, "product": "churn", "version": version} for row in rows]


def load_reference(macros: MacroHarness, rows: Sequence[Mapping[str, Any]]) -> None:
    frame = pd.DataFrame([{name: row[name] for name in COLUMNS} for row in rows], columns=COLUMNS)
    whole, real, text = ("bin", "n", "version"), ("lower", "upper", "value"), ("product", "feature", "kind", "category")
    frame = frame.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(real, float) | dict.fromkeys(text, "str"))
    macros.connection.register("reference_frame", frame.where(frame.category != "None"))
    macros.connection.execute("create or replace table model_reference as from reference_frame")


def load_log(
    macros: MacroHarness, features: Mapping[str, Values], text: Sequence[str] = (), **log: Any
) -> list[dict[str, str]]:
    """The log and its features; one account and the same as_of per row where `log` says nothing. Returns the columns.

    `text`: features that are text although they hold nulls only.
    """
    n = len(next(iter(features.values()))) if features else len(log["score"])
    base: dict[str, Any] = {
        "prediction_id": np.arange(n), "account_id": np.arange(n).astype(str), "as_of": END, "predicted_at": END,
        "score": np.linspace(0.01, 0.99, n), "role": "champion", "model_version": 1,
    }  # fmt: skip
    con = macros.connection
    con.register("log_frame", pd.DataFrame({**base, **log}))
    con.execute(
        """create or replace table predictions as select * replace (
            as_of::timestamp as as_of, predicted_at::timestamp as predicted_at, model_version::integer as model_version)
        from log_frame"""
    )
    kinds = {
        name: "number" if is_number(values) and name not in text else "category" for name, values in features.items()
    }
    types = [{"number": "double", "category": "varchar"}[kind] for kind in kinds.values()]
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in kinds]
    declared = "".join(f", {name} {kind}" for name, kind in zip(quoted, types, strict=True))
    con.execute(f"create or replace table prediction_features (prediction_id bigint{declared})")
    if n:
        frame = pd.DataFrame({f"c{i}": list(values) for i, values in enumerate(features.values())}, dtype=object)
        con.register("feature_frame", frame.assign(id=np.arange(n)))
        typed = [f"c{i}::{kind}" for i, kind in enumerate(types)]
        con.execute(f"insert into prediction_features select {', '.join(['id', *typed])} from feature_frame")
    return [{"name": name, "kind": kind} for name, kind in kinds.items()]


def drift(
    macros: MacroHarness, columns: list[dict[str, str]], product: str = "churn", portable: bool = False, **options: Any
) -> list[dict[str, Any]]:
    """Rows of the drift table over what was loaded."""
    given = {"reference": "model_reference", "reference_until": None, "built": None, "edges": EDGES, "methods": None}
    given |= options
    sql = macros.render(
        "default__drift", product, "predictions", "prediction_features", given["reference"], given["reference_until"],
        columns, given["built"], given["edges"], given["methods"], portable=portable,
    )  # fmt: skip
    return macros.query(sql)


def compared(macros, reference: dict[str, Any], current: dict[str, Any], **log: Any) -> list[dict[str, Any]]:
    rows = [row for name, values in reference.items() for row in reference_rows(name, values)]
    load_reference(macros, [*rows, *reference_rows("score", np.linspace(0.01, 0.99, 500))])
    return drift(macros, load_log(macros, current, **log))


def by_method(rows: Sequence[dict[str, Any]], feature: str) -> dict[str, dict[str, Any]]:
    return {row["method"]: row for row in rows if row["feature"] == feature}


def finite(values: Values) -> np.ndarray:
    """Numbers that can be compared: no null, NaN or infinity."""
    number = np.asarray([np.nan if v is None else float(v) for v in values], dtype=float)
    return number[np.isfinite(number)]


def tables(reference: Values, current: Values, apart: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Counts per bin of both sides: never seen (each value `apart` or all in one), nulls, deciles or categories."""
    if is_number([*reference, *current]):
        known, now = finite(reference), finite(current)
        inner = np.unique(4 * np.quantile(known / 4, np.arange(1, 10) / 10)) if len(known) else np.array([])
        counts = [np.bincount(np.searchsorted(inner, x, side="right"), minlength=len(inner) + 1) for x in (known, now)]
        both = np.c_[[len(reference) - len(known), len(current) - len(now)], counts]
    else:
        names = {v for v in reference if v is not None}
        seen = sorted(names, key=lambda v: (-list(reference).count(v), v))
        unseen = sorted({v for v in current if v is not None} - names)
        groups = [[v] for v in unseen] if apart else [unseen]
        both = np.array(
            [
                [sum(v in g for v in side) for g in [*groups, [None], *([v] for v in seen)]]
                for side in (reference, current)
            ]
        )
    both = both[:, both.sum(0) > 0].astype(float)
    return both[0], both[1]


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    p, q = current / current.sum(), reference / reference.sum()
    p, q = np.where(p > 0, p, 1e-4), np.where(q > 0, q, 1e-4)
    return float(np.sum((p - q) * np.log(p / q)))


def js(reference: np.ndarray, current: np.ndarray) -> float:
    return float(jensenshannon(current, reference, base=2))


def cramers_v(reference: np.ndarray, current: np.ndarray) -> float:
    p, q = current / current.sum(), reference / reference.sum()
    return float(np.sqrt(stats.chi2_contingency([p, q], correction=False).statistic / 2)) if len(p) > 1 else 0.0


def chi_square(reference: np.ndarray, current: np.ndarray) -> tuple[float, int, float | None]:
    """Pearson's statistic, degrees of freedom, p; bins merged where Cochran's rule fails."""
    table = np.array([current, reference])
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    if expected.min() < 1 or (expected < 5).mean() > 0.2:
        least = expected.min(0)
        order = np.argsort(least, kind="stable")
        small = [i for i in order if least[i] < 5]
        large = [i for i in order if least[i] >= 5]
        if small and large and least[small].sum() < 5:
            small.append(large.pop(0))
        table = np.array([table[:, i] for i in large] + ([table[:, small].sum(1)] if small else [])).T
    if table.shape[1] < 2:
        return 0.0, 0, None
    found = stats.chi2_contingency(table, correction=False)
    return float(found.statistic), int(found.dof), float(found.pvalue)


def close(found: float, expected: float, tolerance: float = 1e-9) -> bool:
    return math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
