"""Matured decisions against what their scores promised, on the same rows."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ml.diagnosis.evidence import Matured

DRAWS, CHUNK = 2_000, 100
MOST_ROWS = 20_000
SEED = 0
Floats = NDArray[np.float64]


def matured(
    as_of: Sequence[datetime], score: Sequence[float], label: Sequence[int], with_chances: bool = True
) -> Matured | None:
    """Numbers of one stretch of decisions; None without any. Of more than MOST_ROWS, every k-th is looked at.

    Chances are those of a parametric bootstrap: answers are drawn anew from the scores, which are taken at their word
    (calibrated probabilities, independent). For the ranking the scores' odds are first raised or lowered alike until
    they promise as many positives as there were: whether the level holds is the other question. With a fixed seed, so
    that equal rows give equal numbers.
    """
    if not len(score):
        return None
    step = -(-len(score) // MOST_ROWS)
    p, y = np.clip(np.asarray(score, dtype=float)[::step], 0.0, 1.0), np.asarray(label, dtype=bool)[::step]
    positives, expected, ranks = int(y.sum()), float(p.sum()), _ranks(p)
    auc = _aucs(ranks, y[None])[0]
    counts, aucs = _drawn(p, positives, ranks) if with_chances else (np.empty(0), np.empty(0))
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
        p_positives=_share(np.abs(counts - expected) >= abs(positives - expected) - 1e-9) if with_chances else 1.0,
    )


def _drawn(p: Floats, positives: int, ranks: Floats) -> tuple[Floats, Floats]:
    """Numbers of positives, and ROC AUCs at the level that was, of DRAWS worlds in which the scores are true."""
    rng, at_level = np.random.default_rng(SEED), _tilted(p, positives)
    counts, aucs = [], []
    for _ in range(0, DRAWS, CHUNK):
        counts.append((rng.random((CHUNK, len(p))) < p).sum(axis=1))
        aucs.append(_aucs(ranks, rng.random((CHUNK, len(p))) < at_level))
    return np.concatenate(counts), np.concatenate(aucs)


def _tilted(p: Floats, positives: int) -> Floats:
    """The probabilities with all odds multiplied by one number, so that they sum to `positives`."""
    if not 0 < positives < len(p):
        return p
    inside = np.clip(p, 1e-9, 1 - 1e-9)
    odds, low, high = np.log(inside / (1 - inside)), -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-odds - middle))).sum() < positives else (low, middle)
    return np.asarray(1 / (1 + np.exp(-odds - low)))


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
