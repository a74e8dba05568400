"""`PRODUCT/model`: training, registration and promotion, with what people want to look at on the materialization."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml import clock
from ml.clock import DAY
from ml.product import Product
from orchestration import checks, links, lock, pictures
from orchestration.assets.dbt_models import POOL
from orchestration.assets.specs import python_spec
from orchestration.dbt.columns import COLUMN_SCHEMA, column_schema, table_metadata
from orchestration.dbt.manifest import ManifestFile
from orchestration.dbt.roster import Freshness, Group
from orchestration.run_info import PRODUCT, RunInfo

if TYPE_CHECKING:
    from ml.training import TrainingResult

VERSIONS = dg.AssetKey(["ops", "model_versions"])


def model_asset(product: Product, groups: Mapping[str, Group], file: ManifestFile) -> dg.AssetsDefinition:
    """The training asset of a product that has `train`."""
    from ml.checks import MODEL_CHECKS

    if product.train is None:
        raise ValueError(f"{product.name} has no train: its prediction log comes from elsewhere, it has no model asset")
    cadence = product.train.cadence
    spec = python_spec(
        [product.name, "model"],
        group=product.owner,
        groups=groups,
        description=(
            f"The model of {product.label or product.name}: candidates fitted on time-ordered splits, calibrated, "
            "the best registered in MLflow and promoted by value. One version per training cut."
        ),
        freshness=Freshness(fail_after=2 * cadence, warn_after=cadence + DAY, column=None),
        file=product.path,
        deps=[dg.AssetKey([product.name, "training_set"])],
        kinds=("python", "scikitlearn", "mlflow"),
    )

    @dg.multi_asset(
        name=f"{product.name}_model",
        specs=[spec],
        check_specs=checks.check_specs(spec, MODEL_CHECKS),
        pool=POOL,
        required_resource_keys={"run_info"},
        op_tags={PRODUCT: product.name},
    )
    def train_model(context: dg.AssetExecutionContext) -> Iterator[Any]:
        info: RunInfo = context.resources.run_info
        with lock.retried():
            results, tables = _train(info, product, file)
        newest = results[-1]
        yield dg.MaterializeResult(
            spec.key,
            metadata=_metadata(results) | tables[spec.key],
            data_version=dg.DataVersion(newest.fingerprint),
        )
        context.log_event(dg.AssetMaterialization(VERSIONS, metadata={"product": product.name, **tables[VERSIONS]}))
        yield from checks.to_dagster([check for result in results for check in result.checks], product.owner)

    return train_model


def _train(
    info: RunInfo, product: Product, file: ManifestFile
) -> tuple[list["TrainingResult"], dict[dg.AssetKey, dict[str, Any]]]:
    """The versions, oldest cut first, and how Dagster shows the tables: what was learned from, and the record."""
    from ml.registry import reconcile
    from ml.training import train
    from ml.warehouse import open_warehouse

    tags = {"dagster_run_id": info.run_id, "dbt_manifest_hash": file.key[:16], "product": product.name}
    tags |= links.to_dagster(info.run_id, product.asset("model"))
    with open_warehouse(info.home) as con:
        reconcile(con, product, info.home)
        results = [
            train(con, product, cut=cut, now=info.now, home=info.home, tags=tags)
            for cut in sorted(info.cuts_for(product.name))
        ]
        learned = column_schema(con, product.relation("training_set"), without=product.excluded)
        record = table_metadata(con, "ops.model_versions")
    return results, {dg.AssetKey([product.name, "model"]): {COLUMN_SCHEMA: learned}, VERSIONS: record}


SHOWN = ("roc_auc", "log_loss", "ece", "value_per_decision", "value_lift")


def _metadata(results: list["TrainingResult"]) -> dict[str, Any]:
    """The newest version: what it is, its pictures, the numbers people follow; the rest as tables."""
    newest = results[-1]
    found: dict[str, Any] = {
        "version": newest.version,
        "algorithm": newest.algorithm,
        "is champion": newest.is_champion,
        "reason": newest.reason,
        "MLflow run": dg.MetadataValue.url(links.to_mlflow(newest.mlflow_experiment_id, newest.mlflow_run_id)),
    }
    found |= {f"plot {name}": pictures.markdown(name, path.read_bytes()) for name, path in newest.plots.items()}
    found |= {f"test {name}": newest.metrics[name] for name in SHOWN if isfinite(newest.metrics.get(name, nan))}
    found["all test metrics"] = dg.MetadataValue.md(_metrics(newest.metrics))
    if len(results) > 1:
        found["versions of this run"] = dg.MetadataValue.md(_versions(results))
    found |= {
        "cut": clock.sql(newest.cut),
        "serves from": clock.sql(newest.serves_from) if newest.serves_from else "never",
        "threshold": newest.threshold,
        "dagster/row_count": newest.trained_rows,
        "fingerprint": newest.fingerprint,
        "mlflow_run_id": newest.mlflow_run_id,
    }
    return found | {name: text for name, text in newest.notes.items() if name not in found}


def _metrics(metrics: Mapping[str, float]) -> str:
    """One row per metric with its 95 % interval where it has one."""
    lines = ["| metric | value | 95 % interval |", "|---|---|---|"]
    for name, value in metrics.items():
        if not name.endswith(("_low", "_high")):
            low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
            span = f"{low:.4g} to {high:.4g}" if low is not None and high is not None else ""
            lines.append(f"| {name} | {value:.6g} | {span} |")
    return "\n".join(lines)


def _versions(results: list["TrainingResult"]) -> str:
    lines = ["| version | algorithm | cut | serves from | champion | reason |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r.version} | {r.algorithm} | {r.cut:%Y-%m-%d} | {_day(r.serves_from)} | {r.is_champion} | {r.reason} |"
        for r in results
    ]
    return "\n".join(lines)


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d}" if instant else "never"
