"""Landing files and source tables for the loader's tests."""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orchestration.sources import Column, SourceTable

NOW = datetime(2026, 11, 21, 6)
EVENTS = SourceTable(
    schema="raw",
    name="events",
    path="events/*",
    format="jsonl",
    key=("event_id",),
    columns=(
        Column("event_id", "VARCHAR"),
        Column("n", "BIGINT"),
        Column("amount", "DOUBLE"),
        Column("note", "VARCHAR"),
        Column("written_at", "TIMESTAMP"),
    ),
    written_at="written_at",
    deleted="is_deleted",
    load_lag=timedelta(hours=24),
    declared_in="models/sources/events.yml",
)
CSV_HEADER = "event_id,n,amount,note,event_at,written_at"


def of_format(file_format: str) -> SourceTable:
    return replace(EVENTS, format=file_format)


def event(event_id: str, /, **fields: Any) -> dict[str, Any]:
    """A good event; `fields` replace or add, a field set to ... is left out."""
    row = {
        "event_id": event_id,
        "n": 1,
        "amount": 2.5,
        "note": "x",
        "event_at": "2026-11-01T10:00:00",
        "written_at": "2026-11-01T11:00:00",
    }
    return {name: value for name, value in (row | fields).items() if value is not ...}


def write(landing: Path, name: str, content: bytes | str | Iterable[Mapping[str, Any]]) -> Path:
    """A landing file of bytes, text, or JSON lines; compressed where its name ends in .gz."""
    path = landing / "events" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, (bytes, str)):
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def rows(con: duckdb.DuckDBPyConnection, columns: str, table: str = "raw.events") -> list[tuple[Any, ...]]:
    """Columns of the raw table in load order."""
    return con.execute(f"select {columns} from {table} order by row_id").fetchall()


def rejects(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Line, reason, content of every reject."""
    return con.execute("select line, reason, content from raw.rejects order by file, line").fetchall()


def state(con: duckdb.DuckDBPyConnection) -> list[list[tuple[Any, ...]]]:
    """Everything a load leaves behind, without the volatile `loaded_at`."""
    return [
        con.execute(query).fetchall()
        for query in (
            "select * exclude (loaded_at) from raw.events order by row_id",
            "select * exclude (loaded_at) from raw.rejects order by all",
            "select * exclude (loaded_at) from raw.loaded_files order by all",
            "select source_table from raw.load_state order by all",
        )
    ]
