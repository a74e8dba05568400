"""Loading a stored model, without MLflow and without trusting the file: skops format against our own allow-list."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ml.errors import ModelMissing, UntrustedModel
from ml.home import Home
from ml.model import Model

# What our pipelines need beyond skops' own defaults. MLflow stores such a list inside the model and believes it.
ALLOWED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)


def check_types(types: Iterable[str], where: str) -> list[str]:
    """The types, sorted. Raises UntrustedModel naming those that are not on the allow-list."""
    refused = sorted(set(types) - ALLOWED_TYPES)
    if refused:
        raise UntrustedModel(
            f"{where} wants to load {', '.join(refused)}; allowed is {', '.join(sorted(ALLOWED_TYPES))} and what skops "
            "trusts by itself. Do not load it. If it is yours, retrain it here: baton retrain"
        )
    return sorted(types)


def untrusted_types(estimator: Any) -> list[str]:
    """Types an estimator needs beyond skops' defaults, checked against the allow-list before it is stored."""
    import skops.io

    return check_types(skops.io.get_untrusted_types(data=skops.io.dumps(estimator)), type(estimator).__name__)


def load(home: Home, path: str) -> Model:
    """The model in folder `path` below the home's `mlartifacts/`. Raises ModelMissing, UntrustedModel."""
    import skops.io
    import yaml

    folder = home.mlartifacts / path
    if not (folder / "MLmodel").exists():
        raise ModelMissing(
            f"{folder} holds no model, though ops.model_versions names it. Restore {home.mlartifacts} from a backup, "
            "or delete the version's row from ops.model_versions and train again: baton run"
        )
    flavor = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]["sklearn"]
    check_types(flavor.get("skops_trusted_types") or [], str(folder))
    return _load_file(folder / Path(flavor["pickled_model"]).name, skops.io)


def _load_file(file: Path, skops_io: Any) -> Model:
    if file.suffix != ".skops":
        raise UntrustedModel(f"{file} is no .skops file; allowed is skops only. Retrain it here: baton retrain")
    types = check_types(skops_io.get_untrusted_types(file=file), str(file))
    return Model(skops_io.load(file, trusted=types))
