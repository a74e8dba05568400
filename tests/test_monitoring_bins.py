"""What bins of the score cost AUC, average precision and KS of slices, on scores that suit them and that do not."""

from collections.abc import Iterator

import numpy as np
import pytest
from macro_harness import MacroHarness
from scipy.stats import ks_2samp
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression
from test_monitoring_metrics import PRODUCTS, measured

RATES, SPREADS, SIZES = (0.002, 0.02, 0.2), (0.3, 2.0), (1_001, 20_000)
ENOUGH = 500  # positives from which the order within the few highest bins is a small part of average precision


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("bins"), PRODUCTS, now="2025-03-30 06:00:00") as harness:
        yield harness


def worlds() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, scores, labels: rare and frequent positives, weak and strong models, scores spread, rounded, in steps."""
    rng = np.random.default_rng(5)
    for n in SIZES:
        for rate in RATES:
            for spread in SPREADS:
                odds = rng.normal(np.log(rate / (1 - rate)) - 0.3 * spread**2, spread, n)
                label = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)
                label[:3] = 1
                for kind, score in scores(rng, odds, rate, spread).items():
                    yield f"{kind}, {n}, {rate}, {spread}", score, label


def scores(rng: np.random.Generator, odds: np.ndarray, rate: float, spread: float) -> dict[str, np.ndarray]:
    p = 1 / (1 + np.exp(-odds))
    known = rng.normal(np.log(rate / (1 - rate)) - 0.3 * spread**2, spread, 8_000)
    steps = IsotonicRegression(out_of_bounds="clip").fit(known, rng.random(8_000) < 1 / (1 + np.exp(-known)))
    return {
        "spread": p,
        "two decimals": p.round(2),
        "three decimals": p.round(3),
        "isotonic": np.clip(steps.predict(odds), 0, 1),
        "few values": np.digitize(odds, np.quantile(odds, [0.5, 0.8, 0.95, 0.99])) / 5,
        "shuffled": rng.permutation(p),
        "squeezed": 0.3 + 1e-4 * p,
    }


def bounds(score: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """The furthest that the truth can be from bins, whatever the order within them."""
    p = np.clip(score, 1e-6, 1 - 1e-6)
    bins, at = np.unique(np.floor(40 * np.log(p / (1 - p))), return_inverse=True)
    pos = np.bincount(at, weights=label, minlength=len(bins))[::-1]
    neg = np.bincount(at, weights=1 - label, minlength=len(bins))[::-1]
    above, hits = np.cumsum(pos + neg) - pos - neg, np.cumsum(pos) - pos
    furthest = 0.0
    for k, i, t, h in zip(pos, neg, above, hits, strict=True):
        order = np.arange(1, k + 1)
        best, worst = ((h + order) / (t + order)).sum(), ((h + order) / (t + i + order)).sum()
        tied = k * (h + k) / (t + k + i)
        furthest += max(best - tied, tied - worst)
    return {
        "roc_auc": float((pos * neg).sum() / (2 * pos.sum() * neg.sum())),
        "average_precision": float(furthest / pos.sum()),
        "ks": float(np.minimum(pos / pos.sum(), neg / neg.sum()).max()),
    }


def promised(kind: str, n_pos: int) -> dict[str, float]:
    """What the documents say."""
    if kind == "squeezed":
        return {}
    few = n_pos < ENOUGH
    return {
        "roc_auc": 5e-3 if kind == "isotonic" or few else 1e-3,
        "average_precision": 1 / n_pos if few else 5e-3,
        "ks": 5e-2 if few else 5e-3,
    }


def test_bins_cost_no_more_than_is_said(macros):
    found = list(worlds())
    names = np.concatenate([np.full(len(score), name) for name, score, _ in found])
    score, label = (np.concatenate([world[k] for world in found]) for k in (1, 2))
    rows = measured(macros, score, label, label, plan=names)
    binned = {r["slice_value"]: r for r in rows if r["slice_name"] == "plan" and r["model_version"] == "all"}
    assert len(binned) == len(found)
    broken = []
    for name, score, label in found:
        row = binned[name]
        assert row["roc_auc_method"] == "binned"
        truth = {
            "roc_auc": sk.roc_auc_score(label, score),
            "average_precision": sk.average_precision_score(label, score),
            "ks": ks_2samp(score[label == 1], score[label == 0], method="asymp").statistic,
        }
        kind, n_pos = name.split(",")[0], int(label.sum())
        limits = bounds(score, label), promised(kind, n_pos)
        for metric, value in truth.items():
            missed = abs(row[metric] - value)
            broken += [
                (name, n_pos, metric, missed, limit[metric])
                for limit in limits
                if metric in limit and missed > limit[metric] + 1e-9
            ]
        assert row["ks"] <= truth["ks"] + 1e-9
    assert broken == []
