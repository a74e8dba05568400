"""Metrics equal scikit-learn, money equals hand tables, intervals cover, ids are the same in SQL and Python."""

from dataclasses import replace
from datetime import datetime

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_world import cells, sample
from sklearn import metrics as sk

from ml.bootstrap import intervals, paired_value_delta
from ml.errors import AmountError
from ml.evaluation import Ranking, Sample, average_precision, ece, metrics, roc_auc
from ml.ids import bucket, bucket_sql, holdout_sql, prediction_id, prediction_id_sql
from ml.parameters import Value
from ml.value import TREAT_ALL, TREAT_NONE, Cells, cells_of, value_curve


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decimals", [None, 1])
def test_metrics_equal_scikit_learn(seed: int, decimals: int | None) -> None:
    s = sample(2000, seed, decimals=decimals)
    ours = metrics(s)
    expected = {
        "accuracy": sk.accuracy_score(s.outcome, s.predicted),
        "precision": sk.precision_score(s.outcome, s.predicted),
        "recall": sk.recall_score(s.outcome, s.predicted),
        "f1": sk.f1_score(s.outcome, s.predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(s.outcome, s.predicted),
        "roc_auc": sk.roc_auc_score(s.outcome, s.score),
        "average_precision": sk.average_precision_score(s.outcome, s.score),
        "log_loss": sk.log_loss(s.outcome, s.score),
        "brier": sk.brier_score_loss(s.outcome, s.score),
    }
    assert {name: ours[name] for name in expected} == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_weighted_rank_metrics_equal_scikit_learn() -> None:
    s = sample(500, decimals=2)
    weight = np.random.default_rng(1).integers(0, 4, 500).astype(float)
    ranking = Ranking.of(s.outcome, s.score)
    assert ranking.roc_auc(weight) == pytest.approx(
        sk.roc_auc_score(s.outcome, s.score, sample_weight=weight), abs=1e-12
    )
    expected = sk.average_precision_score(s.outcome, s.score, sample_weight=weight)
    assert ranking.average_precision(weight) == pytest.approx(expected, abs=1e-12)


def test_what_does_not_exist_is_nan() -> None:
    nothing = Sample(np.zeros(4, np.int8), np.full(4, 0.1), np.zeros(4, bool), cells(4), np.arange(4))
    found = metrics(nothing)
    assert found["accuracy"] == 1.0
    for name in ("precision", "recall", "f1", "balanced_accuracy", "roc_auc", "average_precision"):
        assert np.isnan(found[name])
    empty = np.zeros(0)
    assert np.isnan([roc_auc(empty.astype(np.int8), empty), ece(empty.astype(np.int8), empty)]).all()


def test_certain_and_wrong_costs_finite_log_loss() -> None:
    wrong = Sample(np.array([1, 0], np.int8), np.array([0.0, 1.0]), np.array([False, True]), cells(2), np.arange(2))
    assert metrics(wrong)["log_loss"] == pytest.approx(sk.log_loss([1, 0], [0.0, 1.0]))


def test_ece_is_the_sum_over_ten_bins_of_equal_mass() -> None:
    s = sample(1000)
    order = np.argsort(s.score)
    bins = np.split(order, 10)
    expected = sum(abs(s.score[b].mean() - s.outcome[b].mean()) * len(b) for b in bins) / 1000
    assert ece(s.outcome, s.score) == pytest.approx(expected, abs=1e-12)


def test_ece_does_not_split_equal_scores() -> None:
    outcome = np.r_[np.ones(30, np.int8), np.zeros(70, np.int8)]
    assert ece(outcome, np.full(100, 0.3)) == pytest.approx(0.0, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_metrics_ignore_row_order(seed: int, n: int, decimals: int) -> None:
    s = sample(n, seed, decimals=decimals)
    order = np.random.default_rng(seed).permutation(n)
    turned = Sample(s.outcome[order], s.score[order], s.predicted[order], s.cells, s.entity[order])
    assert metrics(turned) == pytest.approx(metrics(s), rel=1e-9, abs=1e-9, nan_ok=True)


def test_golden_value_of_expected_confusion() -> None:
    score = np.array([0.9, 0.8, 0.3, 0.2, 0.1])
    cells = cells_of(Value("USD", 100.0, -10.0, -50.0, 0.0), {}, 5)
    gained, lost = (cells.worth(np.full(5, outcome, np.int8), score >= 0.5) for outcome in (1, 0))
    total = float((score * gained + (1 - score) * lost).sum())
    assert total == pytest.approx(137.0)
    assert total / 5 == pytest.approx(27.4)


def test_value_by_hand_with_amounts_per_row() -> None:
    outcome = np.array([1, 0, 1, 0], np.int8)
    money = cells_of(Value("USD", "saved_usd", -10.0, -50.0, 0.0), {"saved_usd": np.array([500.0, 9, 30, 9])}, 4)
    found = metrics(
        Sample(outcome, np.array([0.9, 0.8, 0.2, 0.1]), np.array([True, True, False, False]), money, np.arange(4))
    )
    assert found["value"] == 500 - 10 - 50
    assert found["value_treat_all"] == 500 - 10 + 30 - 10
    assert found["value_treat_none"] == -100
    assert found["value_lift"] == 440 - 510
    assert found["value_per_decision"] == 110


def test_a_null_amount_is_refused_with_its_name() -> None:
    with pytest.raises(AmountError, match="saved_usd is null or infinite in 1 of 2 rows"):
        cells_of(Value("USD", "saved_usd", 0.0, 0.0, 0.0), {"saved_usd": np.array([1.0, np.nan])}, 2)


@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_best_threshold_equals_trying_them_all(seed: int, n: int, decimals: int) -> None:
    s = sample(n, seed, decimals=decimals)
    money = Cells(*np.random.default_rng(seed).integers(-100, 100, (4, n)).astype(float))
    best = value_curve(s.score, s.outcome, money).best
    worth = {t: money.worth(s.outcome, s.score >= t).sum() for t in (TREAT_ALL, TREAT_NONE, best, *s.score)}
    assert worth[best] == max(worth.values())


def test_every_point_of_the_value_curve_is_what_that_threshold_earns() -> None:
    s = sample(200, decimals=2)
    curve = value_curve(s.score, s.outcome, s.cells)
    earned = [s.cells.worth(s.outcome, s.score >= threshold).sum() for threshold in curve.thresholds]
    assert list(curve.totals) == pytest.approx(earned)
    assert (curve.thresholds[0], curve.thresholds[-1]) == (TREAT_NONE, TREAT_ALL)


def test_interval_covers_the_truth_when_entities_repeat() -> None:
    truth = metrics(sample(200_000, 99, per_entity=1))
    names = ("accuracy", "value_per_decision", "roc_auc")
    covered = dict.fromkeys(names, 0)
    for seed in range(30):
        bounds = intervals(sample(1200, seed, per_entity=6), seed)
        for name in names:
            covered[name] += bounds[name][0] <= truth[name] <= bounds[name][1]
    assert min(covered.values()) >= 26, covered


def test_rows_of_an_entity_widen_the_interval() -> None:
    apart = intervals(sample(1200, 0))["accuracy"]
    together = intervals(sample(1200, 0, per_entity=12, noise=0.01))["accuracy"]
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_paired_delta_is_the_mean_difference_with_an_interval_round_it() -> None:
    better, worse = (replace(sample(3000, 0, noise=noise), cells=cells(3000, 10, -10, 0)) for noise in (0.1, 3.0))
    delta, low, high = paired_value_delta(better, worse)
    assert delta == pytest.approx(metrics(better)["value_per_decision"] - metrics(worse)["value_per_decision"])
    assert 0 < low < delta < high
    assert paired_value_delta(better, better) == (0.0, 0.0, 0.0)


def test_bootstrap_is_the_same_for_the_same_seed() -> None:
    assert intervals(sample(300), 3) == intervals(sample(300), 3)
    assert intervals(sample(300), 3) != intervals(sample(300), 4)


def test_average_precision_of_a_perfect_ranking_is_one() -> None:
    assert average_precision(np.array([0, 1], np.int8), np.array([0.1, 0.2])) == 1.0


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=12)


@given(TEXTS, TEXTS, st.integers(1, 100_000))
@settings(max_examples=50, deadline=None)
def test_bucket_is_the_same_in_sql_and_python(text: str, salt: str, n: int) -> None:
    con = duckdb.connect()
    assert con.execute(f"select {bucket_sql('$1::varchar', n, salt)}", [text]).fetchall() == [(bucket(text, n, salt),)]


@given(TEXTS, st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)))
@settings(max_examples=50, deadline=None)
def test_prediction_id_is_the_same_in_sql_and_python(entity: str, as_of: datetime) -> None:
    query = prediction_id_sql("$1::varchar", "$2::timestamp", "f1ng'r", "champion")
    found = duckdb.connect().execute(f"select {query}::varchar", [entity, as_of]).fetchall()
    assert found == [(prediction_id(entity, as_of, "f1ng'r", "champion"),)]


@given(st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), min_size=2, max_size=2, unique=True))
def test_prediction_ids_sort_by_time(instants: list[datetime]) -> None:
    first, second = (instant.replace(microsecond=instant.microsecond // 1000 * 1000) for instant in sorted(instants))
    if first < second:
        assert prediction_id("z", first, "f", "champion") < prediction_id("a", second, "f", "champion")


def test_prediction_id_differs_by_entity_fingerprint_and_role() -> None:
    day = datetime(2026, 1, 1)
    keys = [("a", "f", "champion"), ("b", "f", "champion"), ("a", "g", "champion"), ("a", "f", "shadow")]
    assert len({prediction_id(entity, day, fingerprint, role) for entity, fingerprint, role in keys}) == 4


def test_holdout_draws_its_share() -> None:
    drawn = (
        duckdb.connect()
        .execute(
            f"select avg({holdout_sql('range', 0.05, 'churn')}::integer), bool_or({holdout_sql('range', 0, 'churn')}) "
            "from range(40000)"
        )
        .fetchall()
    )
    assert drawn[0][0] == pytest.approx(0.05, abs=0.004)
    assert drawn[0][1] is False
