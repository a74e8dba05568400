"""What a training hands to whoever asked for it, the same whether it ran now or long ago."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ml.checks import CheckResult, model_checks
from ml.home import Home
from ml.product import Product
from ml.registry import Version, artifact
from ml.training.plots import PLOTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class TrainingResult:
    """A registered version. `metrics` are of test rows (`validation_*` of validation rows), NaN where undefined."""

    product: str
    version: int
    fingerprint: str
    algorithm: str
    created: bool
    promoted: bool
    is_champion: bool
    reason: str
    cut: datetime
    serves_from: datetime | None
    serves_to: datetime | None
    threshold: float
    trained_rows: int
    metrics: dict[str, float]
    notes: dict[str, str]
    mlflow_run_id: str
    mlflow_experiment_id: str
    plots: dict[str, Path]
    checks: tuple[CheckResult, ...]


def result_of(
    con: "DuckDBPyConnection", product: Product, home: Home, version: Version, created: bool
) -> TrainingResult:
    """The result of a version that stands in `ops.model_versions`."""
    plots = home.mlartifacts / product.name / version.mlflow_run_id / "artifacts" / "plots"
    return TrainingResult(
        product=product.name,
        version=version.version,
        fingerprint=version.fingerprint,
        algorithm=version.algorithm,
        created=created,
        promoted=version.serves_from is not None,
        is_champion=version.is_champion,
        reason=version.reason,
        cut=version.labels_known_until,
        serves_from=version.serves_from,
        serves_to=version.serves_to,
        threshold=version.threshold,
        trained_rows=version.trained_rows,
        metrics=version.metrics,
        notes=version.notes,
        mlflow_run_id=version.mlflow_run_id,
        mlflow_experiment_id=str(artifact(con, product, version.version)["experiment_id"]),
        plots={name: plots / f"{name}.png" for name in PLOTS},
        checks=model_checks(product, version.metrics, version.notes),
    )
