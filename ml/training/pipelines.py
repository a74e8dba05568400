"""The candidates an exposure may list: preprocessing and estimator in one scikit-learn pipeline."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml.errors import CandidateError
from ml.features import Feature

MAX_CATEGORIES = 30


def build(name: str, parameters: Mapping[str, Any], features: Sequence[Feature], seed: int) -> Pipeline:
    """An unfitted candidate. Raises CandidateError on parameters its estimator does not take."""
    make = {"logistic_regression": _logistic_regression, "hist_gradient_boosting": _hist_gradient_boosting}[name]
    return make(name, parameters, features, seed)


def _logistic_regression(name: str, parameters: Mapping[str, Any], features: Sequence[Feature], seed: int) -> Pipeline:
    """Missing numbers become the median plus a flag column; everything is scaled."""
    numbers = Pipeline([("impute", SimpleImputer(strategy="median", add_indicator=True)), ("scale", StandardScaler())])
    estimator = _estimator(name, LogisticRegression, {"max_iter": 1000, "random_state": seed, **parameters})
    return _pipeline(numbers, features, estimator)


def _hist_gradient_boosting(
    name: str, parameters: Mapping[str, Any], features: Sequence[Feature], seed: int
) -> Pipeline:
    """Trees take missing numbers as they are. Early stopping is off: its inner split would mix rows of one entity."""
    defaults = {"early_stopping": False, "random_state": seed}
    return _pipeline(
        "passthrough", features, _estimator(name, HistGradientBoostingClassifier, {**defaults, **parameters})
    )


def _estimator(name: str, make: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    allowed = make().get_params()
    unknown = [key for key in parameters if key not in allowed]
    if unknown:
        raise CandidateError(
            f"train.candidates.{name}: found {', '.join(unknown)}; allowed is {', '.join(sorted(allowed))}. "
            "Edit the exposure, then: baton run"
        )
    return make(**parameters)


def _pipeline(numbers: Any, features: Sequence[Feature], estimator: Any) -> Pipeline:
    """Categories unseen in training fall into the infrequent ones, or into all zeros where there are none."""
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False)
    of_kind = {kind: [f.name for f in features if f.kind == kind] for kind in ("number", "flag", "category")}
    encode = ColumnTransformer(
        [("numbers", numbers, of_kind["number"] + of_kind["flag"]), ("categories", categories, of_kind["category"])]
    )
    return Pipeline([("encode", encode), ("estimate", estimator)])
