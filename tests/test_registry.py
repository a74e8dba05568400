"""What a training leaves behind: one MLflow run, one version, one row; however often it is asked for or killed."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import ml_world
import numpy as np
import pytest

from ml import mlflow_log, promotion
from ml.errors import ModelMissing, NoServingVersion, RegistryOutOfStep, UntrustedModel
from ml.home import Home
from ml.model_store import ALLOWED_TYPES, load
from ml.registry import artifact, by_fingerprint, champion, is_due, reconcile, serving_version, versions
from ml.training import TrainingResult, run, train

CUT = ml_world.CUT
FIRST_CUT = CUT - timedelta(days=56)
TAGS = {"dagster_run_id": "dagster-1", "dbt_manifest_hash": "abc"}
LOGISTIC: dict[str, Any] = {"logistic_regression": {}}
EMAIL = "ann@example.com"
PRODUCT = ml_world.product(train={"candidates": LOGISTIC}, flagged=("email",))


@dataclass(frozen=True)
class Trained:
    con: duckdb.DuckDBPyConnection
    home: Home
    first: TrainingResult

    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.home.mlflow_uri)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """One training at FIRST_CUT, in a home with a space in its path."""
    home = Home(tmp_path_factory.mktemp("registry") / "a home")
    con = ml_world.warehouse()
    con.execute(f"alter table churn.training_set add column email varchar default '{EMAIL}'")
    yield Trained(con, home, train(con, PRODUCT, cut=FIRST_CUT, now=FIRST_CUT, home=home, tags=TAGS))
    con.close()


@pytest.fixture
def con(trained: Trained) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of `trained`; what a test changes is rolled back."""
    trained.con.begin()
    yield trained.con
    trained.con.rollback()


def test_the_mlflow_run_shows_what_people_ask_for(trained: Trained) -> None:
    found = trained.client().get_run(trained.first.mlflow_run_id)
    assert found.info.status == "FINISHED"
    assert found.info.experiment_id == trained.first.mlflow_experiment_id
    assert found.data.params["algorithm"] == "logistic_regression"
    assert found.data.params["estimator.C"] == "1.0"
    assert found.data.params["labels_known_until"] == str(FIRST_CUT)
    for name in ("roc_auc", "roc_auc_low", "roc_auc_high", "value_lift", "ece", "validation_log_loss", "rows_test"):
        assert found.data.metrics[name] == trained.first.metrics[name]
    tags = found.data.tags
    assert tags["baton.dagster_run_id"] == "dagster-1"
    assert tags["baton.dbt_manifest_hash"] == "abc"
    assert tags["baton.fingerprint"] == trained.first.fingerprint
    assert tags["baton.data_window"] == trained.first.notes["data_window"]
    assert len(tags["baton.content_hash"]) == 64


