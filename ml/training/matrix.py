"""A look at the matrix the estimator really sees, and at single features that know too much."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.errors import MatrixError
from ml.evaluation import roc_auc

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Matrix:
    """`constant`: encoded columns with one value in train; `unseen`: feature and share of validation rows whose
    category train never saw, the worst one."""

    n_columns: int
    constant: tuple[str, ...]
    unseen_feature: str
    unseen_share: float


def examine(pipeline: "Pipeline", train: "pd.DataFrame", validation: "pd.DataFrame") -> Matrix:
    """Check what the fitted pipeline hands to its estimator. Raises MatrixError on an infinite number."""
    encode = pipeline.named_steps["encode"]
    matrix = np.asarray(encode.transform(train), dtype=np.float64)
    names = encode.get_feature_names_out()
    infinite = names[np.isinf(matrix).any(axis=0)]
    if len(infinite):
        raise MatrixError(f"infinite numbers after encoding: {', '.join(infinite)}; allowed is any finite number")
    first = matrix[:1]
    same = ((matrix == first) | (np.isnan(matrix) & np.isnan(first))).all(axis=0)
    feature, share = _unseen(encode, validation)
    return Matrix(matrix.shape[1], tuple(names[same]), feature, share)


def _unseen(encode: Any, rows: "pd.DataFrame") -> tuple[str, float]:
    worst = ("", 0.0)
    for name, transformer, columns in encode.transformers_:
        if name == "categories" and columns:
            for column, known in zip(columns, transformer.categories_, strict=True):
                share = float((~rows[column].isin(list(known))).mean())
                worst = max(worst, (column, share), key=lambda found: found[1])
    return worst


def strongest_single_feature(
    train: "pd.DataFrame", outcome: "NDArray[np.int8]", other: "pd.DataFrame", other_outcome: "NDArray[np.int8]"
) -> tuple[str, float]:
    """The feature that alone ranks `other` rows best, and its ROC AUC (0.5 .. 1).

    Numbers rank by value in the better direction, with nulls tried at both ends; categories by their share of
    positives in `train`. A feature that separates almost perfectly has usually seen the outcome.
    """
    found = {name: _single_auc(train[name], outcome, other[name], other_outcome) for name in train.columns}
    best = max(found, key=lambda name: (found[name], name), default="")
    return best, found.get(best, 0.5)


def _single_auc(
    train: "pd.Series[Any]", outcome: "NDArray[np.int8]", other: "pd.Series[Any]", other_outcome: "NDArray[np.int8]"
) -> float:
    if train.dtype == object:
        known = {key: outcome[rows].mean() for key, rows in train.fillna("").groupby(train.fillna("")).indices.items()}
        ranked = [other.fillna("").map(known).fillna(outcome.mean()).to_numpy(dtype=np.float64)]
    else:
        values = other.to_numpy()
        ranked = [np.nan_to_num(values, nan=end) for end in (-np.inf, np.inf)]
    aucs = [roc_auc(other_outcome, values) for values in ranked]
    return max(max(auc, 1 - auc) for auc in aucs)
