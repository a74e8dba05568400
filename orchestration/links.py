"""Where Dagster and MLflow are seen: each names the other's page of the same training.

`make ui` says where it serves; without one running, its usual addresses are as good a guess as there is.
"""

import os


def to_dagster(run_id: str, asset: str) -> dict[str, str]:
    """MLflow tags of a run that Dagster run `run_id` started for `asset`; the description is MLflow's own tag."""
    base = os.environ.get("BATON_DAGSTER_URL", "http://127.0.0.1:3000").rstrip("/")
    run, page = f"{base}/runs/{run_id}", f"{base}/assets/{asset}"
    note = f"Trained by [Dagster run {run_id[:8]}]({run}) for the asset [{asset}]({page})."
    return {"dagster_run_url": run, "mlflow.note.content": note}


def to_mlflow(experiment_id: str, run_id: str) -> str:
    """The page of an MLflow run in the MLflow that `make ui` serves."""
    base = os.environ.get("BATON_MLFLOW_URL", "http://127.0.0.1:5000").rstrip("/")
    return f"{base}/#/experiments/{experiment_id}/runs/{run_id}"
