"""Calibration on validation rows, kept only where it helps on rows it was not fitted on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from ml.evaluation import ece
from ml.model import Model
from ml.training.data import FOLDS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

METHODS = ("sigmoid", "isotonic")


@dataclass(frozen=True)
class Calibration:
    """The method kept ('none' where none helps) and the cross-validated ECE of doing nothing and of that method."""

    method: str
    ece_raw: float
    ece_calibrated: float


class _Margins(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """A classifier whose margin is its input: calibrators can be tried without running the pipeline again."""

    def fit(self, X: Any, y: Any) -> "_Margins":
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, X: Any) -> Any:
        return X[:, 0]

    def predict(self, X: Any) -> Any:
        return (X[:, 0] > 0).astype(int)


def calibrate(
    pipeline: Any, rows: "pd.DataFrame", outcome: "NDArray[np.int8]", fold: "NDArray[np.int64]"
) -> tuple[Model, Calibration]:
    """The pipeline with the calibrator that has the lowest ECE out of fold, or as it is where none improves it.

    `fold` groups whole entities. A calibrator must not worsen the Brier score either: predicting the base rate for
    everybody is well calibrated and useless.
    """
    raw = Model(pipeline)
    margins = raw.margins(rows)
    scores = raw.calibrated(margins)
    best, kept, brier = ece(outcome, scores), "none", float(((scores - outcome) ** 2).mean())
    ece_raw = best
    for method in METHODS if _enough_outside_each_fold(outcome, fold) else ():
        tried = _out_of_fold(margins, outcome, fold, method)
        error = ece(outcome, tried)
        if error < best and float(((tried - outcome) ** 2).mean()) <= brier:
            best, kept = error, method
    if kept == "none":
        return raw, Calibration(kept, ece_raw, best)
    fitted = CalibratedClassifierCV(FrozenEstimator(pipeline), method=kept).fit(rows, outcome)
    return Model(fitted), Calibration(kept, ece_raw, best)


def _enough_outside_each_fold(outcome: "NDArray[np.int8]", fold: "NDArray[np.int64]") -> bool:
    """scikit-learn's calibration wants five rows of each class."""
    counts = [np.bincount(outcome[fold != number], minlength=2).min() for number in range(FOLDS)]
    return bool(min(counts) >= 5)


def _out_of_fold(
    margins: "NDArray[np.float64]", outcome: "NDArray[np.int8]", fold: "NDArray[np.int64]", method: str
) -> "NDArray[np.float64]":
    column, tried = margins.reshape(-1, 1), np.zeros(len(margins))
    for number in range(FOLDS):
        held = fold == number
        if held.any():
            tried[held] = _fit(column[~held], outcome[~held], method).predict_proba(column[held])[:, 1]
    return tried


def _fit(margins: Any, outcome: Any, method: str) -> Any:
    identity = FrozenEstimator(_Margins().fit(margins, outcome))
    return CalibratedClassifierCV(identity, method=method).fit(margins, outcome)
