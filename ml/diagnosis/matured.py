"""Matured decisions against what their scores promised, on the same rows."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ml.diagnosis.evidence import Matured

DRAWS = 2_000
SEED = 0
Floats = NDArray[np.float64]


def matured(as_of: Sequence[datetime], score: Sequence[float], label: Sequence[int]) -> Matured | None:
    """Numbers of one stretch of decisions; None without any.

    Chances are those of a parametric bootstrap: answers are drawn anew from the scores, which are taken at their word
    (calibrated probabilities, independent). With a fixed seed, so that equal rows give equal numbers.
    """
    if not len(score):
        return None
    p, y = np.clip(np.asarray(score, dtype=float), 0.0, 1.0), np.asarray(label, dtype=bool)
    drawn = np.random.default_rng(SEED).random((DRAWS, len(p))) < p
    positives, expected = int(y.sum()), float(p.sum())
    off = np.abs(drawn.sum(axis=1) - expected) >= abs(positives - expected) - 1e-9
    ranks = _ranks(p)
    aucs, auc = _aucs(ranks, drawn), _aucs(ranks, y[None])[0]
    known = aucs[np.isfinite(aucs)]
    comparable = bool(np.isfinite(auc)) and known.size > 0
    return Matured(
        first=min(as_of),
        last=max(as_of),
        n=len(p),
        positives=positives,
        expected=expected,
        auc=float(auc) if np.isfinite(auc) else None,
        auc_expected=float(known.mean()) if known.size else None,
        p_auc=_share(known <= auc + 1e-12) if comparable else 1.0,
        p_positives=_share(off),
    )


def _share(hits: NDArray[np.bool_]) -> float:
    """A Monte Carlo p-value: never zero (Davison and Hinkley 1997, 4.11)."""
    return float((hits.sum() + 1) / (hits.size + 1))


def _ranks(score: Floats) -> Floats:
    """Ranks from 1, ties at their mean."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=float)


def _aucs(ranks: Floats, labels: NDArray[np.bool_]) -> Floats:
    """ROC AUC (Mann-Whitney) of each row of labels (m, n); nan where a row has one class only."""
    n_positives = labels.sum(axis=1)
    n_negatives = labels.shape[1] - n_positives
    found = np.full(len(labels), np.nan)
    both = (n_positives > 0) & (n_negatives > 0)
    sums = labels[both] @ ranks
    n = n_positives[both]
    found[both] = (sums - n * (n + 1) / 2) / (n * n_negatives[both])
    return found
