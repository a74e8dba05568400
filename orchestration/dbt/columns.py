"""What dbt's events lack: a relation's columns and row count, read beside the running build in the same process."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagster import TableSchema
    from duckdb import DuckDBPyConnection

ROW_COUNT, COLUMN_SCHEMA = "dagster/row_count", "dagster/column_schema"
Columns = dict[str, dict[str, str]]

_COLUMNS = """
    select column_name, data_type from duckdb_columns()
    where schema_name = ? and table_name = ? and database_name = current_database()
    order by column_index
"""


class ColumnReader:
    """Columns by relation for one build; a relation is read again after it was rebuilt."""

    def __init__(self, manifest: Mapping[str, Any], con: "DuckDBPyConnection") -> None:
        self._manifest, self._con = manifest, con
        self._known: dict[str, Columns] = {}

    def built(self, unique_id: str) -> Columns:
        """Columns of a node just built."""
        self._known.pop(unique_id, None)
        return self.columns(unique_id)

    def types(self, unique_ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """SQL type by column, by relation name, of nodes and sources; an ephemeral model has no relation."""
        found = {}
        for unique_id in unique_ids:
            if relation := self._props(unique_id)["relation_name"]:
                columns = self.columns(unique_id)
                found[relation] = {name: column["data_type"] for name, column in columns.items()}
        return found

    def row_count(self, unique_id: str) -> int:
        """Rows of the node's relation."""
        relation = self._manifest["nodes"][unique_id]["relation_name"]
        found = self._con.execute(f"select count(*) from {relation}").fetchone()
        return int(found[0]) if found else 0

    def columns(self, unique_id: str) -> Columns:
        """Columns of the node's or source's relation, with what its yml says of each."""
        if unique_id not in self._known:
            props = self._props(unique_id)
            table = props.get("alias") or props.get("identifier") or props["name"]
            rows = self._con.execute(_COLUMNS, [props["schema"], table]).fetchall()
            described = {name.lower(): column for name, column in props.get("columns", {}).items()}
            self._known[unique_id] = {
                name: {"data_type": kind, "description": (described.get(name.lower()) or {}).get("description", "")}
                for name, kind in rows
            }
        return self._known[unique_id]

    def _props(self, unique_id: str) -> Mapping[str, Any]:
        props: Mapping[str, Any] = self._manifest["nodes"].get(unique_id) or self._manifest["sources"][unique_id]
        return props


def table_metadata(con: "DuckDBPyConnection", relation: str) -> dict[str, Any]:
    """Rows and columns of a table that Python writes, as Dagster shows those of dbt's models."""
    return {ROW_COUNT: _rows(con, relation), COLUMN_SCHEMA: column_schema(con, relation)}


def column_schema(
    con: "DuckDBPyConnection", relation: str, without: Collection[str] = (), described: Mapping[str, str] | None = None
) -> "TableSchema":
    """Names and types of a relation's columns, leaving out those in `without` (lower case)."""
    import dagster as dg

    columns = con.execute(f"describe {relation}").fetchall()
    said = described or {}
    return dg.TableSchema(
        [
            dg.TableColumn(name, str(data_type), description=said.get(name) or None)
            for name, data_type, *_ in columns
            if name.lower() not in without
        ]
    )


def file_metadata(con: "DuckDBPyConnection") -> dict[str, Any]:
    """A whole database as one asset: all its rows, and its tables where others have columns."""
    import dagster as dg

    tables = con.execute(
        "select schema_name, table_name, column_count from duckdb_tables() "
        "where database_name = current_database() and not internal order by all"
    ).fetchall()
    rows = [_rows(con, f'"{schema}"."{table}"') for schema, table, _ in tables]
    shown = [
        dg.TableColumn(f"{schema}.{table}", f"table of {columns} columns", description=f"{count:,} rows")
        for (schema, table, columns), count in zip(tables, rows, strict=True)
    ]
    return {ROW_COUNT: sum(rows), COLUMN_SCHEMA: dg.TableSchema(shown)}


def _rows(con: "DuckDBPyConnection", relation: str) -> int:
    return int(con.execute(f"select count(*) from {relation}").fetchall()[0][0])
