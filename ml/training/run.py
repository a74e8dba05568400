"""`train`: the same content gives the same version, however often and wherever it was interrupted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml import mlflow_log, reference
from ml.errors import MissingFeature, RegistryOutOfStep
from ml.home import Home
from ml.mlflow_log import Logged
from ml.model import Model
from ml.model_store import load
from ml.ops_tables import ensure_ops, ensure_product_log
from ml.product import Product
from ml.promotion import Decision, decide_challenger, decide_first, first_day_to_serve, record, replace_unusable
from ml.registry import Version, artifact, by_fingerprint, champion, reconcile, versions
from ml.training import experiment
from ml.training.candidates import sample_of
from ml.training.data import Content, Data, inspect, read
from ml.training.result import TrainingResult, result_of
from ml.training.split import Parts, split
from ml.warehouse import transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def train(
    con: "DuckDBPyConnection",
    product: Product,
    *,
    cut: datetime,
    now: datetime,
    home: Home,
    tags: Mapping[str, str],
    seed: int = 0,
) -> TrainingResult:
    """Train on rows with label_known_at <= `cut`, register in MLflow and decide whether the version serves.

    `cut` is also the first as_of the version may serve. `tags` go to the MLflow run (`dagster_run_id`,
    `dbt_manifest_hash`). A fingerprint that is registered already is returned with `created=False` and nothing runs.
    The warehouse row is written last, in one transaction: dying before it and calling again completes the same version.
    Raises TooLittleData, FeatureTypeError, AmountError, MatrixError, CandidateError.
    """
    if product.train is None:
        raise MissingFeature(f"{product.path}, product {product.name}: no field train, so there is nothing to train")
    ensure_ops(con)
    ensure_product_log(con, product)
    content = inspect(con, product, cut, seed)
    known = by_fingerprint(con, product, content.fingerprint)
    if known is None:
        # One thread: sums over several depend on how many there are, and on a busy machine they wait for each other.
        with threadpool_limits(limits=1):
            _train(con, product, content, cut=cut, now=now, home=home, tags=tags, seed=seed)
    reconcile(con, product, home)
    version = by_fingerprint(con, product, content.fingerprint)
    assert version is not None
    return result_of(con, product, home, version, created=known is None)


def _train(
    con: "DuckDBPyConnection",
    product: Product,
    content: Content,
    *,
    cut: datetime,
    now: datetime,
    home: Home,
    tags: Mapping[str, str],
    seed: int,
) -> None:
    data = read(con, product, content, cut)
    parts = split(data, product)
    logged = mlflow_log.find(home, product.name, content.fingerprint) or experiment.run(
        product, content, data, parts, cut=cut, home=home, tags=tags, seed=seed
    )
    _check_number_is_free(con, product, logged)
    # From the store, not from memory: what was judged is what will serve.
    model = load(home, logged.path)
    decision = _decide(con, product, logged, model, data, parts, cut=cut, home=home, seed=seed)
    if decision.is_promoted:
        decision = replace(decision, serves_from=first_day_to_serve(con, product, cut))
    held_out = data.frame[parts.validation | parts.test]
    rows = [
        *reference.rows(data.frame, content.features, held_out, model),
        reference.artifact_row(logged.path, logged.experiment_id, content.features),
    ]
    version = _version(product, content, logged, decision, cut)
    with transaction(con):
        reference.write(con, product.name, version.version, version.fingerprint, rows)
        record(con, product, version, decision, now, tags.get("dagster_run_id"))


def _check_number_is_free(con: "DuckDBPyConnection", product: Product, logged: Logged) -> None:
    taken = next((v for v in versions(con, product) if v.version == logged.version), None)
    if taken is not None:
        raise RegistryOutOfStep(
            f"MLflow registered {product.name} version {logged.version}, and ops.model_versions has that number for "
            f"fingerprint {taken.fingerprint}: one of mlflow.db and warehouse.duckdb was replaced. Restore both from "
            "one backup, or delete the product's rows from ops.model_versions, then: baton run"
        )


def _decide(
    con: "DuckDBPyConnection",
    product: Product,
    logged: Logged,
    model: Model,
    data: Data,
    parts: Parts,
    *,
    cut: datetime,
    home: Home,
    seed: int,
) -> Decision:
    """Against the champion on the same test rows, or against doing without where there is none."""
    metrics = {name: float("nan") if v is None else v for name, v in logged.record["metrics"].items()}
    leak_feature = logged.record["notes"]["leak_feature"]
    serving = champion(con, product)
    if serving is None:
        return decide_first(product, metrics, leak_feature)
    stored = artifact(con, product, serving.version)
    wanted = [feature["name"] for feature in stored["features"]]
    lacking = [name for name in wanted if name not in data.frame.columns]
    if lacking:
        return replace_unusable(serving, lacking)
    theirs = load(home, stored["path"])
    samples = (
        sample_of(model, logged.record["threshold"], data, parts.test),
        sample_of(theirs, serving.threshold, replace(data, frame=data.frame[wanted]), parts.test),
    )
    return decide_challenger(product, metrics, leak_feature, cut, serving, samples, seed)


def _version(product: Product, content: Content, logged: Logged, decision: Decision, cut: datetime) -> Version:
    delta = {
        "delta_value_per_decision": decision.delta,
        "delta_value_per_decision_low": decision.delta_low,
        "delta_value_per_decision_high": decision.delta_high,
    }
    against = {name: None if value != value else value for name, value in delta.items()}
    return Version(
        version=logged.version,
        fingerprint=content.fingerprint,
        algorithm=logged.record["algorithm"],
        labels_known_until=cut,
        serves_from=decision.serves_from,
        serves_to=None,
        reason=decision.reason,
        threshold=logged.record["threshold"],
        mlflow_run_id=logged.run_id,
        trained_rows=int(logged.record["metrics"]["rows_train"]),
        recorded={**logged.record["metrics"], **against, "notes": logged.record["notes"]},
        spec_hash=product.spec_hash,
        is_champion=decision.is_promoted,
    )
