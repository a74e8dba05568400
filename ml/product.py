"""A prediction product, parsed once from its dbt exposure into a typed, validated value."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal, cast

from ml.business_metrics import BusinessMetric, check_metrics, read_metrics
from ml.manifest import column_meta, meta_of
from ml.parameters import (
    MONEY,
    Decide,
    Monitor,
    Outcome,
    Train,
    Value,
    read_decide,
    read_monitor,
    read_outcome,
    read_train,
    read_value,
)
from ml.spec import Field, ProductError

__all__ = ["Product", "ProductError", "load_products", "pii_columns"]

_FIELDS = ("entity", "clock", "outcome", "decide", "slices", "value", "holdout", "train", "monitor", "metrics")


@dataclass(frozen=True)
class Product:
    """One product. `excluded` are column names that never become features, in lower case.

    Flagged `meta: {pii: true}` anywhere in the project, or `meta: {feature: false}` in the product's training set.
    """

    name: str
    label: str
    description: str
    owner: str
    path: str
    depends_on: tuple[str, ...]
    excluded: tuple[str, ...]
    entity: str
    clock: Literal["wall", "data"]
    outcome: Outcome
    decide: Decide
    slices: tuple[str, ...]
    value: Value | None
    holdout: float
    train: Train | None
    monitor: Monitor
    metrics: Mapping[str, BusinessMetric]

    def relation(self, table: str) -> str:
        """`training_set` as quoted SQL: "churn"."training_set"."""
        return f'"{self.name}"."{table}"'

    def asset(self, table: str) -> str:
        """`model` as asset path: churn/model."""
        return f"{self.name}/{table}"

    @property
    def spec_hash(self) -> str:
        """12 hex digits over all parameters in canonical form: layout and spelled-out defaults do not change it."""
        return _digest({key: getattr(self, key) for key in _FIELDS})

    @property
    def training_hash(self) -> str:
        """12 hex digits over the parameters a fitted model depends on: a changed floor asks for no new model."""
        train = self.train and (self.train.candidates, self.train.metric, self.train.split)
        return _digest([self.name, self.entity, self.outcome, self.value, self.excluded, train])

    @property
    def cells(self) -> Value:
        """`value` of a product that trains. Raises ProductError where there is none: a threshold is chosen by value."""
        if self.value is None:
            raise ProductError(f"{self.path}, product {self.name}, field value: found nothing; training needs it")
        return self.value

    @property
    def gap(self) -> timedelta:
        """Time after as_of until a row's answer is final: horizon + grace."""
        return self.outcome.horizon + self.outcome.grace


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)


def _digest(parameters: Any) -> str:
    return hashlib.sha256(json.dumps(parameters, sort_keys=True, default=_plain).encode()).hexdigest()[:12]


def load_products(manifest: Mapping[str, Any]) -> dict[str, Product]:
    """All products of a dbt manifest by name: exposures of type ml with `config.meta.product`.

    Raises ProductError naming the yml file, the product, the field, what was found and what is allowed.
    """
    found, pii = {}, pii_columns(manifest)
    for exposure in manifest["exposures"].values():
        meta = meta_of(exposure)
        if exposure.get("type") == "ml" and "product" in meta:
            found[exposure["name"]] = _product(exposure, meta["product"], manifest["nodes"], pii)
    return found


def _product(exposure: Mapping[str, Any], parameters: Any, nodes: Mapping[str, Any], pii: set[str]) -> Product:
    name = exposure["name"]
    spec = Field(parameters, "", name, exposure["original_file_path"])
    spec.mapping(_FIELDS)
    parents = {nodes[uid]["name"]: nodes[uid] for uid in exposure["depends_on"]["nodes"] if uid in nodes}
    outcome = read_outcome(spec.get("outcome"))
    slices = spec.get("slices", []).tuple_of(Field.text)
    monitor_only = spec.get("train").absent
    product = Product(
        name=name,
        label=exposure.get("label") or name,
        description=exposure.get("description") or "",
        owner=(exposure.get("owner") or {}).get("name") or "",
        path=exposure["original_file_path"],
        depends_on=tuple(exposure["depends_on"]["nodes"]),
        excluded=tuple(sorted(pii | _no_features(parents.get(f"{name}_training_set")))),
        entity=spec.get("entity").text(),
        clock=cast(Literal["wall", "data"], spec.get("clock", "wall").one_of(("wall", "data"))),
        outcome=outcome,
        decide=read_decide(spec.get("decide", {"per": None}), outcome),
        slices=slices,
        value=None if monitor_only and spec.get("value").absent else read_value(spec.get("value")),
        holdout=spec.get("holdout", 0).number(0, 0.9999),
        train=None if monitor_only else read_train(spec.get("train")),
        monitor=read_monitor(spec.get("monitor", {})),
        metrics=read_metrics(spec.get("metrics", {}), spec.get("entity").text(), slices),
    )
    check_metrics(spec.get("metrics", {}), product.metrics, parents)
    _check_columns(spec, product, parents)
    _check_money(spec, product)
    if product.train and product.monitor.drift.reference_until:
        until = spec.get("monitor").get("drift").get("reference_until")
        until.fail("nothing for a product with `train`: the rows its model was trained on are the reference")
    return product


def pii_columns(manifest: Mapping[str, Any]) -> set[str]:
    """Lower-case column names flagged `meta: {pii: true}` in any source or model. A flag holds for the whole project:
    a column that is selected on and on is the same person's e-mail wherever the flag was not repeated.
    """
    relations = [*manifest.get("sources", {}).values(), *manifest["nodes"].values()]
    return {name for relation in relations for name, meta in _flags(relation).items() if meta.get("pii")}


def _no_features(training_set: Mapping[str, Any] | None) -> set[str]:
    """Columns flagged `meta: {feature: false}` in the training set's yml."""
    return {name for name, meta in _flags(training_set or {}).items() if meta.get("feature") is False}


def _flags(relation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`meta` of each declared column; names in lower case, as SQL does not tell case."""
    return {name.lower(): column_meta(column) for name, column in (relation.get("columns") or {}).items()}


def _check_money(spec: Field, product: Product) -> None:
    """A floor on money needs a value: what is always null can break no floor."""
    for index, floor in enumerate(product.monitor.floors if product.value is None else ()):
        if floor.metric in MONEY:
            metric = spec.get("monitor").get("floors").items()[index].get("metric")
            metric.fail("a metric that is no money, as the product declares no value (its four cells tp, fp, fn, tn)")


def _check_columns(spec: Field, product: Product, parents: Mapping[str, Any]) -> None:
    """Entity, slices and amounts must be columns of the sets, or of a log from elsewhere, where a yml says columns."""
    if product.train and f"{product.name}_training_set" not in parents:
        spec.get("train").fail(f"only with ref('{product.name}_training_set') in the exposure's depends_on")
    if product.outcome.model not in parents:
        spec.get("outcome").get("model").fail(
            f"a model listed in depends_on: {', '.join(sorted(parents)) or 'none is'}"
        )
    named = [("entity", product.entity), *(("slices", s) for s in product.slices)]
    named += [("value", amount) for amount in (product.value.amounts if product.value else ())]
    carried = "scoring_set" if f"{product.name}_scoring_set" in parents else "predictions"
    for table in ("training_set", "scoring_set") if product.train else (carried,):
        columns = (parents.get(f"{product.name}_{table}") or {}).get("columns") or {}
        for field, column in named:
            if columns and column not in columns:
                Field(column, field, spec.product, spec.file).fail(
                    f"a column of {product.name}_{table}: {', '.join(columns)}"
                )
