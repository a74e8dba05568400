"""Evidently on rows that are already joined and matured: one report per day and slice, or drift of two months.

    bench/.venv-peers/bin/python bench/peers/run_evidently.py --rows FOLDER --case performance|psi|ks_chi2

Prints one JSON line: CPU and wall seconds of the work alone (rows are loaded before), peak memory, values.
"""

from common import CATEGORIES, COLUMNS, NUMBERS, SLICES, load, report, timed


def performance(folder: str) -> None:
    """Six metrics for each day and each value of each slice."""
    from evidently import BinaryClassification, DataDefinition, Dataset, Report
    from evidently.metrics import Accuracy, F1Score, LogLoss, Precision, Recall, RocAuc

    frame = load(folder, "joined", ("day", *SLICES, "label", "predicted_label", "score"))
    columns = ["label", "predicted_label", "score"]
    definition = DataDefinition(
        classification=[
            BinaryClassification(
                target="label", prediction_labels="predicted_label", prediction_probas="score", pos_label=1
            )
        ]
    )

    def measure(rows):
        metrics = [Accuracy(), Precision(), Recall(), F1Score(), RocAuc(), LogLoss()]
        found = Report(metrics).run(Dataset.from_pandas(rows, data_definition=definition), None).dict()
        return [each["value"] for each in found["metrics"]]

    def work():
        return {
            f"{key}|{value}": measure(rows)
            for key in ("day", *SLICES)
            for value, rows in frame[columns].groupby(frame[key])
        }

    report(*timed(work))


def drift(folder: str, numeric: str, categorical: str) -> None:
    """Drift of every feature and the score between the first 30 days and the last 30."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    reference, current = (load(folder, name, COLUMNS) for name in ("reference", "current"))
    definition = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=list(CATEGORIES))

    def work():
        preset = DataDriftPreset(columns=list(COLUMNS), num_method=numeric, cat_method=categorical)
        rows = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
        found = Report([preset]).run(*rows).dict()["metrics"]
        return {each["config"]["column"]: float(each["value"]) for each in found if "column" in each["config"]}

    report(*timed(work))


if __name__ == "__main__":
    from common import arguments

    asked = arguments()
    {
        "performance": lambda: performance(asked.rows),
        "psi": lambda: drift(asked.rows, "psi", "psi"),
        "ks_chi2": lambda: drift(asked.rows, "ks", "chisquare"),
    }[asked.case]()
