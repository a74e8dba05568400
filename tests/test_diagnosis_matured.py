"""Matured decisions against their scores: AUC as scikit-learn has it, and chances that mean what they say."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from ml.diagnosis.matured import matured

DAY = datetime(2026, 11, 21)


def of(score: np.ndarray, label: np.ndarray):
    found = matured([DAY] * len(score), list(score), list(label))
    assert found is not None
    return found


def world(seed: int, n: int = 340) -> np.ndarray:
    return 1 / (1 + np.exp(-np.random.default_rng(seed).normal(-4, 1.5, n)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(1, 8))
def test_the_auc_is_scikit_learns(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    score, label = rng.integers(0, levels + 1, n) / (levels + 1), rng.integers(0, 2, n)
    found = of(score, label)
    if label.min() == label.max():
        assert found.auc is None
    else:
        assert found.auc == pytest.approx(roc_auc_score(label, score), abs=1e-12)


def test_where_the_scores_are_true_chance_is_as_often_small_as_it_says() -> None:
    rng = np.random.default_rng(1)
    found = [of(score, rng.random(len(score)) < score) for score in map(world, range(60))]
    assert sum(each.p_positives < 0.05 for each in found) <= 8
    assert sum(each.p_auc < 0.05 for each in found) <= 8


def test_level_and_ranking_are_two_questions() -> None:
    rng = np.random.default_rng(2)
    score = world(7)
    odds = 8 * score / (1 - score)
    more = of(score, rng.random(len(score)) < odds / (1 + odds))  # eight times the odds for everybody
    assert more.p_positives < 0.002 < 0.02 < more.p_auc
    turned = of(score, np.argsort(np.argsort(score)) < 21)  # those leave who were the safest
    assert turned.p_auc < 0.002
    assert (turned.auc or 0) < 0.1


def test_many_decisions_are_thinned_and_few_chances_are_asked_of_what_is_only_compared() -> None:
    score = world(3, 45_000)
    found = matured([DAY] * len(score), list(score), list(score > 0.5), with_chances=False)
    assert found is not None
    assert found.n == 15_000
    assert (found.p_auc, found.p_positives, found.auc_expected) == (1.0, 1.0, None)


def test_no_decisions_are_no_stretch() -> None:
    assert matured([], [], []) is None
