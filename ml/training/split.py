"""Train, validation and test: by time with a gap in which labels mature, or by entity where history is too short."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from ml.errors import TooLittleData
from ml.product import Product
from ml.training.data import FOLDS, Data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

MIN_OF_EACH_CLASS = 10


@dataclass(frozen=True)
class Parts:
    """Row masks of the three parts, how they were made, and the text that says so in the metadata."""

    train: "Mask"
    validation: "Mask"
    test: "Mask"
    kind: str
    note: str


def split(data: Data, product: Product) -> Parts:
    """Train < validation < test by as_of, horizon + grace apart, so that no label of an earlier part was open when the
    next began. Where a part would hold fewer than 10 rows of a class: three groups of entities over the whole history.

    Raises TooLittleData with the counts when that does not help either.
    """
    assert product.train is not None
    lengths = product.train.split
    by_time = _by_time(data.as_of, product.gap, lengths.validation, lengths.test)
    if not _lacking(data, by_time):
        return Parts(*by_time, "time", _dates(data, by_time))
    by_entity = data.part < FOLDS - 2, data.part == FOLDS - 2, data.part == FOLDS - 1
    lacking = _lacking(data, by_entity)
    if lacking:
        raise TooLittleData(
            f"{len(data.outcome)} rows with {int(data.outcome.sum())} positives are too few for {product.name}: "
            f"{lacking}; allowed is at least {MIN_OF_EACH_CLASS} of each class in each part. Load more history"
        )
    have = (data.as_of.max() - data.as_of.min()).astype("timedelta64[D]").astype(int)
    need = (lengths.validation + lengths.test + 2 * product.gap).days
    note = f"entity folds: {have} days of history are too short for {need} days of validation, test and gaps by time"
    return Parts(*by_entity, "entity", note)


def _by_time(
    as_of: "NDArray[np.datetime64]", gap: timedelta, validation: timedelta, test: timedelta
) -> "tuple[Mask, Mask, Mask]":
    in_test = as_of > as_of.max() - np.timedelta64(test)
    validation_end = as_of[in_test].min() - np.timedelta64(gap)
    in_validation = (as_of <= validation_end) & (as_of > validation_end - np.timedelta64(validation))
    if not in_validation.any():
        return np.zeros_like(in_test), in_validation, in_test
    return as_of <= as_of[in_validation].min() - np.timedelta64(gap), in_validation, in_test


def _lacking(data: Data, masks: "tuple[Mask, Mask, Mask]") -> str:
    """Which parts have too few rows of a class; empty when all can be used."""
    counts = {
        name: (int(data.outcome[mask].sum()), int((data.outcome[mask] == 0).sum()))
        for name, mask in zip(("train", "validation", "test"), masks, strict=True)
    }
    short = {name: both for name, both in counts.items() if min(both) < MIN_OF_EACH_CLASS}
    return ", ".join(f"{name} has {p} positives and {n} negatives" for name, (p, n) in short.items())


def _dates(data: Data, masks: "tuple[Mask, Mask, Mask]") -> str:
    spans = [
        f"{name} {data.as_of[mask].min().astype('datetime64[D]')} to {data.as_of[mask].max().astype('datetime64[D]')}"
        for name, mask in zip(("train", "validation", "test"), masks, strict=True)
    ]
    return "time: " + ", ".join(spans)
