"""Metrics on decisions, defined once. A metric that does not exist (no positives, one class) is NaN, never 0.

Definitions: confusion metrics, log loss, Brier, ROC AUC (ties at half) and average precision are scikit-learn's; ECE
has ten bins of equal mass in which equal scores stay together; value is money by confusion cell, `value_lift` the value
above the better of treating everybody and treating nobody. Intervals are 95 % percentile bootstraps over entities.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.value import Cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RATES = (
    *("accuracy", "precision", "recall", "f1", "balanced_accuracy", "log_loss", "brier"),
    *("value_per_decision", "value_lift_per_decision"),
)
SUMS = ("n", "tp", "fp", "fn", "tn", "log_loss", "brier", "value", "treat_all", "treat_none")
LOWER_IS_BETTER = ("log_loss", "brier", "ece")


@dataclass(frozen=True)
class Sample:
    """n evaluated decisions: outcome 0/1, score in [0, 1], decision, money cells, entity as an integer code."""

    outcome: "NDArray[np.int8]"
    score: "Floats"
    predicted: "NDArray[np.bool_]"
    cells: Cells
    entity: "NDArray[np.int64]"


def metrics(sample: Sample) -> dict[str, float]:
    """Every metric of a sample, with n and n_positives."""
    sums = dict(zip(SUMS, row_sums(sample).sum(axis=0), strict=True))
    return {
        "n": float(len(sample.outcome)),
        "n_positives": float(sample.outcome.sum()),
        **{name: float(number) for name, number in rates(sums).items()},
        "roc_auc": roc_auc(sample.outcome, sample.score),
        "average_precision": average_precision(sample.outcome, sample.score),
        "ece": ece(sample.outcome, sample.score),
        "value": float(sums["value"]),
        "value_treat_all": float(sums["treat_all"]),
        "value_treat_none": float(sums["treat_none"]),
        "value_lift": float(sums["value"] - max(sums["treat_all"], sums["treat_none"])),
    }


def row_sums(sample: Sample) -> "Floats":
    """What adds up over rows, (n, 10) in the order of SUMS: every rate is a formula of such sums."""
    y, predicted = sample.outcome == 1, sample.predicted
    p = np.clip(sample.score, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    columns = [
        np.ones(len(y)),
        *(y & predicted, ~y & predicted, y & ~predicted, ~y & ~predicted),
        -np.where(y, np.log(p), np.log1p(-p)),
        (sample.score - y) ** 2,
        *(sample.cells.worth(sample.outcome, policy) for policy in (predicted, True, False)),
    ]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


def rates(sums: "dict[str, Floats]") -> "dict[str, Floats]":
    """Rates from sums of `row_sums`; each sum may be a number or an array over bootstrap replicates."""
    n, tp, fp, fn, tn = (np.asarray(sums[name]) for name in ("n", "tp", "fp", "fn", "tn"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "accuracy": (tp + tn) / n,
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "log_loss": sums["log_loss"] / n,
            "brier": sums["brier"] / n,
            "value_per_decision": sums["value"] / n,
            "value_lift_per_decision": (sums["value"] - np.maximum(sums["treat_all"], sums["treat_none"])) / n,
        }


@dataclass(frozen=True)
class Ranking:
    """Rows sorted by falling score, equal scores in one group: the state that AUC and average precision share."""

    order: "NDArray[np.int64]"
    starts: "NDArray[np.int64]"
    outcome: "Floats"

    @classmethod
    def of(cls, outcome: "NDArray[np.int8]", score: "Floats") -> "Ranking":
        order = np.argsort(-score, kind="stable")
        falling = score[order]
        starts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]][: len(score)])
        return cls(order, starts, outcome[order].astype(np.float64))

    def _groups(self, weight: "Floats | None") -> "tuple[Floats, Floats]":
        w = np.ones(len(self.order)) if weight is None else weight[self.order]
        return np.add.reduceat(w * self.outcome, self.starts), np.add.reduceat(w * (1 - self.outcome), self.starts)

    def roc_auc(self, weight: "Floats | None" = None) -> float:
        """Probability that a positive outranks a negative, ties at half."""
        if not len(self.order):
            return float("nan")
        positives, negatives = self._groups(weight)
        above = np.cumsum(positives) - positives / 2
        pairs = positives.sum() * negatives.sum()
        return float((above * negatives).sum() / pairs) if pairs else float("nan")

    def average_precision(self, weight: "Floats | None" = None) -> float:
        """sum (R_k - R_{k-1}) P_k over falling distinct scores."""
        if not len(self.order):
            return float("nan")
        positives, negatives = self._groups(weight)
        total, taken = positives.sum(), np.cumsum(positives + negatives)
        precision = np.divide(np.cumsum(positives), taken, out=np.zeros(len(taken)), where=taken > 0)
        return float((positives * precision).sum() / total) if total else float("nan")


def roc_auc(outcome: "NDArray[np.int8]", score: "Floats") -> float:
    """ROC AUC; NaN with one class only."""
    return Ranking.of(outcome, score).roc_auc()


def average_precision(outcome: "NDArray[np.int8]", score: "Floats") -> float:
    """Average precision; NaN without positives."""
    return Ranking.of(outcome, score).average_precision()


def reliability(outcome: "NDArray[np.int8]", score: "Floats", bins: int = 10) -> "tuple[Floats, Floats, Floats]":
    """Per bin of equal mass: mean score, share of positives, rows. Equal scores share the bin of their middle rank."""
    if not len(score):
        empty = np.zeros(0)
        return empty, empty, empty
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    bin_of = np.minimum((middle * bins / len(score)).astype(np.int64), bins - 1)[inverse]
    n = np.bincount(bin_of, minlength=bins).astype(np.float64)
    used = n > 0
    predicted = np.bincount(bin_of, weights=score, minlength=bins)[used] / n[used]
    return predicted, np.bincount(bin_of, weights=outcome, minlength=bins)[used] / n[used], n[used]


def ece(outcome: "NDArray[np.int8]", score: "Floats", bins: int = 10) -> float:
    """Expected calibration error: sum_b n_b / n * |mean score_b - positives_b|, bins of equal mass."""
    predicted, happened, n = reliability(outcome, score, bins)
    return float((n * np.abs(predicted - happened)).sum() / n.sum()) if len(n) else float("nan")
