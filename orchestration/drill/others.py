"""Rows of a morning in tables that another tool fills: taken out as a file, put in again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from ml import clock
from ml.diagnosis.lineage import Raw
from ml.ops_tables import columns_in
from ml.quoting import quoted
from ml.warehouse import first_row
from orchestration.sources.table import SourceTable

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

OTHERS = "loaded_by_another_tool"


class Refused(RuntimeError):
    """A table does not take the rows that a fault made: a constraint, a type. Its loader would have stopped there."""


@dataclass(frozen=True)
class Delivered:
    """One file of the morning, as it lies in the scratch home. n_rows: rows of it that were loaded."""

    table: SourceTable
    path: Path
    n_rows: int

    @property
    def asset(self) -> str:
        """The raw table as an asset."""
        return f"{self.table.schema}/{self.table.name}"


def taken_out(con: "DuckDBPyConnection", raw: Raw, as_of: datetime, target: Path) -> Iterator[Delivered]:
    """Rows of the morning of a table that another tool fills."""
    schema, name = raw.asset.split("/")
    known_at = raw.known_at if raw.known_at in columns_in(con, schema, name) else None
    if known_at is None or not is_table(con, schema, name):
        return
    new = f"{quoted(known_at)} >= timestamp '{clock.sql(as_of - clock.DAY)}'"
    rows: pa.Table = con.sql(f"from {raw.relation} where {new}").to_arrow_table()
    if rows.num_rows:
        path = target / OTHERS / f"{schema}.{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path)
        con.execute(f"delete from {raw.relation} where {new}")
        yield Delivered(SourceTable(schema, name, "", "parquet", (), ()), path, rows.num_rows)


def put_in(con: "DuckDBPyConnection", file: Delivered) -> None:
    """What another tool would have done: the rows of its file into its table. Raises Refused."""
    import duckdb

    if file.path.parent.name != OTHERS:
        return
    try:
        con.execute(f"insert into {file.table.relation} by name from read_parquet(?)", [str(file.path)])
    except (duckdb.ConstraintException, duckdb.ConversionException) as error:
        why = f"the table does not take what the fault makes of its rows ({type(error).__name__})"
        raise Refused(f"{file.asset}: {why}") from error


def is_table(con: "DuckDBPyConnection", schema: str, name: str) -> bool:
    """Whether it is a table, not a view and not missing."""
    asked = "select 1 from duckdb_tables() where schema_name = ? and table_name = ?"
    return first_row(con, asked, [schema, name]) is not None
