"""The only module that talks to MLflow: a run per training, the registry, the alias. Nothing leaves the machine."""

import fcntl
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

from ml.errors import ModelMissing
from ml.features import Feature
from ml.home import Home
from ml.model import Model
from ml.model_store import untrusted_types

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

ALIAS = "champion"
_FINGERPRINT, _RECORD = "baton.fingerprint", "record.json"
_REQUIRED = ("scikit-learn", "skops", "numpy", "scipy", "pandas")


@dataclass(frozen=True)
class Logged:
    """A registered training: version, run, folder of the model below `mlartifacts/`, and its record."""

    version: int
    run_id: str
    experiment_id: str
    path: str
    record: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Everything one MLflow run shows."""

    fingerprint: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    record: Mapping[str, Any]
    figures: "Mapping[str, Figure]"
    model: Model
    features: tuple[Feature, ...]
    example: "pd.DataFrame"


@contextmanager
def _mlflow(home: Home) -> "Iterator[MlflowClient]":
    """MLflow on this home's database, created under a lock: two processes that create it at once both fail."""
    os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
    import mlflow

    home.ensure()
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    is_set = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
    before = mlflow.get_tracking_uri() if is_set else None
    mlflow.set_tracking_uri(home.mlflow_uri)
    try:
        with warnings.catch_warnings(), open(home.root / "mlflow.lock", "w") as lock:
            # MLflow 3.17 warns about its own use of pandas and type hints; nothing here can change that.
            warnings.filterwarnings("ignore", message=".*(Operation with range|Any type hint)", category=Warning)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield mlflow.MlflowClient()
    finally:
        # MLflow writes what it is told into the environment, for child processes; its default must not stay there.
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None takes back what was set


def find(home: Home, product: str, fingerprint: str) -> Logged | None:
    """The registered version of a fingerprint whose run finished; runs that were killed are marked failed."""
    with _mlflow(home) as client:
        experiment = client.get_experiment_by_name(product)
        if experiment is None:
            return None
        wanted = f"tags.`{_FINGERPRINT}` = '{fingerprint}'"
        for run in client.search_runs([experiment.experiment_id], f"{wanted} and attributes.status = 'RUNNING'"):
            client.set_terminated(run.info.run_id, "FAILED")
        for found in client.search_model_versions(f"name = '{product}'"):
            run = client.get_run(str(found.run_id))
            if found.tags.get(_FINGERPRINT) == fingerprint and run.info.status == "FINISHED":
                return _logged(home, product, int(found.version), run.info, found.tags["baton.path"])
    return None


def _logged(home: Home, product: str, version: int, info: Any, path: str) -> Logged:
    record = home.mlartifacts / product / info.run_id / "artifacts" / _RECORD
    if not record.exists():
        raise ModelMissing(
            f"{record} is gone, though MLflow has run {info.run_id} for version {version} of {product}. Restore "
            f"{home.mlartifacts} from a backup, or delete that version in MLflow, then: baton run"
        )
    return Logged(version, info.run_id, info.experiment_id, path, json.loads(record.read_text()))


def log(home: Home, product: str, run: Run) -> Logged:
    """Log one training and register it. The version is created last, so a version's run is always whole."""
    import mlflow

    with _mlflow(home) as client:
        experiment = client.get_experiment_by_name(product)
        experiment_id = (
            experiment.experiment_id
            if experiment
            else client.create_experiment(product, artifact_location=(home.mlartifacts / product).as_uri())
        )
        tags = {_FINGERPRINT: run.fingerprint, **run.tags}
        with mlflow.start_run(
            experiment_id=experiment_id, run_name=f"{product} {run.fingerprint}", tags=tags
        ) as active:
            mlflow.log_params(dict(run.params))
            mlflow.log_metrics({name: value for name, value in run.metrics.items() if value == value})
            for name, figure in run.figures.items():
                mlflow.log_figure(figure, f"plots/{name}.png")
            mlflow.log_dict(dict(run.record), _RECORD)
            info = _log_model(run)
        path = f"{product}/models/{info.model_id}/artifacts"
        if not client.search_registered_models(f"name = '{product}'"):
            client.create_registered_model(product)
        made = client.create_model_version(
            product,
            source=f"models:/{info.model_id}",
            run_id=active.info.run_id,
            tags={_FINGERPRINT: run.fingerprint, "baton.path": path},
            model_id=info.model_id,
        )
        return _logged(home, product, int(made.version), active.info, path)


def _log_model(run: Run) -> Any:
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    kinds = {"number": "double", "flag": "double", "category": "string"}
    inputs = Schema([ColSpec(kinds[f.kind], f.name, required=not f.has_nulls) for f in run.features])
    return mlflow.sklearn.log_model(
        run.model.estimator,
        name="model",
        signature=ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double")])),
        input_example=run.example,
        serialization_format="skops",
        skops_trusted_types=untrusted_types(run.model.estimator),
        pyfunc_predict_fn="predict_proba",
        # Explicit, because MLflow otherwise spends ten seconds guessing.
        pip_requirements=[f"{name}=={installed(name)}" for name in _REQUIRED],
    )


def set_alias(home: Home, product: str, version: int) -> None:
    """Point the alias `champion` at a version."""
    with _mlflow(home) as client:
        client.set_registered_model_alias(product, ALIAS, str(version))
