"""What a training reads, how it splits, what it refuses; no MLflow here (see test_registry.py)."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import ml_world
import numpy as np
import pandas as pd
import pytest
from ml_world import cells, sample
from sklearn.linear_model import LogisticRegression

from ml.bootstrap import intervals
from ml.check_result import CheckResult
from ml.errors import AmountError, CandidateError, FeatureTypeError, MatrixError, TooLittleData
from ml.evaluation import ece
from ml.model_checks import MODEL_CHECKS, model_checks
from ml.product import Product
from ml.promotion import decide_challenger, decide_first
from ml.registry import Version
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


METRICS = {
    **dict.fromkeys(("value_lift", "value_lift_per_decision"), 2.0),
    "roc_auc": 0.8,
    "roc_auc_low": 0.75,
    "value_lift_per_decision_high": 4.0,
    "n": 900.0,
    "n_positives": 90.0,
    "ece": 0.02,
    "leak_auc": 0.7,
    "n_constant_columns": 0.0,
    "unseen_share": 0.0,
    **dict.fromkeys(("delta_value_per_decision", "delta_value_per_decision_low", "delta_value_per_decision_high"), 0.5),
}
NOTES = {"test_window": "2026-01-01 to 2026-02-01", "leak_feature": "x", "constant_columns": "", "unseen_feature": ""}


def checked(**changed: float) -> dict[str, CheckResult]:
    results = model_checks(ml_world.product(), {**METRICS, **changed}, NOTES)
    assert tuple(result.name for result in results) == MODEL_CHECKS
    return {result.name: result for result in results}


@pytest.mark.parametrize(
    ("name", "changed", "severity", "says"),
    [
        (
            "beats_base_rate",
            {"value_lift": -1.0, "value_lift_per_decision": -1.0, "value_lift_per_decision_high": -0.1},
            "error",
            "allowed is a lift above 0",
        ),
        (
            "no_worse_than_champion",
            {"delta_value_per_decision": -0.1},
            "warn",
            "-0.1 [0.5, 0.5] USD per decision against the champion",
        ),
        ("calibration_error", {"ece": 0.09}, "warn", "ECE 0.0900; allowed is at most 0.05"),
        (
            "no_single_feature_knows_the_answer",
            {"leak_auc": 0.99},
            "error",
            "x alone has ROC AUC 0.990; allowed is at most 0.95",
        ),
        ("no_constant_columns", {"n_constant_columns": 2.0}, "warn", "2 constant columns"),
        ("few_unseen_categories", {"unseen_share": 0.2}, "warn", "20.00% of validation rows"),
    ],
)
def test_a_failing_model_check_says_number_threshold_and_window(
    name: str, changed: dict[str, float], severity: str, says: str
) -> None:
    assert all(result.passed for result in checked().values())
    failed = checked(**changed)[name]
    assert (failed.passed, failed.status, failed.severity, failed.asset) == (False, "failed", severity, "churn/model")
    assert says in failed.message
    assert "2026-01-01 to 2026-02-01" in failed.message


def test_too_little_data_is_a_passing_warning() -> None:
    for name in ("beats_base_rate", "calibration_error", "no_single_feature_knows_the_answer"):
        result = checked(n_positives=5.0, value_lift=-1, roc_auc_low=0.1, ece=0.5, leak_auc=1.0)[name]
        assert (result.passed, result.severity, result.status) == (True, "warn", "insufficient_data")


def test_a_lift_that_chance_explains_blocks_no_model_that_ranks() -> None:
    """Few dear accounts decide the sum: -1 with an interval up to +3 is no verdict; without a ranking it is one."""
    doubtful = {"value_lift": -1.0, "value_lift_per_decision": -1.0, "value_lift_per_decision_high": 3.0}
    result = checked(**doubtful)["beats_base_rate"]
    assert (result.passed, result.status) == (True, "insufficient_data")
    assert "up to 3 is within chance" in result.message
    assert decide_first(ml_world.product(), {**METRICS, **doubtful}, "x").is_promoted
    guess = {**METRICS, **doubtful, "roc_auc_low": 0.45}
    assert not checked(**{**doubtful, "roc_auc_low": 0.45})["beats_base_rate"].passed
    assert not decide_first(ml_world.product(), guess, "x").is_promoted


def champion(cut: datetime) -> Version:
    return Version(3, "f", "a", cut, cut, None, "", 0.5, "r", 1, {}, "s", True)


@pytest.mark.parametrize(
    ("challenger", "incumbent", "changed", "promoted", "says"),
    [
        (0.1, 2.0, {}, True, "against version 3, margin 0"),
        (2.0, 0.1, {}, False, "against version 3, margin 0"),
        (0.1, 2.0, {"n_positives": 19.0}, False, "too little to judge: 900 matured rows and 19 positives"),
        (0.1, 2.0, {"n": 99.0}, False, "allowed is at least 100 and 20"),
        (0.1, 2.0, {"leak_auc": 0.97}, False, "leak canary: x alone has ROC AUC 0.970"),
    ],
)
def test_a_challenger_must_win_on_the_same_rows(
    challenger: float, incumbent: float, changed: dict[str, float], promoted: bool, says: str
) -> None:

    samples = [
        replace(sample(2000, 0, noise=noise), cells=cells(2000, 10, -10, 0)) for noise in (challenger, incumbent)
    ]
    decision = decide_challenger(
        ml_world.product(), {**METRICS, **changed}, "x", CUT, champion(CUT), (samples[0], samples[1]), 0
    )
    assert (decision.is_promoted, decision.champion_version) == (promoted, 3)
    assert decision.delta_low <= decision.delta <= decision.delta_high
    assert says in decision.reason
    late = champion(CUT + timedelta(days=1))
    older = decide_challenger(ml_world.product(), METRICS, "x", CUT, late, (samples[0], samples[1]), 0)
    assert (older.is_promoted, "older than the champion" in older.reason) == (False, True)


def test_a_margin_must_be_reached() -> None:
    same = (sample(500), sample(500))
    assert decide_challenger(ml_world.product(), METRICS, "x", CUT, champion(CUT), same, 0).is_promoted
    strict = ml_world.product(train={"promote": {"margin": 0.1, "min_matured": 0, "min_positives": 0}})
    assert not decide_challenger(strict, METRICS, "x", CUT, champion(CUT), same, 0).is_promoted


def test_the_first_version_must_beat_doing_without() -> None:
    product = ml_world.product()
    assert decide_first(product, METRICS, "x").is_promoted
    loses = {
        **METRICS, "value_lift": -900.0, "value_lift_per_decision": -1.0, "value_lift_per_decision_high": -0.2
    }  # fmt: skip
    useless = decide_first(product, loses, "x")
    assert not useless.is_promoted
    assert "does not beat the base rate on test: value lift -1 USD per decision" in useless.reason
    assert "ROC AUC 0.800 (at least 0.750); allowed is a lift above 0" in useless.reason
    assert "leak canary" in decide_first(product, {**METRICS, "leak_auc": 0.99}, "x").reason


def test_where_all_cells_are_equal_only_the_ranking_can_beat_doing_without() -> None:
    product = ml_world.product(value={"currency": "USD", "tp": 5, "fp": 5, "fn": 5, "tn": 5})
    no_lift = {**METRICS, "value_lift": 0.0, "value_lift_per_decision": 0.0}
    assert decide_first(product, no_lift, "x").is_promoted
    guessing = decide_first(product, {**no_lift, "roc_auc_low": 0.48}, "x")
    assert (guessing.is_promoted, "allowed is an AUC interval above 0.5" in guessing.reason) == (False, True)
    assert not model_checks(product, {**no_lift, "roc_auc_low": 0.48}, NOTES)[0].passed


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
