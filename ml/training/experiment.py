"""One training from data to MLflow run: fit the candidates, measure the chosen one on test, log everything."""

import shutil
import subprocess
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.clock import sql
from ml.home import Home
from ml.mlflow_log import Logged, Run, log
from ml.product import Product
from ml.training.candidates import Candidate, fit, pick, sample_of, with_intervals
from ml.training.data import Content, Data
from ml.training.matrix import strongest_single_feature
from ml.training.plots import draw, permutation_importance
from ml.training.split import Parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXAMPLE_ROWS = 5
_PER_CANDIDATE = ("value_per_decision", "roc_auc", "log_loss")


def run(
    product: Product,
    content: Content,
    data: Data,
    parts: Parts,
    *,
    cut: datetime,
    home: Home,
    tags: Mapping[str, str],
    seed: int,
) -> Logged:
    """Fit, choose, measure, log and register. Nothing of the test rows has a say in what is chosen."""
    assert product.train is not None
    candidates = [fit(name, product, content, data, parts, seed) for name in product.train.candidates]
    chosen = pick(candidates, product.train.metric)
    test = sample_of(chosen.model, chosen.threshold, data, parts.test)
    leak = strongest_single_feature(*_train_and_validation(data, parts))
    metrics = with_intervals(test, seed) | _numbers(candidates, chosen, data, parts, leak[1])
    notes = _notes(product, content, data, parts, chosen, leak[0])
    importance = permutation_importance(chosen.model.pipeline, data.frame[parts.test], data.outcome[parts.test], seed)
    record = {"algorithm": chosen.name, "threshold": chosen.threshold, "metrics": _finite(metrics), "notes": notes}
    return log(
        home,
        product.name,
        Run(
            fingerprint=content.fingerprint,
            params=_params(product, chosen, cut, seed),
            metrics=metrics,
            tags=_tags(content, notes, tags),
            record=record,
            figures=draw(test, chosen.threshold, product.cells.currency, importance),
            model=chosen.model,
            features=content.features,
            example=data.frame[parts.train].head(_EXAMPLE_ROWS),
        ),
    )


def _train_and_validation(data: Data, parts: Parts) -> tuple[Any, Any, Any, Any]:
    train, validation = parts.train, parts.validation
    return data.frame[train], data.outcome[train], data.frame[validation], data.outcome[validation]


def _numbers(
    candidates: list[Candidate], chosen: Candidate, data: Data, parts: Parts, leak_auc: float
) -> dict[str, float]:
    """Metrics beside those of the test rows; flat, so that SQL and MLflow read them by name."""
    of_validation = {f"validation_{name}": value for name, value in chosen.validation.items()}
    of_candidates = {f"candidate_{c.name}_{name}": c.validation[name] for c in candidates for name in _PER_CANDIDATE}
    return {
        **of_validation,
        **of_candidates,
        "threshold": chosen.threshold,
        "rows_train": float(parts.train.sum()),
        "rows_validation": float(parts.validation.sum()),
        "rows_test": float(parts.test.sum()),
        "rows_in_gaps": float(len(data.outcome) - (parts.train | parts.validation | parts.test).sum()),
        "base_rate_train": float(data.outcome[parts.train].mean()),
        "ece_before_calibration": chosen.calibration.ece_raw,
        "ece_out_of_fold": chosen.calibration.ece_calibrated,
        "leak_auc": leak_auc,
        "n_columns": float(chosen.matrix.n_columns),
        "n_constant_columns": float(len(chosen.matrix.constant)),
        "unseen_share": chosen.matrix.unseen_share,
    }


def _notes(
    product: Product, content: Content, data: Data, parts: Parts, chosen: Candidate, leak_feature: str
) -> dict[str, str]:
    test = data.as_of[parts.test]
    return {
        "split": parts.note,
        "data_window": _days(data.as_of),
        "test_window": _days(test),
        "calibration": chosen.calibration.method,
        "leak_feature": leak_feature,
        "constant_columns": ", ".join(chosen.matrix.constant),
        "unseen_feature": chosen.matrix.unseen_feature,
        "content_hash": content.content_hash,
        "code_hash": content.code_hash,
        "currency": product.cells.currency,
        "git_commit": git_commit() or "",
    }


def _days(as_of: "NDArray[np.datetime64]") -> str:
    return f"{as_of.min().astype('datetime64[D]')} to {as_of.max().astype('datetime64[D]')}"


def _params(product: Product, chosen: Candidate, cut: datetime, seed: int) -> dict[str, Any]:
    assert product.train is not None
    fitted = chosen.model.pipeline.named_steps["estimate"].get_params()
    return {
        "algorithm": chosen.name,
        "candidates": ", ".join(product.train.candidates),
        "metric": product.train.metric,
        "horizon": str(product.outcome.horizon),
        "grace": str(product.outcome.grace),
        "labels_known_until": sql(cut),
        "calibration": chosen.calibration.method,
        "threshold": chosen.threshold,
        "seed": seed,
        "spec_hash": product.spec_hash,
        **{f"estimator.{name}": value for name, value in fitted.items()},
    }


def _tags(content: Content, notes: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    own = {name: notes[name] for name in ("content_hash", "code_hash", "git_commit", "split", "data_window")}
    own["rows"] = str(content.n)
    named = {name if name.startswith("mlflow.") else f"baton.{name}": value for name, value in {**own, **tags}.items()}
    return {name: str(value) for name, value in named.items() if value}


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN: what is undefined becomes null."""
    return {name: value if isfinite(value) else None for name, value in metrics.items()}


def git_commit(code: Path = Path(__file__)) -> str | None:
    """Commit of the repository that holds `code`, ending in -dirty if its files differ from that commit.

    None without git, and where the code is no part of a repository, such as installed in some other project's folder.
    """
    tracked = _git(code.parent, "ls-files", "--error-unmatch", code.name)
    commit = _git(code.parent, "rev-parse", "HEAD") if tracked else None
    return f"{commit}-dirty" if commit and _git(code.parent, "status", "--porcelain") else commit


def _git(folder: Path, *words: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    asked = subprocess.run([git, "-C", str(folder), *words], capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else None
