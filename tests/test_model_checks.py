"""Checks of a trained version, and whether it is promoted: numbers in, verdict and sentence out."""

from dataclasses import replace
from datetime import datetime, timedelta

import ml_world
import pytest
from ml_world import cells, sample

from ml.check_result import CheckResult
from ml.model_checks import MODEL_CHECKS, model_checks
from ml.promotion import decide_challenger, decide_first
from ml.registry import Version

CUT = ml_world.CUT

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
