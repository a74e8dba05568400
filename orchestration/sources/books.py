"""The loader's own tables: which files are loaded, what was rejected, whether a table's initial load is over."""

from datetime import datetime
from typing import TYPE_CHECKING

from ml.ops_tables import columns_in
from ml.quoting import quoted
from orchestration.sources.table import BOOKS, LOADER_COLUMNS, SourceTable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEDGER, REJECTS, STATE = (f'"raw"."{name}"' for name in BOOKS)

_DDL = f"""
create schema if not exists "raw";
create table if not exists {LEDGER} (
    source_table varchar, file varchar, size_bytes bigint, modified_ns bigint, content_hash varchar,
    n_rows bigint, n_rejected bigint, loaded_at timestamp, primary key (source_table, file));
create table if not exists {REJECTS} (
    source_table varchar, file varchar, line bigint, reason varchar, content varchar, loaded_at timestamp);
create table if not exists {STATE} (source_table varchar primary key, initial_load_completed_at timestamp);
"""


class RawTableError(RuntimeError):
    """The raw table in the warehouse does not fit what the source yml declares now."""


def prepare(con: "DuckDBPyConnection", table: SourceTable) -> None:
    """Create what is missing: the loader's tables, the raw table, columns declared since the last load.

    Raises RawTableError when a column's type in the yml is no longer the type in the warehouse.
    """
    con.execute("set TimeZone = 'UTC'")
    con.execute("set preserve_insertion_order = true")  # line numbers count rows in the order of the file
    con.execute(_DDL)
    wanted = {column.name: column.type for column in table.columns} | LOADER_COLUMNS
    found = columns_in(con, table.schema, table.name)
    if not found:
        columns = ", ".join(f"{quoted(name)} {data_type}" for name, data_type in wanted.items())
        con.execute(f"create schema if not exists {quoted(table.schema)}")
        con.execute(f"create table {table.relation} ({columns})")
        return
    _check(table, wanted, found)
    for name, data_type in wanted.items():
        if name not in found:
            con.execute(f"alter table {table.relation} add column {quoted(name)} {data_type}")


def _check(table: SourceTable, wanted: dict[str, str], found: dict[str, str]) -> None:
    foreign = [name for name in LOADER_COLUMNS if name not in found]
    if foreign:
        raise RawTableError(
            f"{table.full_name} exists but lacks {', '.join(foreign)}: it was not made by this loader. Remove "
            f"`landing` from it in {table.declared_in} if another tool loads it, or rename that table."
        )
    for name, data_type in wanted.items():
        if found.get(name, data_type) != data_type:
            then, declared = found[name].lower(), data_type.lower()
            alter = f"alter table {table.full_name} alter column {name} type {declared}"
            raise RawTableError(
                f"{table.declared_in}: column {name} of {table.full_name} is declared {declared}; in the warehouse it "
                f"is {then} and loaded rows are never rewritten. Declare {then} again and cast in staging. Or "
                f'convert it once, while nothing runs: .venv/bin/python -c "import duckdb; '
                f"duckdb.connect('.baton/warehouse.duckdb').execute('{alter}')\""
            )


def is_initial(con: "DuckDBPyConnection", table: SourceTable) -> bool:
    """True until a load of this table has run to its end once."""
    marker = con.execute(f"select 1 from {STATE} where source_table = ?", [table.full_name]).fetchone()
    return marker is None


def complete_initial(con: "DuckDBPyConnection", table: SourceTable, now: datetime) -> None:
    """Mark the initial load as over at the run's `now`; without any loaded file there was no load yet."""
    con.execute(
        f"insert into {STATE} select ?, ?::timestamp where exists (from {LEDGER} where source_table = ?)",
        [table.full_name, now, table.full_name],
    )


def last_row_id(con: "DuckDBPyConnection", table: SourceTable) -> int:
    """The greatest row_id of the raw table, 0 when it is empty."""
    row = con.execute(f"select coalesce(max(row_id), 0) from {table.relation}").fetchone()
    return int(row[0]) if row else 0
