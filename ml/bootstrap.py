"""Honest intervals: whole entities are drawn, because the rows of one entity are not independent (percentile, 95 %)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ml.evaluation import RATES, SUMS, Ranking, Sample, rates, row_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

REPLICATES = 500
RANK_REPLICATES = 200
_QUANTILES = (0.025, 0.975)


def draws(n_entities: int, replicates: int, seed: int) -> "Iterator[NDArray[np.float64]]":
    """For each replicate, how often every entity was drawn (with replacement, n_entities draws)."""
    rng = np.random.default_rng(seed)
    for _ in range(replicates):
        drawn = rng.integers(0, n_entities, n_entities)
        yield np.bincount(drawn, minlength=n_entities).astype(np.float64)


def _codes(entity: "NDArray[np.int64]") -> "tuple[NDArray[np.int64], int]":
    found, codes = np.unique(entity, return_inverse=True)
    return codes, len(found)


def _entity_sums(sample: Sample) -> "Floats":
    """`row_sums` added up per entity: (entities, sums). A replicate then costs one product, not one pass over rows."""
    codes, n_entities = _codes(sample.entity)
    return np.column_stack([np.bincount(codes, column, n_entities) for column in row_sums(sample).T])


def _interval(replicates: "Floats") -> tuple[float, float]:
    defined = replicates[np.isfinite(replicates)]
    if len(defined) < len(replicates) / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, _QUANTILES)
    return float(low), float(high)


def intervals(sample: Sample, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % interval of every rate, ROC AUC and average precision; NaN where most replicates leave it undefined."""
    per_entity = _entity_sums(sample)
    totals = np.array([drawn @ per_entity for drawn in draws(len(per_entity), REPLICATES, seed)])
    by_rate = rates(dict(zip(SUMS, totals.T, strict=True)))
    found = {name: _interval(by_rate[name]) for name in RATES}
    codes, n_entities = _codes(sample.entity)
    ranking = Ranking.of(sample.outcome, sample.score)
    ranks = []
    for drawn in draws(n_entities, RANK_REPLICATES, seed):
        weight = drawn[codes]
        ranks.append((ranking.roc_auc(weight), ranking.average_precision(weight)))
    found["roc_auc"], found["average_precision"] = (_interval(column) for column in np.array(ranks).T)
    return found


def paired_value_delta(challenger: Sample, champion: Sample, seed: int = 0) -> tuple[float, float, float]:
    """Value per decision of challenger minus champion on the same rows: estimate, low, high (entities drawn)."""
    gain = challenger.cells.worth(challenger.outcome, challenger.predicted) - champion.cells.worth(
        champion.outcome, champion.predicted
    )
    codes, n_entities = _codes(challenger.entity)
    per_entity = np.column_stack([np.bincount(codes, gain, n_entities), np.bincount(codes, minlength=n_entities)])
    totals = np.array([drawn @ per_entity for drawn in draws(n_entities, REPLICATES, seed)])
    low, high = _interval(totals[:, 0] / totals[:, 1])
    return float(gain.mean()), low, high
