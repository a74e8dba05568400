"""Dagster's SQLite storage opens and closes a connection per event, several per event written.

The last connection to close makes SQLite copy the write-ahead log back, and each commit waits for the disk: together
20 of 40 seconds of a daily run. Holding one connection open, and waiting for the disk only when the log is copied back,
takes that away; what a power cut can lose is the last events of a run, never the consistency of the file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from typing import Any

from ml.home import Home


@contextmanager
def kept_open(home: Home, run_id: str) -> Iterator[None]:
    """While a run executes in this process: its event log and the shared index and run tables stay open."""
    relax_commits()
    history = home.dagster / "history"
    files = (history / "runs.db", history / "runs" / "index.db", history / "runs" / f"{run_id}.db")
    with ExitStack() as stack:
        for file in files:
            if file.is_file():
                held = stack.enter_context(closing(sqlite3.connect(file, check_same_thread=False)))
                held.execute("select count(*) from sqlite_master").fetchone()
        yield


@cache
def relax_commits() -> None:
    """From now on, SQLite connections of this process wait for the disk at checkpoints only (write-ahead log mode)."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _relax)


def _relax(connection: Any, _record: Any) -> None:
    driver = getattr(connection, "driver_connection", connection)
    if isinstance(driver, sqlite3.Connection) and driver.execute("pragma journal_mode").fetchone()[0] == "wal":
        driver.execute("pragma synchronous = normal")
