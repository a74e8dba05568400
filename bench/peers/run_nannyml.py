"""NannyML on rows that are already joined and matured: performance or drift per day, first 30 days as reference.

    bench/.venv-peers/bin/python bench/peers/run_nannyml.py --rows FOLDER --case performance|drift

Prints one JSON line: CPU and wall seconds of fit and calculate (rows are loaded before), peak memory, values.
"""

import os

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # it would call home on every fit, and wait for it
from common import COLUMNS, load, report, timed


def performance(folder: str) -> None:
    """Six metrics per day."""
    import nannyml

    frame = load(folder, "joined", ("as_of", "label", "predicted_label", "score"))
    reference, analysis = halves(frame)

    def work():
        calculator = nannyml.PerformanceCalculator(
            y_pred_proba="score",
            y_pred="predicted_label",
            y_true="label",
            timestamp_column_name="as_of",
            problem_type="classification_binary",
            metrics=["accuracy", "precision", "recall", "f1", "roc_auc", "business_value"],
            chunk_period="D",
            business_value_matrix=[[0, -1], [-5, 0]],
        )
        found = calculator.fit(reference).calculate(analysis).filter(period="analysis").to_df()
        days = found["chunk"]["key"]
        return {
            f"day|{day}": [found["accuracy"]["value"][i], found["roc_auc"]["value"][i]] for i, day in enumerate(days)
        }

    report(*timed(work))


def drift(folder: str) -> None:
    """Kolmogorov-Smirnov and chi-square of every feature and the score, per day."""
    import nannyml

    reference, analysis = halves(load(folder, "joined", ("as_of", *COLUMNS)))

    def work():
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=list(COLUMNS),
            timestamp_column_name="as_of",
            chunk_period="D",
            continuous_methods=["kolmogorov_smirnov"],
            categorical_methods=["chi2"],
        )
        found = calculator.fit(reference).calculate(analysis).filter(period="analysis").to_df()
        days = list(found["chunk"]["chunk"]["key"])
        method = {column: found[column].columns.get_level_values(0)[0] for column in COLUMNS}
        return {
            f"{column}|{day}": float(found[column][method[column]]["value"].iloc[i])
            for column in COLUMNS
            for i, day in enumerate(days)
        }

    report(*timed(work))


def halves(frame):
    """Reference and analysis: the first 30 days, and the rest."""
    import pandas

    cut = frame["as_of"].min().normalize() + pandas.Timedelta(days=30)
    return frame[frame["as_of"] < cut], frame[frame["as_of"] >= cut]


if __name__ == "__main__":
    from common import arguments

    asked = arguments()
    {"performance": performance, "drift": drift}[asked.case](asked.rows)
