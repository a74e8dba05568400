"""What a training reads, how it splits, what it refuses; no MLflow here (see test_registry.py)."""

import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import ml_world
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ml.bootstrap import intervals
from ml.errors import AmountError, CandidateError, FeatureNameError, FeatureTypeError, MatrixError, TooLittleData
from ml.evaluation import ece
from ml.product import Product
from ml.training.calibration import calibrate
from ml.training.candidates import Candidate, fit, pick, sample_of, with_intervals
from ml.training.data import Content, Data, inspect, read
from ml.training.experiment import git_commit
from ml.training.matrix import examine, strongest_single_feature
from ml.training.split import Parts, split

CUT = ml_world.CUT


@pytest.fixture(scope="module")
def world() -> Iterator[duckdb.DuckDBPyConnection]:
    con = ml_world.warehouse()
    yield con
    con.close()


@pytest.fixture
def con(world: duckdb.DuckDBPyConnection) -> Any:
    """The shared warehouse; whatever a test changes is rolled back."""
    world.begin()
    yield world
    world.rollback()


def load(con: duckdb.DuckDBPyConnection, product: Product, cut: datetime = CUT) -> tuple[Content, Data]:
    content = inspect(con, product, cut, 0)
    return content, read(con, product, content, cut)


def fitted(con: duckdb.DuckDBPyConnection, name: str, seed: int = 0) -> tuple[Candidate, Data, Parts]:
    product = ml_world.product()
    content, data = load(con, product)
    parts = split(data, product)
    return fit(name, product, content, data, parts, seed), data, parts


def test_features_are_what_is_not_key_time_label_amount_or_pii(con: duckdb.DuckDBPyConnection) -> None:
    columns = {
        name: {} for name in ("account_id", "plan", "actions_7d", "tickets_28d", "is_annual", "saved_usd", "email")
    }
    columns["email"] = {"meta": {"pii": True}}
    con.execute("alter table churn.training_set add column email varchar default 'a@example.com'")
    content, data = load(con, ml_world.product(columns))
    assert [(f.name, f.kind, f.has_nulls) for f in content.features] == [
        ("plan", "category", False),
        ("actions_7d", "number", True),
        ("tickets_28d", "number", False),
        ("is_annual", "flag", False),
    ]
    assert list(data.frame.columns) == ["plan", "actions_7d", "tickets_28d", "is_annual"]
    assert (
        data.cells.tp[:2].tolist()
        == con.execute("select saved_usd from churn.training_set order by as_of, account_id limit 2")
        .df()["saved_usd"]
        .tolist()
    )


def test_training_sees_no_label_known_after_the_cut(con: duckdb.DuckDBPyConnection) -> None:
    cut = ml_world.START + timedelta(days=7 * 20 + 32)
    _, data = load(con, ml_world.product(), cut)
    assert data.as_of.max() == np.datetime64(cut - timedelta(days=32))
    assert len(data.outcome) == 21 * 300


def test_split_by_time_leaves_a_gap_in_which_labels_mature(con: duckdb.DuckDBPyConnection) -> None:
    product = ml_world.product()
    _, data = load(con, product)
    parts = split(data, product)
    assert parts.kind == "time"
    assert parts.note.startswith("time: train 2026-01-05 to ")
    gap = np.timedelta64(product.gap)
    assert data.as_of[parts.train].max() + gap <= data.as_of[parts.validation].min()
    assert data.as_of[parts.validation].max() + gap <= data.as_of[parts.test].min()
    assert data.as_of[parts.test].max() == data.as_of.max()
    assert not (parts.train & parts.validation | parts.validation & parts.test | parts.train & parts.test).any()


