"""Faults inside the warehouse and the project: SQL that somebody edited, rows that somebody changed or lost."""

from datetime import timedelta
from typing import Any

import duckdb

from demo.faults.fault import Repair, Scene

EDITS = (
    ("models/staging/staging_usage.sql", "cast(n_actions as integer)", "cast(n_actions / 10 as integer)"),
    ("macros/churn_features.sql", "as double) / n_seats as actions_per_seat_28d", "as double) as actions_per_seat_28d"),
    ("macros/churn_features.sql", "coalesce(n_web_days_28d, 0)", "coalesce(n_web_days_7d, 0)"),
)


def transform_changed(scene: Scene) -> Repair:
    """A colleague mends one query and breaks the meaning of another."""
    file, old, new = EDITS[int(scene.dice.integers(len(EDITS)))]
    path = scene.project / file
    text = path.read_text()
    if old not in text:
        raise ValueError(f"{path} no longer has {old!r}: bring demo/faults/inside.py up to date")
    path.write_text(text.replace(old, new))

    def repair() -> None:
        path.write_text(text)
        _forget(scene)

    return repair


def _forget(scene: Scene) -> None:
    """Days of the scoring set that were built wrongly are built again by whoever mends it; they are kept otherwise."""
    _execute(scene, "delete from churn.scoring_set where as_of >= $day")


def train_serve_skew(scene: Scene) -> Repair:
    """What the scorer reads is not what the query gives: a cache of the day before, a second code path."""
    changes = ("days_since_use = days_since_use + 3", "n_web_days_7d = 7 - n_web_days_7d", "mrr_usd = 0")
    picked = changes[int(scene.dice.integers(len(changes)))]
    share = 100 * scene.strength
    _execute(scene, f"update churn.scoring_set set {picked} where as_of = $day and hash(account_id) % 100 < {share}")
    return lambda: _forget(scene)


def calibration_lost(scene: Scene) -> None:
    """Somebody multiplies the scores on their way into the log."""
    factor = 1 + float(scene.dice.choice([2.0, 3.0, 4.0])) * scene.strength
    _execute(scene, f"update churn.predictions set score = least(0.99, {factor} * score) where as_of = $day")


def scoring_incomplete(scene: Scene) -> None:
    """A scorer that died half-way."""
    share = float(scene.dice.choice([20, 40, 60])) * scene.strength
    _execute(scene, f"delete from churn.predictions where as_of = $day and hash(account_id) % 100 < {share}")


def stale_model(scene: Scene) -> Repair:
    """The retraining job was off for most of a year."""
    days = timedelta(days=200)
    move = f"update ops.model_versions set labels_known_until = labels_known_until {{}} interval {days.days} days"
    _execute(scene, move.format("-"))
    return lambda: _execute(scene, move.format("+"))


def champion_missing(scene: Scene) -> Repair:
    """The alias is gone, or the folder of the model is."""
    if scene.dice.random() < 0.5:
        _execute(scene, "update ops.model_versions set serves_to = $day, is_champion = false")
        back = "update ops.model_versions set serves_to = null, is_champion = true"
        return lambda: _execute(scene, back)
    folder = scene.home.mlartifacts / "churn"
    aside = scene.home.mlartifacts / "churn.moved"
    folder.rename(aside)
    return lambda: _rename(aside, folder)


def _rename(source: Any, target: Any) -> None:
    source.rename(target)


def _execute(scene: Scene, sql: str) -> None:
    with duckdb.connect(str(scene.home.warehouse)) as con:
        con.execute(sql, {"day": scene.as_of} if "$day" in sql else None)
