"""Training: `train(...)` turns a training set and a product into a registered, judged version."""

from ml.training.result import TrainingResult
from ml.training.run import train

__all__ = ["TrainingResult", "train"]
