"""Faults of a delivery: the files of one day, changed after the source wrote them and before anybody reads them."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from demo.company import folder
from demo.faults.fault import Act, Repair, Scene
from demo.tables import SUFFIX
from ml.clock import DAY

Rows = list[dict[str, Any]]


def null_spike(scene: Scene) -> Repair:
    """A meter that stopped sending a number: empty in 70 % of the rows."""
    column = str(scene.dice.choice(["n_actions", "n_sessions", "active_users"]))
    return _edit(
        scene, "usage_events", lambda row: {**row, column: ""} if scene.dice.random() < 0.7 * scene.strength else row
    )


def unit_change(scene: Scene) -> Repair:
    """Cents for dollars, seconds for minutes."""
    table, column, factor = _one_of(
        scene, ("usage_events", "n_actions", 60), ("usage_events", "active_users", 100), ("invoices", "amount_usd", 100)
    )
    return _edit(scene, table, lambda row: {**row, column: _times(row[column], 1 + (factor - 1) * scene.strength)})


def category_renamed(scene: Scene) -> Repair:
    """A system spells a value another way."""
    table, column, old, new = _one_of(
        scene, ("usage_events", "channel", "web", "Web app"), ("usage_events", "channel", "mobile", "ios"),
        ("invoices", "status", "paid", "PAID"),
    )  # fmt: skip
    return _edit(scene, table, lambda row: {**row, column: new if row[column] == old else row[column]})


def clock_shift(scene: Scene) -> Repair:
    """Local time written as UTC."""
    hours = int(scene.dice.choice([-8, -7, 7, 9]))
    shift = timedelta(hours=round(hours * scene.strength))

    def moved(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, **{name: _later(row[name], shift) for name in ("event_at", "written_at")}}

    return _edit(scene, "usage_events", moved)


def schema_change(scene: Scene) -> Repair:
    """A number arrives as text with its unit, or under another name."""
    if scene.dice.random() < 0.5:
        column = str(scene.dice.choice(["n_actions", "n_sessions"]))
        return _edit(scene, "usage_events", lambda row: {**row, column: f"{row[column]} pcs"})
    rename = {"n_actions": "actions"}
    return _edit(scene, "usage_events", lambda row: {rename.get(name, name): value for name, value in row.items()})


def duplicate_load(scene: Scene) -> Repair:
    """Yesterday's rows come once more in today's file."""
    table = str(scene.dice.choice(["usage_events", "invoices"]))
    earlier = _read(_file(scene, table, scene.as_of - 2 * DAY))
    return _rewrite(scene, table, lambda rows: [*rows, *earlier])


def landing_truncated(scene: Scene) -> Repair:
    """An export that ended early: a fifth of the lines."""
    kept = 1 - 0.8 * scene.strength
    return _rewrite(scene, "usage_events", lambda rows: rows[: round(kept * len(rows))])


def file_unreadable(scene: Scene) -> Repair:
    """A transfer that broke off in the middle of a compressed file."""
    path = _file(scene, str(scene.dice.choice(["usage_events", "accounts", "subscriptions"])))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
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


def _times(text: str, factor: float) -> str:
    return f"{float(text) * factor:.10g}" if text else text


def _later(text: str, shift: timedelta) -> str:
    return (datetime.fromisoformat(text) + shift).isoformat(sep=" ")


def _file(scene: Scene, table: str, as_of: datetime | None = None) -> Path:
    """The file of the day that ends at as_of."""
    return scene.home.landing / table / f"{(as_of or scene.as_of) - DAY:%Y-%m-%d}.{SUFFIX[table]}"


def _edit(scene: Scene, table: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Repair:
    return _rewrite(scene, table, lambda rows: [change(row) for row in rows])


def _rewrite(scene: Scene, table: str, change: Callable[[Rows], Rows]) -> Repair:
    """Change the day's file. Its repair is what a team would do: take back what was loaded, deliver the right file."""
    path = _file(scene, table)
    whole = path.read_bytes()
    _write(path, change(_read(path)))

    def repair() -> None:
        _put(path, whole)
        if scene.home.warehouse.exists():
            with duckdb.connect(str(scene.home.warehouse)) as con:
                for relation in (f"raw.{table}", "raw.loaded_files", "raw.rejects"):
                    con.execute(f"delete from {relation} where file = ?", [f"{table}/{path.name}"])

    return repair


def _read(path: Path) -> Rows:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    if ".csv" in path.name:
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) for line in text.splitlines()]


def _write(path: Path, rows: Rows) -> None:
    if ".csv" in path.name:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = buffer.getvalue()
    else:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
