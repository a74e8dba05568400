"""The plots people look at before they believe a model, drawn on test rows."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.evaluation import Ranking, Sample, average_precision, reliability, roc_auc
from ml.value import value_curve

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PLOTS = ("roc", "precision_recall", "reliability", "value", "importance")
_SAMPLE_OF_EACH_CLASS, _REPEATS, _SHOWN = 1000, 3, 15


def draw(sample: Sample, threshold: float, currency: str, importance: dict[str, float]) -> "dict[str, Figure]":
    """Figures by the names of PLOTS."""
    draws = {
        "roc": lambda ax: _roc(ax, sample),
        "precision_recall": lambda ax: _precision_recall(ax, sample),
        "reliability": lambda ax: _reliability(ax, sample),
        "value": lambda ax: _value(ax, sample, threshold, currency),
        "importance": lambda ax: _importance(ax, importance),
    }
    figures = {}
    for name in PLOTS:
        figures[name], ax = _canvas()
        draws[name](ax)
    return figures


def _canvas() -> "tuple[Figure, Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    return figure, ax


def _cumulative(sample: Sample) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """True and false positives when everything down to each distinct score is treated."""
    ranking = Ranking.of(sample.outcome, sample.score)
    positives = np.add.reduceat(ranking.outcome, ranking.starts)
    return np.cumsum(positives), np.cumsum(np.add.reduceat(1 - ranking.outcome, ranking.starts))


def _roc(ax: "Axes", sample: Sample) -> None:
    tp, fp = _cumulative(sample)
    ax.plot(np.r_[0, fp / fp[-1]], np.r_[0, tp / tp[-1]])
    ax.plot([0, 1], [0, 1], linestyle=":", color="grey")
    ax.set(xlabel="false positive rate", ylabel="true positive rate")
    ax.set_title(f"ROC, AUC {roc_auc(sample.outcome, sample.score):.3f} on {len(sample.outcome):,} test rows")


def _precision_recall(ax: "Axes", sample: Sample) -> None:
    tp, fp = _cumulative(sample)
    ax.step(tp / tp[-1], tp / (tp + fp), where="post")
    ax.axhline(sample.outcome.mean(), linestyle=":", color="grey", label="base rate")
    ax.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    ax.set_title(f"Precision and recall, average precision {average_precision(sample.outcome, sample.score):.3f}")
    ax.legend(frameon=False)


def _reliability(ax: "Axes", sample: Sample) -> None:
    predicted, happened, _ = reliability(sample.outcome, sample.score)
    top = float(max(predicted.max(), happened.max()) * 1.05) or 1.0
    ax.plot([0, top], [0, top], linestyle=":", color="grey")
    ax.plot(predicted, happened, marker="o")
    ax.set(xlabel="mean score of the bin", ylabel="share that happened", xlim=(0, top), ylim=(0, top))
    ax.set_title("Reliability, ten bins of equal mass")


def _value(ax: "Axes", sample: Sample, threshold: float, currency: str) -> None:
    curve = value_curve(sample.score, sample.outcome, sample.cells)
    ax.plot(curve.thresholds, curve.totals)
    ax.axvline(threshold, linestyle=":", color="grey", label=f"threshold {threshold:.3f}, chosen on validation")
    ax.axhline(max(curve.totals[0], curve.totals[-1]), linestyle="--", color="grey", label="better of all and none")
    ax.set(xlabel="threshold", ylabel=f"value on test rows, {currency}")
    ax.set_xlim(-0.01, float(min(1.0, sample.score.max() * 1.1) or 1.0))
    ax.set_title("Value over threshold")
    ax.legend(frameon=False)


def _importance(ax: "Axes", importance: dict[str, float]) -> None:
    shown = sorted(importance.items(), key=lambda item: item[1])[-_SHOWN:]
    ax.barh([name for name, _ in shown], [drop for _, drop in shown])
    ax.set(xlabel="loss of ROC AUC when the feature is shuffled")
    ax.set_title("Permutation importance")


def permutation_importance(
    pipeline: Any, rows: "pd.DataFrame", outcome: "NDArray[np.int8]", seed: int
) -> dict[str, float]:
    """Mean loss of ROC AUC per shuffled feature, on at most 1,000 rows of each class (AUC ignores their ratio)."""
    from sklearn.inspection import permutation_importance as permute

    rng = np.random.default_rng(seed)
    of_each = [np.flatnonzero(outcome == label) for label in (0, 1)]
    chosen = np.concatenate([np.sort(rng.permutation(found)[:_SAMPLE_OF_EACH_CLASS]) for found in of_each])
    found = permute(
        pipeline, rows.iloc[chosen], outcome[chosen], scoring="roc_auc", n_repeats=_REPEATS, random_state=seed
    )
    return {name: float(drop) for name, drop in zip(rows.columns, found.importances_mean, strict=True)}
