"""What a cause is in plain words, and what mends it: for who is paged at night, and for who only reads the results."""

from dataclasses import dataclass

from ml.diagnosis.verdict import Cause

THEN = "Then: baton run"
AGAIN = f"{THEN}. What was scored without it stays as it was decided"


@dataclass(frozen=True)
class Advice:
    """meaning: the cause for readers who do not know its name, a clause. mend: what its group does, sentences."""

    meaning: str
    mend: str


ADVICE: dict[str, Advice] = {
    Cause.DISK_FULL: Advice("the disk is full, nothing can be written", f"Free space. {THEN}"),
    Cause.WAREHOUSE_LOCKED: Advice(
        "another process holds the warehouse file", f"Let that process end, or stop it. {THEN}"
    ),
    Cause.MLFLOW_DOWN: Advice(
        "the store of trained models cannot be read",
        f"Bring the store back, or restore mlflow.db and mlartifacts/ from a backup. {THEN}",
    ),
    Cause.SOURCE_LATE: Advice(
        "no new data has come", f"Ask who delivers it; put the file into the landing folder. {AGAIN}"
    ),
    Cause.FILE_UNREADABLE: Advice(
        "a delivered file cannot be read", f"Have it delivered again, complete, under the same name. {THEN}"
    ),
    Cause.SCHEMA_CHANGE: Advice(
        "the data comes in another form than agreed",
        f"Meant: change the columns of the source's yml. Not meant: have it delivered again. {THEN}",
    ),
    Cause.DUPLICATE_LOAD: Advice(
        "rows were delivered twice",
        "Have the source send each row once. Where the table has a key, a row counts once all the same",
    ),
    Cause.SOURCE_VOLUME: Advice("far fewer rows came than usual", f"Ask who delivers it for the missing rows. {AGAIN}"),
    Cause.CLOCK_SHIFT: Advice(
        "the times in the data are hours off",
        f"Have the source send UTC, and send the shifted rows again with the right times. {AGAIN}",
    ),
    Cause.NULL_SPIKE: Advice(
        "a column that was filled is empty in many rows",
        f"Have the source fill it, and send the rows again. {AGAIN}",
    ),
    Cause.CATEGORY_RENAMED: Advice(
        "a value goes by another name", f"Have the source send the old name, or map the new one in staging. {THEN}"
    ),
    Cause.UNIT_CHANGE: Advice(
        "a number comes in another unit", f"Have the source send the old unit, or convert it in staging. {THEN}"
    ),
    Cause.TRANSFORM_CHANGED: Advice(
        "changed SQL has changed the numbers", f"Take the change back or mend it: git log of that model. {THEN}"
    ),
    Cause.STEP_FAILED: Advice("a step of the run ended with an error", f"Mend what it says. {THEN}"),
    Cause.OUTCOMES_LATE: Advice(
        "what became of past predictions is not reported",
        f"Ask who delivers it. {THEN}. Until then the model is judged on older decisions",
    ),
    Cause.CHAMPION_MISSING: Advice(
        "the model that serves is not there", f"Restore its files from a backup, or train anew: baton retrain. {THEN}"
    ),
    Cause.SCORING_INCOMPLETE: Advice(
        "some were not scored", "See who is left out and why; then score the day again with the command above"
    ),
    Cause.TRAIN_SERVE_SKEW: Advice(
        "the model was given other numbers than the warehouse holds",
        "Find what changed a feature after or beside its SQL, and mend it. The scores of that day stay as decided",
    ),
    Cause.CONCEPT_DRIFT: Advice(
        "the model no longer tells who it will be",
        "Retrain on newer answers: baton retrain. Until it is promoted, do not act on the list",
    ),
    Cause.CALIBRATION_LOST: Advice(
        "a score no longer means what it says",
        "Look for what changed the version, its calibration or its inputs; if nothing did: baton retrain",
    ),
    Cause.PRIOR_SHIFT: Advice(
        "more or fewer happen than the scores say, in the right order",
        "Find what changed outside. The order of the list holds, amounts do not; when it lasts: baton retrain",
    ),
    Cause.COVARIATE_DRIFT: Advice(
        "the model sees others than those it was trained on",
        "Find out whether the change is meant (a market, a price, a campaign); then: baton retrain",
    ),
    Cause.STALE_MODEL: Advice(
        "the model is older than agreed", "baton retrain; if trainings ran, see why none was promoted: baton status"
    ),
}
