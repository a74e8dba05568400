"""What counts as a feature, how its type is encoded, and rows as the frame an estimator takes."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ml.errors import FeatureNameError, FeatureTypeError, MatrixError
from ml.product import Product

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_NUMBER = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*)$")
_CATEGORY = re.compile(r"^(VARCHAR|ENUM.*|UUID)$")
_TIME = re.compile(r"^(TIMESTAMP.*|DATE|TIME.*|INTERVAL)$")
NOT_FEATURES = ("as_of", "outcome_label", "label_known_at")
TAKEN_NAMES = ("score", "prediction_id")  # drift keeps the score, the feature log its key under these names


@dataclass(frozen=True)
class Feature:
    """One input of a model: DuckDB type, encoding, and whether training saw nulls in it."""

    name: str
    type: str
    kind: Literal["number", "flag", "category"]
    has_nulls: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def kind_of(name: str, duckdb_type: str, table: str) -> Literal["number", "flag", "category"]:
    """Encoding by type. Raises FeatureTypeError for types without one, with the way out."""
    if duckdb_type == "BOOLEAN":
        return "flag"
    if _NUMBER.match(duckdb_type):
        return "number"
    if _CATEGORY.match(duckdb_type):
        return "category"
    way_out = (
        "write the time passed instead, such as days between it and as_of"
        if _TIME.match(duckdb_type)
        else "take it apart into columns of those types"
    )
    raise FeatureTypeError(
        f"feature {name} of {table} is {duckdb_type}; allowed is a number, boolean or text. In the model's SQL "
        f"{way_out}, or flag the column `meta: {{feature: false}}`"
    )


def feature_columns(product: Product, columns: dict[str, str]) -> dict[str, str]:
    """Features of the training set with their types: what is not key, time, label, amount, PII or excluded.

    Raises FeatureNameError where one has a name that monitoring needs for itself.
    """
    skip = {product.entity, *NOT_FEATURES, *product.cells.amounts}
    picked = {name: kind for name, kind in columns.items() if name not in skip and name.lower() not in product.excluded}
    if taken := [name for name in picked if name.lower() in TAKEN_NAMES]:
        raise FeatureNameError(
            f"feature {', '.join(taken)} of {product.name}_training_set: monitoring keeps the score and the key of its "
            f"log under the names {' and '.join(TAKEN_NAMES)}; allowed is any other name. Rename the column in the "
            "training and the scoring set, or flag it `meta: {feature: false}`"
        )
    return picked


def frame(rows: "pa.Table | pa.RecordBatch", features: Sequence[Feature]) -> "pd.DataFrame":
    """Rows as the frame the pipelines are fitted on: numbers and flags as float64 (null = NaN), text as object.

    Raises MatrixError naming the features that hold an infinite number.
    """
    import pandas as pd
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for feature in features:
        column = rows.column(feature.name)
        if feature.kind == "category":
            text = column.cast(pa.string()).to_numpy(zero_copy_only=False)
            columns[feature.name] = pd.Series(text, dtype=object)
        else:
            columns[feature.name] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    _check_finite({f.name: columns[f.name] for f in features if f.kind == "number"})
    return pd.DataFrame(columns, index=range(len(rows)))


def _check_finite(numbers: dict[str, Any]) -> None:
    infinite = {name: int(np.isinf(values).sum()) for name, values in numbers.items()}
    bad = [f"{name} in {n} of {len(numbers[name])} rows" for name, n in infinite.items() if n]
    if bad:
        raise MatrixError(
            f"infinite numbers: {', '.join(bad)}; allowed is any finite number or null. "
            "A division by zero in the feature's SQL is the usual cause: nullif(divisor, 0)"
        )
