"""The files that monitor one product: one line of SQL and one yml per table. Nothing that exists is overwritten."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.clock import DAY
from ml.manifest import Props, group_of, meta_of
from ml.parameters import WHOLE
from ml.product import Product
from ml.spec import ProductError
from orchestration.dbt.roster import freshness_of
from orchestration.dbt.translator import asset_key
from orchestration.monitoring_tables import TABLES, MonitoringTable

WIDTH = 140
DEFAULT_FRESHNESS = {"warn_after": "26 hours", "fail_after": "30 hours"}
LOG = ("predictions", "prediction_features")


class NothingToMonitor(ProductError):
    """The product has no prediction log yet, so there is nothing that monitoring could read."""


@dataclass(frozen=True)
class NewFile:
    """A file of the dbt project, relative to it, and what stands in it."""

    path: Path
    text: str


@dataclass(frozen=True)
class Plan:
    """Files to write in order, and tables that cannot be: name to what they lack."""

    files: tuple[NewFile, ...]
    lacking: Mapping[str, str]


def plan(manifest: Props, product: Product) -> Plan:
    """What monitors `product`. Raises NothingToMonitor where no log is declared."""
    known, files, lacking = relations(manifest, product), [], {}
    folder = model_folder(manifest, product) / product.name
    if product.train is not None and "predictions" not in known:
        files.append(NewFile(folder / f"{product.name}_log.yml", _log_source(product)))
        known |= {table: f"source('{product.name}', '{table}')" for table in LOG}
    if "predictions" not in known:
        raise NothingToMonitor(
            f"{product.path}, product {product.name}: it has no `train`, so its prediction log comes from elsewhere, "
            f"and the project has neither a model {product.name}_predictions nor a source {product.name}.predictions. "
            f"Next: write {folder / product.name}_predictions.sql with baton.external_predictions, then: "
            f"baton new {product.name}"
        )
    for table in TABLES:
        if undeclared := _undeclared(table, product):
            lacking[table.name] = undeclared
            continue
        optional = _optional(table, product)
        missing = [what for argument, what in table.reads.items() if what not in known and argument not in optional]
        if missing:
            lacking[table.name] = ", ".join(missing)
            continue
        known[table.name] = f"ref('{product.name}_{table.name}')"
        stem = folder / f"{product.name}_{table.name}"
        files.append(NewFile(stem.with_suffix(".sql"), f"{{{{ {_call(table, product, known)} }}}}\n"))
        files.append(NewFile(stem.with_suffix(".yml"), _properties(table, manifest, product)))
    return Plan(tuple(files), lacking)


def _optional(table: MonitoringTable, product: Product) -> frozenset[str]:
    """What the table can do without: a reference from training only where nothing is trained."""
    return frozenset() if table.only == "reference" and product.train else table.optional


def _undeclared(table: MonitoringTable, product: Product) -> str | None:
    """What the exposure would have to declare for the table to have rows; None where it does."""
    if table.only == "reference":
        has_reference = product.train or product.monitor.drift.reference_until
        return None if has_reference else "train, or monitor.drift.reference_until, in the exposure"
    if table.only and not getattr(product, table.only):
        return f"{table.only} in the exposure"
    of_days = any(DAY <= window < WHOLE for window in product.monitor.windows)
    return "a window of days, to hold against the one before" if table.only == "slices" and not of_days else None


def write(project: Path, files: tuple[NewFile, ...]) -> Iterator[tuple[Path, bool]]:
    """Write what is missing; yields each path and whether it was written (else it was there and stays)."""
    for file in files:
        target = project / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("x") as handle:
                handle.write(file.text)
        except FileExistsError:
            yield file.path, False
        else:
            yield file.path, True


def relations(manifest: Props, product: Product) -> dict[str, str]:
    """What a monitoring table may read, as dbt calls it: by its table name, with its schema where that is another."""
    found = {}
    for source in manifest["sources"].values():
        schema, table = asset_key(source).path[0], asset_key(source).path[-1]
        name = table if schema == product.name else f"{schema}.{table}"
        found[name] = f"source('{source['source_name']}', '{source['name']}')"
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["name"].startswith(f"{product.name}_"):
            found[node["name"].removeprefix(f"{product.name}_")] = f"ref('{node['name']}')"
    rows = f"{product.name}_scoring_rows"
    if any(macro["name"] == rows for macro in manifest["macros"].values()):
        found["scoring_rows"] = f"{rows}('baton_days')"
    models = sorted({metric.model for metric in product.metrics.values()})
    found["metric_models"] = "{" + ", ".join(f"'{model}': ref('{model}')" for model in models) + "}"
    return {**found, "events": f"ref('{product.outcome.model}')"}


def model_folder(manifest: Props, product: Product) -> Path:
    """The folder of models in which the product's exposure stands."""
    return Path(next(iter(Path(product.path).parts[:1]), "models"))


def _call(table: MonitoringTable, product: Product, known: Mapping[str, str]) -> str:
    given = [f"{argument}={known[what]}" for argument, what in table.reads.items() if what in known]
    return f"baton.{table.name}({', '.join([repr(product.name), *given])})"


def _properties(table: MonitoringTable, manifest: Props, product: Product) -> str:
    outcome = next(
        node
        for node in manifest["nodes"].values()
        if (node["name"], node["resource_type"]) == (product.outcome.model, "model")
    )
    declared = meta_of(outcome).get("freshness") if freshness_of(meta_of(outcome), product.outcome.model) else None
    promise = {**(declared or DEFAULT_FRESHNESS), "column": table.fresh}
    group = product.owner if table.of_the_model else group_of(outcome)
    unique = {
        "name": f"one_row_per_{table.key[0] if len(table.key) == 1 else 'key'}",
        "arguments": {"columns": list(table.key)},
    }
    model = {
        "name": f"{product.name}_{table.name}",
        "description": table.description,
        "config": {"schema": product.name, "group": group, "meta": {"freshness": promise}},
        "data_tests": [{"baton.one_row_per": unique}, *(_filled(test, product.name) for test in table.tests)],
    }
    return _yaml({"models": [model]})


def _filled(value: Any, product: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(entry, product) for key, entry in value.items()}
    return value.replace("{product}", product) if isinstance(value, str) else value


def _log_source(product: Product) -> str:
    """The log that Baton writes, as dbt knows it."""
    described = {
        "predictions": "The prediction log, append-only. One row per prediction_id.",
        "prediction_features": "The features each score was computed from. One row per prediction_id.",
    }
    tables = [
        {"name": name, "description": text, "config": {"meta": {"dagster": {"asset_key": [product.name, name]}}}}
        for name, text in described.items()
    ]
    config = {"group": product.owner, "meta": {"freshness": {**DEFAULT_FRESHNESS, "column": "as_of"}}}
    return _yaml({"sources": [{"name": product.name, "schema": product.name, "config": config, "tables": tables}]})


def _yaml(document: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(document, sort_keys=False, width=WIDTH, default_flow_style=False)
