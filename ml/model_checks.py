"""Checks of one trained version."""

from collections.abc import Mapping
from typing import Literal

from ml.check_result import CheckResult, Judge
from ml.product import Product

LEAK_LIMIT = 0.95
CALIBRATION_LIMIT = 0.05
UNSEEN_LIMIT = 0.05
MIN_POSITIVES = 30
MODEL_CHECKS = (
    *("beats_base_rate", "no_worse_than_champion", "calibration_error", "no_single_feature_knows_the_answer"),
    *("no_constant_columns", "few_unseen_categories"),
)
Verdict = Literal["beats", "open", "loses"]


def model_checks(product: Product, metrics: Mapping[str, float], notes: Mapping[str, str]) -> tuple[CheckResult, ...]:
    """Checks of one trained version, in the order of MODEL_CHECKS, from what its training recorded."""
    judge = Judge(product.asset("model"), f"test rows {notes['test_window']}")
    enough = metrics["n_positives"] >= MIN_POSITIVES
    return (
        _base_rate(judge, product, metrics, enough),
        _against_champion(judge, product, metrics),
        judge.result(
            "calibration_error",
            metrics["ece"] <= CALIBRATION_LIMIT,
            metrics["ece"],
            CALIBRATION_LIMIT,
            f"ECE {metrics['ece']:.4f}; allowed is at most {CALIBRATION_LIMIT}",
            "warn",
            enough,
        ),
        judge.result(
            "no_single_feature_knows_the_answer",
            metrics["leak_auc"] <= LEAK_LIMIT,
            metrics["leak_auc"],
            LEAK_LIMIT,
            f"{notes['leak_feature']} alone has ROC AUC {metrics['leak_auc']:.3f}; allowed is at most {LEAK_LIMIT}",
            "error",
            enough,
        ),
        judge.result(
            "no_constant_columns",
            metrics["n_constant_columns"] == 0,
            metrics["n_constant_columns"],
            0,
            f"{metrics['n_constant_columns']:.0f} constant columns in train ({notes['constant_columns'] or 'none'}); "
            "allowed is 0",
            "warn",
        ),
        judge.result(
            "few_unseen_categories",
            metrics["unseen_share"] <= UNSEEN_LIMIT,
            metrics["unseen_share"],
            UNSEEN_LIMIT,
            f"{metrics['unseen_share']:.2%} of validation rows have a {notes['unseen_feature'] or 'category'} that "
            f"train never saw; allowed is at most {UNSEEN_LIMIT:.0%}",
            "warn",
        ),
    )


def beats_base_rate(product: Product, metrics: Mapping[str, float]) -> tuple[Verdict, str]:
    """Whether a version is worth more on test than the better of treating all and none, with the numbers.

    A lift of 0 or less that chance explains (its interval reaches above 0) is `open` while the ranking is proven: a few
    dear customers among few rows decide money long before they decide a rank.
    Where all four cells are the same money, value says nothing: then the interval of its ROC AUC must lie above 0.5.
    """
    value, low = product.cells, metrics["roc_auc_low"]
    lift = f"value lift {metrics['value_lift_per_decision']:.4g} {value.currency} per decision over the better of "
    numbers = f"{lift}treating all and none, ROC AUC {metrics['roc_auc']:.3f} (at least {low:.3f})"
    if len({value.tp, value.fp, value.fn, value.tn}) == 1:
        needed = "all four value cells are equal, so allowed is an AUC interval above 0.5"
        return "beats" if low > 0.5 else "loses", f"{numbers}; {needed}"
    if metrics["value_lift"] <= 0 and metrics["value_lift_per_decision_high"] > 0 and low > 0.5:
        return "open", f"{numbers}; up to {metrics['value_lift_per_decision_high']:.4g} is within chance"
    return "beats" if metrics["value_lift"] > 0 else "loses", f"{numbers}; allowed is a lift above 0"


def _base_rate(judge: Judge, product: Product, metrics: Mapping[str, float], enough: bool) -> CheckResult:
    verdict, message = beats_base_rate(product, metrics)
    enough = enough and verdict != "open"
    lift = metrics["value_lift_per_decision"]
    return judge.result("beats_base_rate", verdict == "beats", lift, 0.0, message, enough=enough)


def _against_champion(judge: Judge, product: Product, metrics: Mapping[str, float]) -> CheckResult:
    """A warning: a challenger that loses is not promoted, and the champion goes on serving."""
    assert product.train is not None
    delta, margin = metrics["delta_value_per_decision"], product.train.promote.margin
    if delta != delta:
        return judge.result("no_worse_than_champion", True, 0.0, margin, "no champion to compare with", enough=False)
    message = (
        f"{delta:+.4g} [{metrics['delta_value_per_decision_low']:.4g}, {metrics['delta_value_per_decision_high']:.4g}] "
        f"{product.cells.currency} per decision against the champion; allowed is at least {margin:g}"
    )
    return judge.result("no_worse_than_champion", delta >= margin, delta, margin, message, "warn")
