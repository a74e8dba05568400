"""Every number of a performance row against scikit-learn, scipy and statsmodels, on random and on ugly data."""

import math
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from macro_harness import MacroHarness
from scipy.stats import binomtest, ks_2samp
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

WINDOW_END = datetime(2025, 3, 30)
PRODUCTS = {
    "churn": {
        "entity": "account_id",
        "outcome": {"horizon": "30 days", "grace": "0 days"},
        "decide": {"per": "1 day", "policy": "first"},
        "slices": ["plan"],
        "value": {"currency": "USD", "tp": "saved_usd", "fp": -10, "fn": -50, "tn": 0},
        "monitor": {"windows": ["28d"]},
    },
    "long": {
        "entity": "account_id",
        "outcome": {"horizon": "30 days"},
        "decide": {"per": "entity", "policy": "first"},
        "monitor": {"windows": ["28d", "whole"]},
    },
    "no_value": {
        "entity": "account_id",
        "outcome": {"horizon": "30 days"},
        "decide": {"per": "entity", "policy": "first"},
        "monitor": {"windows": ["28d"]},
    },
}


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("metrics"), PRODUCTS, now="2025-03-30 06:00:00") as harness:
        yield harness


def measured(
    macros, score, label, said, *, entity=None, plan=None, amount=None, product="churn", basis="matured", day=None
) -> list[dict[str, Any]]:
    """The performance rows of the newest window over decisions given as arrays, all matured."""
    n = len(score)
    key = np.arange(n)
    decisions = pd.DataFrame({
        "decision_key": key.astype(str),
        "account_id": key if entity is None else entity,
        "as_of": pd.Timestamp(WINDOW_END) - pd.to_timedelta(key % 28 if day is None else day, unit="D"),
        "prediction_id": key,
        "score": np.asarray(score, dtype=float),
        "predicted_label": said,
        "model_version": 1,
        "plan": "x" if plan is None else plan,
        "saved_usd": np.nan if amount is None else amount,
    })  # fmt: skip
    outcomes = pd.DataFrame({"decision_key": key.astype(str), "is_restated": False, "outcome_label": label})
    outcomes["state"] = np.where(outcomes.outcome_label == 1, "positive", "negative")
    macros.connection.register("decisions", decisions)
    macros.connection.register("outcomes", outcomes)
    hourly = macros.render("default__performance_hourly", product, "decisions", "outcomes", None)
    macros.connection.execute(f"create or replace temp table hourly as {hourly}")
    relations = ("hourly", "decisions", "outcomes", None, None, None)
    rows = macros.query(macros.render("default__performance", product, *relations))
    return [row for row in rows if row["window_end"] == WINDOW_END and row["basis"] == basis]