def test_short_history_is_split_by_entity_and_says_so(con: duckdb.DuckDBPyConnection) -> None:
    product = ml_world.product()
    _, data = load(con, product, ml_world.START + timedelta(days=7 * 8 + 32))
    parts = split(data, product)
    assert parts.kind == "entity"
    assert parts.note.startswith("entity folds: 56 days of history are too short for 124 days")
    assert (parts.train | parts.validation | parts.test).all()
    sets = [set(data.entity[mask]) for mask in (parts.train, parts.validation, parts.test)]
    assert not sets[0] & sets[1]
    assert not (sets[0] | sets[1]) & sets[2]


def test_too_little_data_says_the_counts() -> None:
    con = ml_world.warehouse(accounts=20, weeks=2)
    product = ml_world.product()
    with pytest.raises(
        TooLittleData, match=r"40 rows with .* are too few for churn: .*positives and .*negatives; allowed is"
    ):
        split(load(con, product)[1], product)
    with pytest.raises(TooLittleData, match="no row with label_known_at <= 2025-01-01"):
        inspect(con, product, datetime(2025, 1, 1), 0)
    con.execute("update churn.training_set set outcome_label = 2 where account_id = 'A00001'")
    with pytest.raises(TooLittleData, match="neither 0 nor 1 in 2 of 40 rows"):
        inspect(con, product, CUT, 0)
    con.execute("alter table churn.training_set drop column label_known_at")
    with pytest.raises(TooLittleData, match="lacks label_known_at"):
        inspect(con, product, CUT, 0)
    con.execute("drop table churn.training_set")
    with pytest.raises(TooLittleData, match="dbt build --select churn_training_set"):
        inspect(con, product, CUT, 0)


@pytest.mark.parametrize(
    ("kind", "way_out"),
    [
        ("timestamp", "days between it and as_of"),
        ("date", "days between it"),
        ("integer[]", "take it apart"),
        ("blob", "take it"),
    ],
)
def test_a_type_without_encoding_is_refused(con: duckdb.DuckDBPyConnection, kind: str, way_out: str) -> None:
    con.execute(f"alter table churn.training_set add column odd {kind}")
    with pytest.raises(
        FeatureTypeError, match=f"feature odd of churn_training_set is .*; allowed is a number.*{way_out}"
    ):
        inspect(con, ml_world.product(), CUT, 0)


@pytest.mark.parametrize("name", ["score", "Score", "prediction_id"])
def test_a_feature_named_as_what_monitoring_keeps_is_refused(con: duckdb.DuckDBPyConnection, name: str) -> None:
    con.execute(f"alter table churn.training_set add column {name} double")
    with pytest.raises(FeatureNameError, match=f"feature {name} of churn_training_set: .*Rename the column"):
        inspect(con, ml_world.product(), CUT, 0)


@pytest.mark.parametrize("kind", ["hugeint", "decimal(18, 4)", "utinyint", "float"])
def test_every_number_type_becomes_a_double(con: duckdb.DuckDBPyConnection, kind: str) -> None:
    con.execute(f"alter table churn.training_set add column amount {kind} default 3")
    _, data = load(con, ml_world.product())
    assert data.frame["amount"].dtype == np.float64
    assert set(data.frame["amount"]) == {3.0}


