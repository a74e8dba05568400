"""`ops.model_reference`: what a version was trained on and how it calibrates, as rows that SQL can join.

One row per product, version, feature, kind and bin. Kinds:

| kind | rows |
|---|---|
| quantile | up to 10 bins of equal mass, [lower, upper), open at both ends (-inf, inf); bin -1 holds the nulls |
| fine | 4,096 equal widths between the 0.05 % and the 99.95 % quantile, and what lies outside; value = mean of x |
| category | one bin per category by falling frequency; bin -1 holds the nulls |
| moments | lower = min, upper = max, value = std (ddof 0), n; detail: the same and the mean (numbers without nulls) |
| calibration | feature score: knots of the map, value = calibrated score at lower = ln(raw / (1 - raw)) |
| artifact | detail: folder below mlartifacts/, experiment_id, features with type, kind, has_nulls |

Features are measured on all rows of the training set at the cut, `score` and `raw_score` on validation and test rows,
which fitting never saw. Flags are numbers 0 and 1.

Fine: bin = floor((x - lower of bin 0) / width), [lower, upper), bin 4095 closed; bin -1 reaches down to min, bin 4096
up to max. Bins without a row are left out, except -1, 0, 4095 and 4096, which give the scale.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.features import Feature
from ml.model import Model

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

QUANTILES, FINE, TAIL = 10, 4096, 0.0005
_FIELDS = ("feature", "kind", "bin", "lower", "upper", "category", "n", "share", "value", "detail")
Row = dict[str, Any]


def rows(frame: "pd.DataFrame", features: tuple[Feature, ...], held_out: "pd.DataFrame", model: Model) -> Iterator[Row]:
    """Reference rows of one version (without its key)."""
    for feature in features:
        column = frame[feature.name]
        yield from (
            _categories(feature.name, column)
            if feature.kind == "category"
            else _numbers(feature.name, column.to_numpy())
        )
    scores = model.scores(held_out)
    yield from _numbers("score", scores.score)
    yield from _numbers("raw_score", scores.raw)
    yield from _calibration(model, held_out)


def _row(feature: str, kind: str, **rest: Any) -> Row:
    return {**dict.fromkeys(_FIELDS), "feature": feature, "kind": kind, **rest}


def _categories(name: str, column: "pd.Series[Any]") -> Iterator[Row]:
    counts = column.value_counts(dropna=True)
    ordered = sorted(((str(key), int(n)) for key, n in counts.items()), key=lambda item: (-item[1], item[0]))
    yield from _bins(name, "category", [(i, None, None, key, n) for i, (key, n) in enumerate(ordered)], len(column))
    yield from _bins(name, "category", [(-1, None, None, None, int(column.isna().sum()))], len(column))


def _numbers(name: str, column: "Floats") -> Iterator[Row]:
    known, n = column[~np.isnan(column)], len(column)
    yield from _bins(name, "quantile", [(-1, None, None, None, n - len(known))], n)
    if not len(known):
        return
    inner = np.unique(_quantiles(known, np.arange(1, QUANTILES) / QUANTILES))
    counts = np.bincount(np.searchsorted(inner, known, side="right"), minlength=len(inner) + 1)
    edges = np.r_[-np.inf, inner, np.inf]
    yield from _bins(name, "quantile", [(i, edges[i], edges[i + 1], None, int(c)) for i, c in enumerate(counts)], n)
    yield from _fine(name, known, n)
    yield _moments(name, known)


def _quantiles(known: "Floats", shares: "Floats") -> "Floats":
    """Linear between neighbours, whose difference must not overflow: numbers near 1e308 are quartered for a while."""
    scale = 4.0 if np.abs(known).max() > 1e300 else 1.0
    return scale * np.quantile(known / scale, shares)


def _moments(name: str, known: "Floats") -> Row:
    with np.errstate(over="ignore", invalid="ignore"):  # numbers near 1e308: the spread is then unknown
        measured = {"mean": float(known.mean()), "std": float(known.std())}
    found = {key: number if np.isfinite(number) else None for key, number in measured.items()}
    ends = {"min": float(known.min()), "max": float(known.max())}
    return _row(
        name,
        "moments",
        lower=ends["min"],
        upper=ends["max"],
        value=found["std"],
        n=len(known),
        detail=json.dumps({"n": float(len(known)), **found, **ends}),
    )


def fine_codes(x: "Floats", low: float, high: float) -> "NDArray[np.int64]":
    """Bin per number. One outlier must not put everybody else into one bin, hence the tails outside low and high."""
    width = (high / FINE - low / FINE) or 1.0
    with np.errstate(over="ignore"):
        inside = np.clip(np.floor((x - low) / width), 0, FINE - 1)
    return np.where(x < low, -1, np.where(x > high, FINE, inside)).astype(np.int64)


def _fine(name: str, known: "Floats", n: int) -> Iterator[Row]:
    low, high = (float(edge) for edge in _quantiles(known, np.array((TAIL, 1 - TAIL))))
    codes = fine_codes(known, low, high) + 1
    counts = np.bincount(codes, minlength=FINE + 2)
    means = np.bincount(codes, weights=known, minlength=FINE + 2) / np.maximum(counts, 1)
    place = np.arange(FINE + 1) / FINE
    edges = low * (1 - place) + high * place
    edges = np.r_[min(known.min(), low), edges, max(known.max(), high)]
    shown = sorted({0, 1, FINE, FINE + 1, *np.flatnonzero(counts).tolist()})
    bins = [(i - 1, edges[i], edges[i + 1], None, int(counts[i])) for i in shown]
    for row, i in zip(_bins(name, "fine", bins, n), shown, strict=True):
        yield {**row, "value": float(means[i]) if counts[i] and np.isfinite(means[i]) else None}


def _bins(name: str, kind: str, bins: list[tuple[int, Any, Any, Any, int]], total: int) -> Iterator[Row]:
    for number, lower, upper, category, n in bins:
        yield _row(name, kind, bin=number, lower=lower, upper=upper, category=category, n=n, share=n / total)


def _calibration(model: Model, held_out: "pd.DataFrame") -> Iterator[Row]:
    """Isotonic maps have their own knots and are linear between them; a smooth map is sampled at 201 margins."""
    knots = getattr(model.calibrator, "X_thresholds_", None)
    if knots is None:
        margins = model.margins(held_out)
        knots = np.linspace(margins.min(), margins.max(), 201)
    for number, (x, y) in enumerate(zip(knots, model.calibrated(np.asarray(knots, dtype=np.float64)), strict=True)):
        yield _row("score", "calibration", bin=number, lower=float(x), value=float(y))


def artifact_row(path: str, experiment_id: str, features: tuple[Feature, ...]) -> Row:
    """Where the model is and what it takes."""
    detail = {"path": path, "experiment_id": experiment_id, "features": [feature.as_dict() for feature in features]}
    return _row("", "artifact", detail=json.dumps(detail))


def write(con: "DuckDBPyConnection", product: str, version: int, fingerprint: str, found: list[Row]) -> None:
    """Insert the rows of one version."""
    import pyarrow as pa

    types = {"bin": pa.int32(), "n": pa.int64()}
    types |= dict.fromkeys(("lower", "upper", "share", "value"), pa.float64())
    schema = pa.schema([(field, types.get(field, pa.string())) for field in _FIELDS])
    con.register("reference_rows", pa.Table.from_pylist(found, schema=schema))
    con.execute(
        f"insert into ops.model_reference by name select ? as product, ?::integer as version, ? as fingerprint, "
        f"{', '.join(_FIELDS)} from reference_rows",
        [product, version, fingerprint],
    )
    con.unregister("reference_rows")
