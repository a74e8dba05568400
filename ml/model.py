"""A fitted model as scoring sees it: margin, raw score and calibrated score in one pass over the rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Per row: the estimator's own probability, and the calibrated one that decisions use."""

    raw: "Floats"
    score: "Floats"


@dataclass(frozen=True)
class Model:
    """A pipeline, alone or inside scikit-learn's CalibratedClassifierCV over a FrozenEstimator of it."""

    estimator: Any

    @property
    def pipeline(self) -> Any:
        """Preprocessing and estimator without the calibration."""
        part = self._calibrated
        return part.estimator.estimator if part else self.estimator

    @property
    def calibrator(self) -> Any | None:
        """The map from margin to calibrated score; None where calibrating did not help."""
        part = self._calibrated
        return part.calibrators[0] if part else None

    @property
    def _calibrated(self) -> Any | None:
        parts = getattr(self.estimator, "calibrated_classifiers_", None)
        return parts[0] if parts else None

    def margins(self, rows: "pd.DataFrame") -> "Floats":
        """Log-odds of the raw score, one per row."""
        return np.asarray(self.pipeline.decision_function(rows), dtype=np.float64)

    def calibrated(self, margins: "Floats") -> "Floats":
        """Scores of given margins; equal to `predict_proba(...)[:, 1]` of the stored estimator."""
        return np.asarray(self.calibrator.predict(margins), dtype=np.float64) if self.calibrator else _expit(margins)

    def scores(self, rows: "pd.DataFrame") -> Scores:
        margins = self.margins(rows)
        return Scores(raw=_expit(margins), score=self.calibrated(margins))


def _expit(margins: "Floats") -> "Floats":
    from scipy.special import expit

    return np.asarray(expit(margins), dtype=np.float64)
