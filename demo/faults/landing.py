"""Faults of a delivery: the files of one day, changed after the source wrote them and before anybody reads them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from demo.company import folder
from demo.faults import changes, files
from demo.faults.fault import Act, Repair, Scene
from demo.faults.files import Delivery
from demo.tables import SUFFIX
from ml.clock import DAY


def null_spike(scene: Scene) -> Repair:
    """A meter that stopped sending a number: empty in 70 % of the rows."""
    column = str(scene.dice.choice(["n_actions", "n_sessions", "active_users"]))
    share = 0.7 * scene.strength
    return _rewrite(scene, "usage_events", lambda whole: changes.emptied(whole, column, share, scene.dice))


def unit_change(scene: Scene) -> Repair:
    """Cents for dollars, seconds for minutes."""
    table, column, factor = _one_of(
        scene, ("usage_events", "n_actions", 60), ("usage_events", "active_users", 100), ("invoices", "amount_usd", 100)
    )
    by = 1 + (factor - 1) * scene.strength
    return _rewrite(scene, table, lambda whole: changes.multiplied(whole, column, by))


def category_renamed(scene: Scene) -> Repair:
    """A system spells a value another way."""
    table, column, old, new = _one_of(
        scene, ("usage_events", "channel", "web", "Web app"), ("usage_events", "channel", "mobile", "ios"),
        ("invoices", "status", "paid", "PAID"),
    )  # fmt: skip
    return _rewrite(scene, table, lambda whole: changes.renamed_value(whole, column, old, new))


def clock_shift(scene: Scene) -> Repair:
    """Local time written as UTC."""
    hours = int(scene.dice.choice([-8, -7, 7, 9]))
    shift = timedelta(hours=round(hours * scene.strength))
    return _rewrite(scene, "usage_events", lambda whole: changes.moved(whole, ("event_at", "written_at"), shift))


def schema_change(scene: Scene) -> Repair:
    """A number arrives as text with its unit, or under another name."""
    if scene.dice.random() < 0.5:
        column = str(scene.dice.choice(["n_actions", "n_sessions"]))
        return _rewrite(scene, "usage_events", lambda whole: changes.with_unit(whole, column))
    return _rewrite(scene, "usage_events", lambda whole: changes.renamed_column(whole, "n_actions", "actions"))


def duplicate_load(scene: Scene) -> Repair:
    """Yesterday's rows come once more in today's file."""
    table = str(scene.dice.choice(["usage_events", "invoices"]))
    earlier = _read(_file(scene, table, scene.as_of - 2 * DAY))
    return _rewrite(scene, table, lambda whole: changes.again(whole, earlier))


def landing_truncated(scene: Scene) -> Repair:
    """An export that ended early: a fifth of the lines."""
    kept = 1 - 0.8 * scene.strength
    return _rewrite(scene, "usage_events", lambda whole: changes.first_part(whole, kept))


def file_unreadable(scene: Scene) -> Repair:
    """A transfer that broke off in the middle of a compressed file."""
    path = _file(scene, str(scene.dice.choice(["usage_events", "accounts", "subscriptions"])))
    whole = path.read_bytes()
    changes.halved(path)
    return lambda: _put(path, whole)


def source_late(*tables: str) -> Act:
    """A delivery that does not come, until it comes late."""

    def act(scene: Scene) -> Repair:
        kept = folder(scene.home) / "held_back"
        table = _already(kept) or str(scene.dice.choice(list(tables)))
        path = _file(scene, table)
        held = kept / table / path.name
        held.parent.mkdir(parents=True, exist_ok=True)
        path.replace(held)
        return lambda: _delivered(kept, scene.home.landing)

    return act


def _already(kept: Path) -> str | None:
    return next((each.name for each in kept.iterdir()), None) if kept.is_dir() else None


def _delivered(kept: Path, landing: Path) -> None:
    for held in list(kept.glob("*/*")):
        held.replace(landing / held.parent.name / held.name)


def _one_of(scene: Scene, *choices: tuple[Any, ...]) -> tuple[Any, ...]:
    return choices[int(scene.dice.integers(len(choices)))]


def _file(scene: Scene, table: str, as_of: datetime | None = None) -> Path:
    """The file of the day that ends at as_of."""
    return scene.home.landing / table / f"{(as_of or scene.as_of) - DAY:%Y-%m-%d}.{SUFFIX[table]}"


def _rewrite(scene: Scene, table: str, change: Callable[[Delivery], Delivery]) -> Repair:
    """Change the day's file. Its repair is what a team would do: take back what was loaded, deliver the right file."""
    path = _file(scene, table)
    whole = path.read_bytes()
    files.write(path, change(_read(path)))

    def repair() -> None:
        _put(path, whole)
        if scene.home.warehouse.exists():
            with duckdb.connect(str(scene.home.warehouse)) as con:
                for relation in (f"raw.{table}", "raw.loaded_files", "raw.rejects"):
                    con.execute(f"delete from {relation} where file = ?", [f"{table}/{path.name}"])

    return repair


def _read(path: Path) -> Delivery:
    return files.read(path, files.format_of(path))


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
