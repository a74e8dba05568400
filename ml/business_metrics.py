"""Business metrics of a product: churn rate, conversion, MRR at risk. Declared once as SQL beside the exposure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from ml.parameters import FLOOR_METRICS, NOT_JUDGED
from ml.spec import Field

Kind = Literal["share", "ratio", "total"]
FIELDS = ("model", "at", "kind", "numerator", "denominator", "entity", "slices", "where")


@dataclass(frozen=True)
class BusinessMetric:
    """sum(numerator) / sum(denominator) over rows of `model` by the time in column `at`; a `total` has no denominator.

    numerator, denominator and `where` are SQL over the model's columns; a `share` lies in [0, 1] and its rows do too.
    Rows of one `entity` are no independent evidence.
    """

    model: str
    at: str
    kind: Kind
    numerator: str
    denominator: str | None
    entity: str
    slices: tuple[str, ...]
    where: str | None


def read_metrics(spec: Field, entity: str, slices: tuple[str, ...]) -> dict[str, BusinessMetric]:
    """`metrics` of an exposure by name; entity and slices are the product's where a metric does not say."""
    for name in spec.mapping():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", str(name)) or name in (*FLOOR_METRICS, *NOT_JUDGED):
            Field(name, spec.path, spec.product, spec.file).fail(
                "a name of small letters, digits and underscores that is no metric of performance"
            )
    return {name: _metric(spec.get(name), entity, slices) for name in spec.mapping()}


def _metric(spec: Field, entity: str, slices: tuple[str, ...]) -> BusinessMetric:
    spec.mapping(FIELDS)
    kind = cast(Kind, spec.get("kind", "ratio").one_of(("share", "ratio", "total")))
    if kind == "total" and not spec.get("denominator").absent:
        spec.get("denominator").fail("nothing: a total has no denominator")
    return BusinessMetric(
        model=spec.get("model").text(),
        at=spec.get("at", "as_of").text(),
        kind=kind,
        numerator=spec.get("numerator").text(),
        denominator=None if kind == "total" else spec.get("denominator", "1").text(),
        entity=spec.get("entity", entity).text(),
        slices=spec.get("slices", list(slices)).tuple_of(Field.text),
        where=None if spec.get("where", None).absent else spec.get("where").text(),
    )


def check_metrics(spec: Field, metrics: Mapping[str, BusinessMetric], parents: Mapping[str, Any]) -> None:
    """A metric's model stands in the exposure's depends_on; its columns in the model's yml, where that declares any."""
    for name, metric in metrics.items():
        field = spec.get(name)
        if metric.model not in parents:
            field.get("model").fail(f"a model listed in depends_on: {', '.join(sorted(parents)) or 'none is'}")
        columns = parents[metric.model].get("columns") or {}
        named = [("at", metric.at), ("entity", metric.entity), *(("slices", column) for column in metric.slices)]
        for key, column in named:
            if columns and column not in columns:
                Field(column, f"{field.path}.{key}", spec.product, spec.file).fail(
                    f"a column of {metric.model}: {', '.join(columns)}"
                )