def test_its_address_does_not_stay_in_the_environment(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every child process, also of somebody else, would take it up."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_log.find(trained.home, PRODUCT.name, "nobody has trained this") is None
    assert "MLFLOW_TRACKING_URI" not in os.environ
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    assert mlflow_log.find(trained.home, PRODUCT.name, "nor this") is None
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///elsewhere.db"


def test_plots_are_pictures(trained: Trained) -> None:
    assert list(trained.first.plots) == ["roc", "precision_recall", "reliability", "value", "importance"]
    for path in trained.first.plots.values():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 5000


def test_the_stored_model_has_signature_example_and_requirements_without_pii(trained: Trained) -> None:
    folder = trained.home.mlartifacts / artifact(trained.con, PRODUCT, 1)["path"]
    example = json.loads((folder / "input_example.json").read_text())
    assert example["columns"] == ["plan", "actions_7d", "tickets_28d", "is_annual"]
    written = "".join(path.read_text(errors="replace") for path in folder.glob("*.json"))
    assert "A00001" not in written
    mlmodel = (folder / "MLmodel").read_text()
    assert "serialization_format: skops" in mlmodel
    assert '"name": "tickets_28d"' in mlmodel
    assert "scikit-learn==" in (folder / "requirements.txt").read_text()


def test_pii_that_is_flagged_in_a_source_alone_reaches_neither_model_nor_reference(trained: Trained) -> None:
    assert trained.con.execute("select count(*) from churn.training_set where email = ?", [EMAIL]).fetchall() > [(0,)]
    features = trained.con.execute("select distinct feature from ops.model_reference").fetchall()
    assert "actions_7d" in {row[0] for row in features}
    assert "email" not in {row[0] for row in features}
    dumped = trained.con.execute("select string_agg(r::varchar) from ops.model_reference r").fetchall()[0][0]
    written = [path.read_bytes() for path in trained.home.root.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert EMAIL not in dumped
    assert not any(EMAIL.encode() in content for content in written)


def test_mlflow_itself_loads_the_model_and_agrees(trained: Trained) -> None:
    import mlflow.sklearn

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(trained.home.mlflow_uri)
    try:
        theirs = mlflow.sklearn.load_model("models:/churn@champion")
    finally:
        mlflow.set_tracking_uri(before)
    ours = load(trained.home, artifact(trained.con, PRODUCT, 1)["path"])
    import pandas as pd

    row = pd.DataFrame({"plan": ["pro"], "actions_7d": [np.nan], "tickets_28d": [30.0], "is_annual": [1.0]})
    assert ours.scores(row).score[0] == pytest.approx(theirs.predict_proba(row)[0, 1])


def test_the_warehouse_records_the_version(trained: Trained) -> None:
    (only,) = versions(trained.con, PRODUCT)
    first = trained.first
    assert (first.version, first.created, first.promoted, first.is_champion) == (1, True, True, True)
    assert (only.version, only.fingerprint, only.mlflow_run_id) == (1, first.fingerprint, first.mlflow_run_id)
    assert (only.labels_known_until, only.serves_from, only.serves_to) == (FIRST_CUT, FIRST_CUT, None)
    assert only.metrics["roc_auc"] == first.metrics["roc_auc"]
    assert only.notes["split"].startswith("time: ")
    assert only.trained_rows == first.metrics["rows_train"]
    assert [check.name for check in first.checks if not check.passed] == []
    (decided,) = trained.con.execute(
        "select version, is_promoted, reason, dagster_run_id from ops.promotions"
    ).fetchall()
    assert decided == (1, True, first.reason, "dagster-1")


def test_the_reference_adds_up_per_feature(trained: Trained) -> None:
    shares = trained.con.execute(
        "select feature, kind, sum(n), sum(share) from ops.model_reference where kind in ('quantile', 'category') "
        "group by all order by all"
    ).fetchall()
    n = trained.con.execute(
        "select count(*) from churn.training_set where label_known_at <= ?", [FIRST_CUT]
    ).fetchall()[0][0]
    held_out = trained.first.metrics["rows_validation"] + trained.first.metrics["rows_test"]
    assert [row[:3] for row in shares] == [
        ("actions_7d", "quantile", n),
        ("is_annual", "quantile", n),
        ("plan", "category", n),
        ("raw_score", "quantile", held_out),
        ("score", "quantile", held_out),
        ("tickets_28d", "quantile", n),
    ]
    assert [row[3] for row in shares] == pytest.approx([1.0] * 6)


def test_fine_bins_are_where_sql_puts_the_rows(trained: Trained) -> None:
    differ = trained.con.execute(
        """
        with ref as (select * from ops.model_reference where feature = 'actions_7d' and kind = 'fine'),
        scale as (
            select max(lower) filter (bin = 0) as low, max(upper) filter (bin = 4095) as high,
                high / 4096 - low / 4096 as width
            from ref),
        rows as (
            select
                case when actions_7d < low then -1 when actions_7d > high then 4096
                    else least(floor((actions_7d - low) / width), 4095)::integer end as bin,
                count(*) as n, avg(actions_7d) as mean
            from churn.training_set, scale where label_known_at <= ? and actions_7d is not null group by 1)
        select count(*) from ref full join rows using (bin)
        where coalesce(ref.n, 0) <> coalesce(rows.n, 0) or abs(ref.value - rows.mean) > 1e-9
        """,
        [FIRST_CUT],
    ).fetchall()
    assert differ == [(0,)]


def test_the_same_training_again_changes_nothing(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_train", lambda *_, **__: pytest.fail("trained again"))
    again = train(trained.con, PRODUCT, cut=FIRST_CUT, now=CUT, home=trained.home, tags={})
    assert replace(again, metrics={}) == replace(trained.first, metrics={}, created=False)
    assert again.metrics == pytest.approx(trained.first.metrics, rel=0, abs=0, nan_ok=True)
    assert len(trained.client().search_runs([trained.first.mlflow_experiment_id])) == 1


def test_a_training_killed_at_any_step_ends_as_the_same_version(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the registry, before the warehouse row, before the alias; then left alone.

    And a second home has the same metrics to the last digit, from the same data and seed.
    """
    home, con = Home(tmp_path), ml_world.warehouse()

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    def attempt() -> TrainingResult:
        return train(con, PRODUCT, cut=FIRST_CUT, now=FIRST_CUT, home=home, tags=TAGS)

    for module, name in ((mlflow_log, "_log_model"), (run, "record"), (run, "reconcile")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, die)
            with pytest.raises(Killed):
                attempt()
    client = replace(trained, home=home).client()
    assert by_fingerprint(con, PRODUCT, trained.first.fingerprint) is not None
    result = attempt()
    assert (result.version, result.created) == (1, False)
    assert result.metrics == pytest.approx(trained.first.metrics, rel=0, abs=0, nan_ok=True)
    assert result.threshold == trained.first.threshold
    assert client.get_model_version_by_alias("churn", "champion").version == 1
    assert [str(v.version) for v in client.search_model_versions("name = 'churn'")] == ["1"]
    statuses = sorted(found.info.status for found in client.search_runs([result.mlflow_experiment_id]))
    assert statuses == ["FAILED", "FINISHED"]
    assert con.execute("select count(*) from ops.promotions").fetchall() == [(1,)]


def test_a_run_left_running_by_a_kill_is_marked_failed(trained: Trained) -> None:
    client = trained.client()
    left = client.create_run(trained.first.mlflow_experiment_id, tags={"baton.fingerprint": "dead"})
    assert mlflow_log.find(trained.home, "churn", "dead") is None
    assert client.get_run(left.info.run_id).info.status == "FAILED"
    client.delete_run(left.info.run_id)


def test_a_later_version_takes_over_after_the_last_scored_day(trained: Trained) -> None:
    """A challenger on later data, promoted on the same test rows; and a third that does not reach its margin."""
    home, con = trained.home, trained.con.cursor()
    con.begin()
    con.execute(
        "insert into churn.predictions (prediction_id, as_of, role) values (uuid(), ?, 'champion')",
        [CUT + timedelta(days=2)],
    )
    con.commit()
    lenient = ml_world.product(
        train={"candidates": LOGISTIC, "promote": {"margin": -10, "min_matured": 0, "min_positives": 0}}
    )
    second = train(con, lenient, cut=CUT, now=CUT, home=home, tags=TAGS)
    takes_over = CUT + timedelta(days=3)
    assert (second.version, second.promoted, second.serves_from) == (2, True, takes_over)
    first, newer = versions(con, PRODUCT)
    assert (first.serves_to, first.is_champion, newer.is_champion) == (takes_over, False, True)
    assert serving_version(con, PRODUCT, takes_over - timedelta(days=1)).version == 1
    assert serving_version(con, PRODUCT, takes_over).version == 2
    assert second.metrics["delta_value_per_decision_low"] <= second.metrics["delta_value_per_decision"]
    assert "against version 1" in second.reason

    strict = ml_world.product(train={"candidates": {"logistic_regression": {"C": 0.0001}}, "promote": {"margin": 50}})
    third = train(con, strict, cut=CUT, now=CUT, home=home, tags=TAGS)
    assert (third.version, third.promoted, third.serves_from) == (3, False, None)
    assert {c.name for c in third.checks if not c.passed} >= {"no_worse_than_champion"}
    assert champion(con, PRODUCT).version == 2  # type: ignore[union-attr]

    client = trained.client()
    assert client.get_model_version_by_alias("churn", "champion").version == 2
    client.set_registered_model_alias("churn", "champion", "1")
    (home.mlartifacts / "churn" / "champion").unlink()
    assert reconcile(con, PRODUCT, home) == 2
    assert client.get_model_version_by_alias("churn", "champion").version == 2


def test_a_number_mlflow_gives_twice_is_refused(trained: Trained) -> None:
    """As after throwing mlflow.db away and keeping the warehouse."""
    known = versions(trained.con, PRODUCT)[0]
    logged = mlflow_log.Logged(known.version, "run", "1", "path", {})
    with pytest.raises(RegistryOutOfStep, match=r"registered churn version 1, and ops\.model_versions has that number"):
        run._check_number_is_free(trained.con, PRODUCT, logged)


def test_a_champion_that_lost_its_columns_is_replaced(trained: Trained) -> None:
    lacking = promotion.replace_unusable(versions(trained.con, PRODUCT)[0], ["gone"])
    assert (lacking.is_promoted, "wants columns that are gone: gone" in lacking.reason) == (True, True)


def test_nobody_serves_before_the_first_cut(trained: Trained) -> None:
    early = FIRST_CUT - timedelta(days=1)
    with pytest.raises(NoServingVersion, match=f"no version of churn serves as_of {early}: version 1 serves from"):
        serving_version(trained.con, PRODUCT, early)


def test_a_version_never_serves_before_what_its_training_knew(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update ops.model_versions set serves_from = '2020-01-01', serves_to = null where version = 1")
    with pytest.raises(NoServingVersion):
        serving_version(con, PRODUCT, FIRST_CUT - timedelta(days=1))
    assert serving_version(con, PRODUCT, FIRST_CUT).version == 1


def test_training_is_due_after_a_cadence(trained: Trained) -> None:
    newest = versions(trained.con, PRODUCT)[-1].labels_known_until
    assert not is_due(trained.con, PRODUCT, newest + timedelta(days=6, hours=23))
    assert is_due(trained.con, PRODUCT, newest + timedelta(days=7))
    assert is_due(ml_world.warehouse(accounts=1, weeks=1), PRODUCT, newest)


def test_a_model_with_a_type_off_the_list_is_refused_by_name(trained: Trained, tmp_path: Path) -> None:
    source = trained.home.mlartifacts / artifact(trained.con, PRODUCT, 1)["path"]
    home = Home(tmp_path)
    folder = home.mlartifacts / "evil"
    folder.mkdir(parents=True)
    (folder / "model.skops").write_bytes((source / "model.skops").read_bytes())
    listed = (source / "MLmodel").read_text()
    (folder / "MLmodel").write_text(listed.replace("    - numpy.dtype\n", "    - numpy.dtype\n    - os.system\n"))
    with pytest.raises(UntrustedModel, match=r"wants to load os\.system; allowed is numpy\.dtype"):
        load(home, "evil")


def test_what_the_file_holds_counts_not_what_its_list_says(tmp_path: Path) -> None:
    import skops.io

    folder = Home(tmp_path).mlartifacts / "evil"
    folder.mkdir(parents=True)
    skops.io.dump({"run": __import__("subprocess").check_output}, folder / "model.skops")
    (folder / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.skops, skops_trusted_types: []}}")
    with pytest.raises(UntrustedModel, match="subprocess"):
        load(Home(tmp_path), "evil")
    (folder / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}")
    with pytest.raises(UntrustedModel, match=r"no \.skops file"):
        load(Home(tmp_path), "evil")
    assert not any(name.startswith(("builtins", "os", "subprocess", "functools")) for name in ALLOWED_TYPES)


def test_a_missing_artifact_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"holds no model, though ops\.model_versions names it"):
        load(Home(tmp_path), "churn/models/m-1/artifacts")
