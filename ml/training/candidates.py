"""Fit every candidate, calibrate it, choose its threshold on validation rows, and pick one by the product's metric."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.bootstrap import intervals
from ml.evaluation import LOWER_IS_BETTER, Sample, metrics
from ml.model import Model
from ml.product import Product
from ml.training.calibration import Calibration, calibrate
from ml.training.data import Content, Data
from ml.training.matrix import Matrix, examine
from ml.training.pipelines import build
from ml.training.split import Parts
from ml.value import value_curve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Candidate:
    """A fitted candidate with its decision rule and what it reaches on validation rows."""

    name: str
    model: Model
    threshold: float
    calibration: Calibration
    matrix: Matrix
    validation: dict[str, float]


def sample_of(model: Model, threshold: float, data: Data, rows: "NDArray[np.bool_]") -> Sample:
    """The decisions `model` takes on some rows."""
    score = model.scores(data.frame[rows]).score
    return Sample(data.outcome[rows], score, score >= threshold, data.cells.take(rows), data.entity[rows])


def with_intervals(sample: Sample, seed: int) -> dict[str, float]:
    """All metrics of a sample; rates and ranks with `_low` and `_high`."""
    bounds = intervals(sample, seed)
    lows = {f"{name}_low": low for name, (low, _) in bounds.items()}
    return metrics(sample) | lows | {f"{name}_high": high for name, (_, high) in bounds.items()}


def fit(name: str, product: Product, content: Content, data: Data, parts: Parts, seed: int) -> Candidate:
    """Fit on train; calibrate, choose the threshold worth most, and measure on validation."""
    assert product.train is not None
    pipeline = build(name, product.train.candidates[name], content.features, seed)
    pipeline.fit(data.frame[parts.train], data.outcome[parts.train])
    rows, outcome = parts.validation, data.outcome[parts.validation]
    matrix = examine(pipeline, data.frame[parts.train], data.frame[rows])
    model, calibration = calibrate(pipeline, data.frame[rows], outcome, data.fold[rows])
    threshold = value_curve(model.scores(data.frame[rows]).score, outcome, data.cells.take(rows)).best
    measured = with_intervals(sample_of(model, threshold, data, rows), seed)
    return Candidate(name, model, threshold, calibration, matrix, measured)


def pick(candidates: list[Candidate], metric: str) -> Candidate:
    """The best on validation by the product's metric; of equals the first by name."""
    column = "value_per_decision" if metric == "value" else metric
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return max(candidates, key=lambda candidate: sign * candidate.validation[column])
