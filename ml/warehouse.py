"""Opening the warehouse: one writer at a time on the live file, everybody else on the published copy."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from random import uniform
from typing import TYPE_CHECKING, Any

from ml.home import Home

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

MEMORY_LIMIT = "1GiB"


class WarehouseLocked(RuntimeError):
    """Another process holds the warehouse file and did not let go in time."""


class NothingPublished(RuntimeError):
    """No run has published a read copy yet."""


def _open(path: Path, wait_seconds: float) -> "DuckDBPyConnection":
    import duckdb

    deadline, pause = time.monotonic() + wait_seconds, 0.1
    while True:
        try:
            return duckdb.connect(str(path))
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
            if time.monotonic() + pause > deadline:
                holder = re.search(r"held in (.+?)(?:\. See also|$)", str(error))
                raise WarehouseLocked(
                    f"{path} is held by {holder[1] if holder else 'another process'} and was not released within "
                    f"{wait_seconds:.0f} s. Wait for that run or stop that process; readers use `baton sql`, "
                    "which opens the published copy. See who: baton doctor"
                ) from error
        time.sleep(pause * uniform(0.5, 1.0))
        pause = min(pause * 2, 5.0)


@contextmanager
def open_warehouse(
    home: Home, memory_limit: str = MEMORY_LIMIT, wait_seconds: float = 60.0
) -> Iterator["DuckDBPyConnection"]:
    """The live warehouse, read-write, in UTC; closed (and so unlocked) on leaving.

    Retries with backoff while another process holds the file; then raises WarehouseLocked naming the holder.
    """
    con = _open(home.warehouse, wait_seconds)
    try:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"set memory_limit = '{memory_limit}'")
        yield con
    finally:
        con.close()


@contextmanager
def transaction(con: "DuckDBPyConnection") -> Iterator[None]:
    """All or nothing: committed on leaving, rolled back on any exception, interrupts included."""
    con.begin()
    try:
        yield
    except BaseException:
        con.rollback()
        raise
    con.commit()


def first_row(con: "DuckDBPyConnection", query: str, parameters: object = None) -> tuple[Any, ...] | None:
    """The first row of a short result, all of it fetched: a result half read keeps the connection busy."""
    rows = con.execute(query, parameters).fetchall()
    return rows[0] if rows else None


def connect(home: Home | None = None) -> "DuckDBPyConnection":
    """A read-only connection to the published copy of the warehouse."""
    import duckdb

    path = (home or Home.from_env()).published_warehouse
    if not path.exists():
        raise NothingPublished(f"{path} does not exist: no run has finished yet. Next: make run")
    con = duckdb.connect(str(path), read_only=True)
    con.execute("set TimeZone = 'UTC'")
    return con


class UnknownModel(LookupError):
    """The published copy has no relation of that name."""


def ref(model: str, home: Home | None = None) -> "DuckDBPyRelation":
    """A dbt model of the published copy as a relation: `ml.ref("churn_performance").df()`.

    `churn_training_set` is `churn.training_set`. Raises UnknownModel naming the nearest models.
    """
    con = connect(home)
    rows = con.execute("select table_schema, table_name from information_schema.tables").fetchall()
    found = {f"{schema}_{table}": f'"{schema}"."{table}"' for schema, table in rows}
    if model not in found:
        near = get_close_matches(model, found, n=3) or sorted(found)[:10]
        raise UnknownModel(f"No model {model!r} in the published copy; nearest: {', '.join(near)}. Next: baton run")
    return con.sql(f"from {found[model]}")