def overall(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next(r for r in rows if r["slice_name"] == "overall" and r["model_version"] == "all")


def sample(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(40, 700))
    score = {
        "uniform": rng.random(n),
        "tied": rng.integers(0, 4, n) / 4,
        "tiny": rng.random(n) * 1e-9,
        "extreme": rng.choice([0.0, 1.0, 1e-300, 1 - 1e-16, 0.5], n),
        "constant": np.full(n, 0.3),
    }[kind]
    label = (rng.random(n) < np.clip(score, 0.1, 0.9)).astype(int)
    label[:2] = (0, 1)
    return score, label, (score >= np.median(score)).astype(int)


def distance(score, label) -> float:
    """Kolmogorov-Smirnov: between the scores of positives and of negatives."""
    return ks_2samp(score[label == 1], score[label == 0], method="asymp").statistic


@pytest.mark.parametrize("kind", ["uniform", "tied", "tiny", "extreme", "constant"])
@pytest.mark.parametrize("seed", [0, 1])
def test_metrics_equal_scikit_learn(macros, kind, seed):
    score, label, said = sample(kind, seed)
    row = overall(measured(macros, score, label, said, amount=np.full(len(score), 100.0)))
    tn, fp, fn, tp = sk.confusion_matrix(label, said, labels=[0, 1]).ravel()
    expected = {
        "tp": tp, "fp": fp, "fn": fn, "tn": tn,
        "accuracy": sk.accuracy_score(label, said),
        "recall": sk.recall_score(label, said),
        "f1": sk.f1_score(label, said),
        "balanced_accuracy": sk.balanced_accuracy_score(label, said),
        "roc_auc": sk.roc_auc_score(label, score),
        "average_precision": sk.average_precision_score(label, score),
        "ks": distance(score, label),
        "log_loss": sk.log_loss(label, score),
        "brier": sk.brier_score_loss(label, score),
        "value": 100 * tp - 10 * fp - 50 * fn,
        "value_per_decision": (100 * tp - 10 * fp - 50 * fn) / len(label),
        "value_treat_all": 100 * (tp + fn) - 10 * (fp + tn),
        "value_treat_none": -50 * (tp + fn),
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert row["precision"] == pytest.approx(sk.precision_score(label, said), abs=1e-9)
    assert row["roc_auc_method"] == "exact"
    assert row["value_lift"] == pytest.approx(row["value"] - max(row["value_treat_all"], row["value_treat_none"]))


def test_rates_of_entities_seen_once_have_wilson_intervals(macros):
    score, label, said = sample("uniform", 3)
    row = overall(measured(macros, score, label, said))
    right, n = int((label == said).sum()), len(label)
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(
        proportion_confint(right, n, method="wilson"), abs=1e-9
    )
    hits, positives = int((label & said).sum()), int(label.sum())
    exact = binomtest(hits, positives).proportion_ci(method="wilson")
    assert (row["recall_low"], row["recall_high"]) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_a_perfect_rate_has_an_interval_that_admits_doubt(macros):
    row = overall(measured(macros, [0.9] * 20, [1] * 20, [1] * 20))
    assert (row["accuracy"], row["accuracy_high"]) == (1, 1)
    assert row["accuracy_low"] == pytest.approx(proportion_confint(20, 20, method="wilson")[0], abs=1e-9)


def test_interval_of_auc_is_delong(macros):
    """Variance by DeLong's definition (placements), put into the same score interval as the rates."""
    score, label, said = sample("tied", 5)
    row = overall(measured(macros, score, label, said))
    positive, negative = score[label == 1], score[label == 0]
    wins = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    auc = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative)
    low, high = proportion_confint(auc * (n := auc * (1 - auc) / variance), n, method="wilson")
    assert (row["roc_auc_low"], row["roc_auc_high"]) == pytest.approx((low, high), abs=1e-9)


def test_an_entity_that_repeats_itself_carries_no_new_information(macros):
    """The same 60 decisions on each of 5 days: estimates stay, and so do the intervals, but for DeLong's n - 1."""
    rng = np.random.default_rng(7)
    score = rng.random(60)
    label, said = (rng.random(60) < score).astype(int), (score > 0.6).astype(int)
    once = overall(measured(macros, score, label, said, day=np.zeros(60)))
    tiled = [np.tile(column, 5) for column in (score, label, said)]
    many = overall(measured(macros, *tiled, entity=np.tile(np.arange(60), 5), day=np.repeat(np.arange(5), 60)))
    for rate in ("accuracy", "precision", "recall", "f1", "balanced_accuracy"):
        for end in ("", "_low", "_high"):
            assert many[rate + end] == pytest.approx(once[rate + end], abs=1e-9), rate
    assert many["value_per_decision_low"] == pytest.approx(once["value_per_decision_low"], abs=1e-9)
    assert many["roc_auc_low"] == pytest.approx(once["roc_auc_low"], abs=4e-3)
    assert many["n"] == 300


def test_intervals_cover_under_daily_rescoring(macros):
    """200 accounts scored on 5 days with one lasting outcome, in 300 worlds, each a slice of one query.

    The 95 % intervals hold within simulation error; Wilson's interval over rows does not.
    """
    worlds, accounts, days = 300, 200, 5
    truth = world(np.random.default_rng(1), 400_000)
    worth = np.where(truth[2] == 1, np.where(truth[1] == 1, 50, -10), np.where(truth[1] == 1, -50, 0))
    targets = {
        "accuracy": (truth[1] == truth[2]).mean(),
        "roc_auc": sk.roc_auc_score(truth[1], truth[0]),
        "value_per_decision": worth.mean(),
    }
    entity = np.tile(np.arange(worlds * accounts), days)
    score, label, said = (np.tile(column, days) for column in world(np.random.default_rng(11), worlds * accounts))
    day = np.repeat(np.arange(days), worlds * accounts)
    rows = measured(
        macros, score, label, said, entity=entity, plan=(entity // accounts).astype(str), day=day, amount=50.0
    )
    rows = [row for row in rows if row["slice_name"] == "plan" and row["model_version"] == "all"]
    for name, target in targets.items():
        covered = np.mean([row[f"{name}_low"] <= target <= row[f"{name}_high"] for row in rows])
        assert 0.92 <= covered <= 0.98, (name, covered)
    by_row = [proportion_confint(row["accuracy"] * row["n"], row["n"], method="wilson") for row in rows]
    assert np.mean([low <= targets["accuracy"] <= high for low, high in by_row]) < 0.75
    assert len(rows) == worlds


def world(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score = rng.random(n)
    return score, (rng.random(n) < 0.2 + 0.6 * score).astype(int), (score > 0.5).astype(int)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_binned_auc_is_within_a_thousandth(macros, scale):
    rng = np.random.default_rng(2)
    score = 1 / (1 + np.exp(-rng.normal(-2, scale, 3000)))
    label, said = (rng.random(3000) < score).astype(int), (score > 0.5).astype(int)
    rows = measured(macros, score, label, said)
    exact, binned = overall(rows), next(r for r in rows if r["slice_name"] == "plan" and r["model_version"] == "all")
    assert (exact["roc_auc_method"], binned["roc_auc_method"]) == ("exact", "binned")
    assert exact["roc_auc"] == pytest.approx(sk.roc_auc_score(label, score), abs=1e-9)
    assert abs(exact["roc_auc"] - binned["roc_auc"]) <= 1e-3
    assert abs(exact["roc_auc_low"] - binned["roc_auc_low"]) <= 2e-3


def test_overall_is_exact_for_the_whole_history_and_binned_above_twenty_thousand(macros):
    rng = np.random.default_rng(4)
    score = 1 / (1 + np.exp(-rng.normal(-2, 1, 20_500)))
    label = (rng.random(len(score)) < score).astype(int)
    rows = measured(macros, score, label, (score > 0.5).astype(int), product="long")
    found = {r["window_kind"]: r for r in rows if r["model_version"] == "all"}
    auc, precision = sk.roc_auc_score(label, score), sk.average_precision_score(label, score)
    assert (found["whole"]["roc_auc_method"], found["28d"]["roc_auc_method"]) == ("exact", "binned")
    assert found["whole"]["roc_auc"] == pytest.approx(auc, abs=1e-9)
    assert found["whole"]["average_precision"] == pytest.approx(precision, abs=1e-9)
    assert abs(found["28d"]["roc_auc"] - auc) <= 1e-3
    assert abs(found["28d"]["average_precision"] - precision) <= 5e-3


def test_estimated_equals_the_golden_values_of_cbpe(macros):
    """Computed with NannyML 0.13.1 and by hand; money by [[0, -10], [-50, 100]]."""
    row = overall(
        measured(macros, [0.9, 0.8, 0.3, 0.2, 0.1], [1, 0, 1, 0, 0], [1, 1, 0, 0, 0], amount=100.0, basis="estimated")
    )
    expected = {"accuracy": 0.82, "f1": 0.7906976744, "roc_auc": 0.8542673108, "value": 137, "value_per_decision": 27.4}
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert (row["tp"], row["fp"], row["fn"], row["tn"]) == pytest.approx((1.7, 0.3, 0.6, 2.4), abs=1e-12)
    assert row["accuracy_error"] == pytest.approx(0.82 - 0.6, abs=1e-9)
    assert row["roc_auc_error"] == pytest.approx(0.8542673108 - sk.roc_auc_score([1, 0, 1, 0, 0], [9, 8, 3, 2, 1]))
    assert row["value_per_decision_error"] == pytest.approx(27.4 - (100 - 10 - 50) / 5, abs=1e-9)


@pytest.mark.parametrize("drift", [False, True])
def test_the_estimate_covers_what_is_realised_until_the_world_changes(macros, drift):
    """300 worlds of 200 decisions, each a slice: another population is no harm, another relation is, and it shows."""
    rng = np.random.default_rng(6)
    worlds, size = 300, 200
    score = rng.beta(2, 3, worlds * size)
    label = (rng.random(len(score)) < np.where(drift & (score > 0.5), 0.5 * score, score)).astype(int)
    world = np.repeat(np.arange(worlds), size).astype(str)
    given = {"score": score, "label": label, "said": (score > 0.5).astype(int), "plan": world, "amount": 50.0}
    found = {}
    for basis in ("matured", "estimated"):
        rows = measured(macros, **given, basis=basis)
        found[basis] = {r["slice_value"]: r for r in rows if r["slice_name"] == "plan" and r["model_version"] == "all"}
    for metric in ("accuracy", "recall", "roc_auc", "value_per_decision"):
        pairs = [(row, found["matured"][world][metric]) for world, row in found["estimated"].items()]
        covered = np.mean([row[f"{metric}_low"] <= realised <= row[f"{metric}_high"] for row, realised in pairs])
        assert covered < 0.8 if drift else covered >= 0.92, (metric, covered)
    errors = [row["accuracy_error"] for row in found["estimated"].values()]
    assert abs(np.mean(errors)) > 0.05 if drift else abs(np.mean(errors)) < 0.01


@pytest.mark.parametrize("kind", ["uniform", "tied", "tiny", "extreme", "constant"])
def test_calibration_equals_its_definition(macros, kind):
    score, label, said = sample(kind, 8)
    row = overall(measured(macros, score, label, said))
    bins = np.minimum(np.floor(10 * score), 9)
    members = [(score[bins == b], label[bins == b]) for b in np.unique(bins)]
    share = [len(s) / len(score) for s, _ in members]
    gaps = [s.mean() - y.mean() for s, y in members]
    assert row["ece"] == pytest.approx(np.dot(share, np.abs(gaps)), abs=1e-9)
    assert row["brier_reliability"] == pytest.approx(np.dot(share, np.square(gaps)), abs=1e-9)
    resolution = np.dot(share, [(y.mean() - label.mean()) ** 2 for _, y in members])
    assert row["brier_resolution"] == pytest.approx(resolution, abs=1e-9)


def test_brier_is_reliability_less_resolution_plus_uncertainty(macros):
    """Murphy's decomposition holds exactly where every bin has one score."""
    rng = np.random.default_rng(9)
    score = rng.choice([0.05, 0.15, 0.45, 0.95], 500)
    label = (rng.random(500) < 0.8 * score).astype(int)
    row = overall(measured(macros, score, label, (score > 0.5).astype(int)))
    uncertainty = label.mean() * (1 - label.mean())
    assert row["brier"] == pytest.approx(row["brier_reliability"] - row["brier_resolution"] + uncertainty, abs=1e-9)


def test_the_calibration_table_says_what_a_score_means(macros):
    """Ten bins with Wilson's interval; an account seen on five days is one witness, not five."""
    rng = np.random.default_rng(12)
    score = rng.random(300)
    label = (rng.random(300) < score).astype(int)
    once = {r["bin"]: r for r in calibrated(macros, score, label)}
    assert sorted(once) == list(range(10))
    for number, row in once.items():
        inside = np.minimum(np.floor(10 * score), 9) == number
        n, positive = int(inside.sum()), int(label[inside].sum())
        assert (row["n"], row["n_positive"]) == (n, positive)
        assert row["mean_score"] == pytest.approx(score[inside].mean(), abs=1e-9)
        assert row["gap"] == pytest.approx(score[inside].mean() - positive / n, abs=1e-9)
        interval = proportion_confint(positive, n, method="wilson")
        assert (row["positive_rate_low"], row["positive_rate_high"]) == pytest.approx(interval, abs=1e-9)
    entity, day = np.tile(np.arange(300), 5), np.repeat(np.arange(5), 300)
    for row in calibrated(macros, np.tile(score, 5), np.tile(label, 5), entity=entity, day=day):
        assert row["n"] == 5 * once[row["bin"]]["n"]
        for end in ("low", "high"):
            name = f"positive_rate_{end}"
            assert row[name] == pytest.approx(once[row["bin"]][name], abs=1e-9), row["bin"]


def calibrated(macros, score, label, **given) -> list[dict[str, Any]]:
    measured(macros, score, label, np.ones(len(score), dtype=int), **given)
    rows = macros.query(macros.render("default__calibration", "churn", "hourly", "decisions", "outcomes"))
    return [r for r in rows if r["window_end"] == WINDOW_END and r["model_version"] == "all"]


@pytest.mark.parametrize(
    ("label", "said", "missing"),
    [
        ([1, 1, 1], [1, 0, 1], {"roc_auc", "average_precision", "ks", "balanced_accuracy"}),
        (
            [0, 0, 0],
            [0, 0, 0],
            {"roc_auc", "average_precision", "ks", "balanced_accuracy", "precision", "recall", "f1"},
        ),
        ([0, 1, 0], [0, 0, 0], {"precision"}),
    ],
)
def test_what_is_undefined_is_null_never_nan(macros, label, said, missing):
    row = overall(measured(macros, [0.0, 1.0, 0.5], label, said, amount=[math.inf, math.nan, 3.0]))
    metrics = {
        "accuracy",
        "precision",
        "recall",
        "f1",
        "balanced_accuracy",
        "roc_auc",
        "average_precision",
        "ks",
        "log_loss",
        "brier",
        "value",
        "ece",
        "brier_reliability",
        "brier_resolution",
    }
    assert {name for name in metrics if row[name] is None} == missing
    assert all(math.isfinite(v) for v in row.values() if isinstance(v, float))
    assert row["status"] == "insufficient_data"


def test_missing_amounts_count_as_nothing_and_are_counted(macros):
    row = overall(measured(macros, [0.9, 0.9, 0.1], [1, 1, 1], [1, 1, 1], amount=[math.nan, 30.0, math.inf]))
    assert (row["value"], row["n_value_missing"]) == (30.0, 2)


@pytest.mark.parametrize("basis", ["matured", "naive", "estimated"])
def test_money_compares_the_decisions_that_were_made(macros, basis):
    """A log that began to carry labels: what stands without one is worth nothing, to nobody, however it is treated."""
    amount = [100.0, 100.0, 100.0]
    decided = overall(measured(macros, [0.9, 0.2], [1, 0], [1, 0], amount=amount[:2], basis=basis))
    row = overall(measured(macros, [0.9, 0.2, 0.8], [1, 0, 1], [1, 0, None], amount=amount, basis=basis))
    money = [name for name in row if name.startswith("value") and "per_decision" not in name]
    assert {"value", "value_treat_all", "value_treat_none", "value_lift", "value_lift_low"} <= set(money)
    for name in money:
        assert row[name] == pytest.approx(decided[name]), name
    assert row["n_value_missing"] == 0


def test_one_entity_gives_money_without_an_interval(macros):
    """Twenty decisions of one account are one account: a spread of nothing would be certainty."""
    row = overall(measured(macros, np.linspace(0.1, 0.9, 20), [0, 1] * 10, [0, 1] * 10, entity=np.zeros(20)))
    assert row["value"] is not None
    bounds = [f"{name}_{end}" for name in ("value", "value_per_decision", "value_lift") for end in ("low", "high")]
    assert {row[name] for name in bounds} == {None}


@pytest.mark.parametrize("form", ["default__", "duckdb__"])
def test_running_sums_hold_ten_million_sure_decisions(macros, form):
    """Expected positives count in 10^-12: nine million of them fill a bigint."""
    sums = macros.render(f"{form}running_sums", ["pos", "neg", "open_pos", "n", "expected"])
    kinds = "cast(0 as bigint) as pos, cast(0 as bigint) as neg, cast(0 as bigint) as open_pos"
    steps = (
        f"select 1 as target, x / 10.0 as score, {kinds}, cast(5e6 as bigint) as n, cast(4.75e18 as bigint) as expected"
    )
    found = macros.query(f"with steps as ({steps} from range(3) as r(x)), {sums} select * from running order by score")
    assert [row["n_up_to"] for row in found] == [5_000_000, 10_000_000, 15_000_000]
    assert [row["expected_up_to"] / 1e12 for row in found] == pytest.approx([4.75e6, 9.5e6, 14.25e6])


def test_a_product_without_value_has_no_value(macros):
    row = overall(measured(macros, [0.9, 0.2], [1, 0], [1, 0], product="no_value"))
    assert {row[c] for c in row if c.startswith("value")} == {None}
    assert row["accuracy"] == 1