def test_infinite_numbers_are_refused_with_their_column(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update churn.training_set set actions_7d = 'inf' where account_id = 'A00007'")
    with pytest.raises(MatrixError, match="actions_7d in 38 of 11400 rows"):
        load(con, ml_world.product())


def test_an_amount_must_be_there_and_known(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(AmountError, match="value names lost_usd"):
        inspect(con, ml_world.product(value={**ml_world.PARAMETERS["value"], "fn": "lost_usd"}), CUT, 0)
    con.execute("update churn.training_set set saved_usd = null where account_id = 'A00001'")
    with pytest.raises(AmountError, match="saved_usd is null or infinite in 38 of 11400 rows"):
        load(con, ml_world.product())


def test_an_unknown_estimator_parameter_lists_the_known(con: duckdb.DuckDBPyConnection) -> None:
    product = ml_world.product(train={"candidates": {"logistic_regression": {"depth": 3}}})
    content, data = load(con, product)
    with pytest.raises(CandidateError, match="logistic_regression: found depth; allowed is C, class_weight"):
        fit("logistic_regression", product, content, data, split(data, product), 0)


def test_fingerprint_is_of_content_parameters_seed_and_cut(con: duckdb.DuckDBPyConnection) -> None:
    product = ml_world.product()
    base = inspect(con, product, CUT, 0).fingerprint
    assert inspect(con, ml_world.product(monitor={"drift": {"k": 1}}), CUT, 0).fingerprint == base
    assert inspect(con, product, CUT, 1).fingerprint != base
    assert inspect(con, product, CUT + timedelta(days=1), 0).fingerprint != base
    assert (
        inspect(con, ml_world.product(holdout=0.1, value={**product.value.__dict__, "fp": -1}), CUT, 0).fingerprint
        != base
    )
    con.execute("create or replace table churn.training_set as from churn.training_set order by hash(account_id)")
    assert inspect(con, product, CUT, 0).fingerprint == base
    con.execute("update churn.training_set set actions_7d = null where account_id = 'A00001' and as_of = '2026-01-05'")
    assert inspect(con, product, CUT, 0).fingerprint != base


@pytest.mark.parametrize("name", ["logistic_regression", "hist_gradient_boosting"])
def test_same_data_and_seed_give_the_same_metrics_to_the_last_digit(con: duckdb.DuckDBPyConnection, name: str) -> None:
    first, data, parts = fitted(con, name)
    second, _, _ = fitted(con, name)
    assert first.validation == second.validation
    assert first.threshold == second.threshold
    tests = [with_intervals(sample_of(c.model, c.threshold, data, parts.test), 0) for c in (first, second)]
    assert tests[0] == tests[1]
    assert tests[0]["roc_auc_low"] < tests[0]["roc_auc"] < tests[0]["roc_auc_high"]
    assert 0.7 < tests[0]["roc_auc"] < 0.95


def test_the_candidate_is_picked_by_the_products_metric(con: duckdb.DuckDBPyConnection) -> None:
    logistic, _, _ = fitted(con, "logistic_regression")
    worse = Candidate(
        "a",
        logistic.model,
        0.5,
        logistic.calibration,
        logistic.matrix,
        {**logistic.validation, "log_loss": 0.1, "roc_auc": 0.1},
    )
    assert pick([worse, logistic], "roc_auc") is logistic
    assert pick([worse, logistic], "log_loss") is worse


def test_unseen_and_missing_categories_and_numbers_are_scored(con: duckdb.DuckDBPyConnection) -> None:
    for name in ("logistic_regression", "hist_gradient_boosting"):
        candidate, data, _ = fitted(con, name)
        rows = data.frame.head(4).copy()
        rows["plan"] = ["new", None, "basic", "pro"]
        rows.loc[2:3, ["actions_7d", "tickets_28d"]] = np.nan
        scores = candidate.model.scores(rows)
        assert np.isfinite(scores.score).all()
        assert np.isfinite(scores.raw).all()


def test_scores_equal_scikit_learns_own(con: duckdb.DuckDBPyConnection) -> None:
    for name in ("logistic_regression", "hist_gradient_boosting"):
        candidate, data, parts = fitted(con, name)
        rows = data.frame[parts.test]
        scores = candidate.model.scores(rows)
        assert scores.raw == pytest.approx(candidate.model.pipeline.predict_proba(rows)[:, 1], abs=1e-12)
        assert scores.score == pytest.approx(candidate.model.estimator.predict_proba(rows)[:, 1], abs=1e-12)


@pytest.mark.parametrize(("slope", "helps"), [(3.0, True), (1.0, False)])
def test_calibration_is_kept_only_where_it_helps(slope: float, helps: bool) -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(-1, 1, 6000)
    outcome = (rng.random(6000) < 1 / (1 + np.exp(-truth))).astype(np.int8)
    overconfident = LogisticRegression()
    overconfident.coef_, overconfident.intercept_ = np.array([[slope]]), np.zeros(1)
    overconfident.classes_ = np.array([0, 1])
    rows: Any = truth.reshape(-1, 1)
    model, calibration = calibrate(overconfident, rows, outcome, np.arange(6000) % 5)
    assert (calibration.method != "none") == helps
    assert calibration.ece_calibrated <= calibration.ece_raw
    if helps:
        assert calibration.ece_calibrated < calibration.ece_raw / 2
        assert ece(outcome, model.scores(rows).score) < calibration.ece_raw / 2


def test_matrix_reports_constant_columns_and_unseen_categories(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("alter table churn.training_set add column always integer default 7")
    con.execute("update churn.training_set set plan = 'gold' where as_of > '2026-06-28' and plan = 'pro'")
    candidate, data, parts = fitted(con, "hist_gradient_boosting")
    assert candidate.matrix.constant == ("numbers__always",)
    assert candidate.matrix.unseen_feature == "plan"
    assert candidate.matrix.unseen_share == pytest.approx(1 / 3, abs=0.01)
    assert examine(candidate.model.pipeline, data.frame[parts.train], data.frame[parts.train]).unseen_share == 0.0


LEAKS = {
    "number": "outcome_label * 3 + hash(account_id) % 2",
    "falling number": "-outcome_label::double",
    "only missing when it happened": "case when outcome_label = 0 then hash(account_id) % 9 end",
    "text": "case when outcome_label = 1 then 'cancelled' else 'open' end",
    "flag": "outcome_label = 1",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_canary_finds_a_feature_that_knows_the_answer(con: duckdb.DuckDBPyConnection, leak: str) -> None:
    con.execute(
        f"create or replace table churn.training_set as select *, {LEAKS[leak]} as leaky from churn.training_set"
    )
    product = ml_world.product()
    _, data = load(con, product)
    parts = split(data, product)
    args = [(data.frame[mask], data.outcome[mask]) for mask in (parts.train, parts.validation)]
    feature, auc = strongest_single_feature(*args[0], *args[1])
    assert feature == "leaky"
    assert auc > 0.95


def test_canary_is_silent_on_clean_data() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        outcome = (rng.random(600) < 0.15).astype(np.int8)
        frame = pd.DataFrame(
            {
                "number": outcome * 0.5 + rng.normal(size=600),
                "gaps": np.where(rng.random(600) < 0.3, np.nan, rng.normal(size=600)),
                "text": pd.Series(rng.choice(list("abcdefghij"), 600), dtype=object),
            }
        )
        _, auc = strongest_single_feature(frame[:300], outcome[:300], frame[300:], outcome[300:])
        assert auc < 0.95


def test_the_commit_is_of_the_repository_that_holds_the_code_and_says_what_it_lacks(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        done = subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    code = tmp_path / "ml" / "train.py"
    code.parent.mkdir()
    code.write_text("1")
    assert git_commit(code) is None
    git("init", "-q")
    assert git_commit(code) is None  # installed inside a repository that does not hold it
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert git_commit(code) == git("rev-parse", "HEAD")
    (tmp_path / "model.sql").write_text("select 1")
    assert git_commit(code) == git("rev-parse", "HEAD") + "-dirty"
    git("add", ".")
    git("commit", "-q", "-m", "second")
    code.write_text("2")
    assert git_commit(code) == git("rev-parse", "HEAD") + "-dirty"


def test_intervals_of_the_test_rows_draw_entities(con: duckdb.DuckDBPyConnection) -> None:
    candidate, data, parts = fitted(con, "logistic_regression")
    test = sample_of(candidate.model, candidate.threshold, data, parts.test)
    assert len(np.unique(test.entity)) == 300
    assert intervals(test, 0)["accuracy"][0] == with_intervals(test, 0)["accuracy_low"]
