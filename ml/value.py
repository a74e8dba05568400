"""Money: what decisions were worth, and the threshold on the score that is worth most."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.errors import AmountError
from ml.parameters import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TREAT_ALL, TREAT_NONE = 0.0, float(np.nextafter(1.0, 2.0))


@dataclass(frozen=True)
class Cells:
    """Money per row by cell of the confusion table, four arrays of n rows."""

    tp: "Floats"
    fp: "Floats"
    fn: "Floats"
    tn: "Floats"

    def take(self, rows: "NDArray[np.bool_]") -> "Cells":
        return Cells(self.tp[rows], self.fp[rows], self.fn[rows], self.tn[rows])

    def worth(self, outcome: "NDArray[np.int8]", predicted: "NDArray[np.bool_] | bool") -> "Floats":
        """Money per row when `predicted` was decided and `outcome` happened."""
        return np.where(predicted, np.where(outcome == 1, self.tp, self.fp), np.where(outcome == 1, self.fn, self.tn))


def cells_of(value: Value, amounts: "Mapping[str, Floats]", n: int) -> Cells:
    """The product's four cells for n rows; `amounts` holds the amount columns. Raises AmountError on a null amount."""
    for name in value.amounts:
        n_bad = int((~np.isfinite(amounts[name])).sum())
        if n_bad:
            raise AmountError(
                f"amount column {name} is null or infinite in {n_bad} of {n} rows; allowed is a number in every row. "
                "Say in the model's SQL what a missing amount is worth: coalesce(...)"
            )

    def cell(what: float | str) -> "Floats":
        return np.full(n, what, dtype=np.float64) if isinstance(what, float) else amounts[what]

    return Cells(cell(value.tp), cell(value.fp), cell(value.fn), cell(value.tn))


@dataclass(frozen=True)
class Curve:
    """Total value of the policy `score >= threshold` at each threshold worth considering, highest threshold first."""

    thresholds: "Floats"
    totals: "Floats"

    @property
    def best(self) -> float:
        """The threshold worth most; of equals the highest, which acts on fewest."""
        return float(self.thresholds[int(np.argmax(self.totals))])


def value_curve(score: "Floats", outcome: "NDArray[np.int8]", cells: Cells) -> Curve:
    """Value over threshold, exact: treat none, one threshold between each two neighbouring scores, treat all."""
    order = np.argsort(-score, kind="stable")
    descending = score[order]
    extra = (cells.worth(outcome, True) - cells.worth(outcome, False))[order]
    ends = np.flatnonzero(np.diff(descending)) if len(score) else np.zeros(0, dtype=np.int64)
    between = (descending[ends] + descending[ends + 1]) / 2
    # Two neighbouring floats have no number between them: the upper one still separates.
    between = np.where(between > descending[ends + 1], between, descending[ends])
    none = float(cells.worth(outcome, False).sum())
    gained = np.cumsum(extra)
    totals = none + np.concatenate([[0.0], gained[ends], gained[-1:]])
    return Curve(np.concatenate([[TREAT_NONE], between, [TREAT_ALL][: len(gained)]]), totals)
