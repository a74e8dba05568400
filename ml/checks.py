"""Checks of models and predictions: names for whoever declares them, functions for whoever runs them."""

from ml.check_result import CheckResult
from ml.model_checks import MODEL_CHECKS, model_checks
from ml.prediction_checks import PREDICTION_CHECKS, prediction_checks

__all__ = ["MODEL_CHECKS", "PREDICTION_CHECKS", "CheckResult", "model_checks", "prediction_checks"]
