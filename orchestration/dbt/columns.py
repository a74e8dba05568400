"""What dbt's events lack: a relation's columns and row count, read beside the running build in the same process."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

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

    def history(self, unique_id: str) -> dict[str, Any]:
        """dagster-dbt's `event_history_metadata` of a node just built: its columns and its parents' columns."""
        props = self._manifest["nodes"][unique_id]
        self._known.pop(unique_id, None)
        parents = {}
        for parent in props["depends_on"]["nodes"]:
            relation = (self._manifest["nodes"].get(parent) or self._manifest["sources"][parent])["relation_name"]
            if relation:
                parents[relation] = {"columns": self._columns(parent)}
        return {"columns": self._columns(unique_id), "parents": parents}

    def row_count(self, unique_id: str) -> int:
        """Rows of the node's relation."""
        relation = self._manifest["nodes"][unique_id]["relation_name"]
        found = self._con.execute(f"select count(*) from {relation}").fetchone()
        return int(found[0]) if found else 0

    def _columns(self, unique_id: str) -> Columns:
        if unique_id not in self._known:
            props = self._manifest["nodes"].get(unique_id) or self._manifest["sources"][unique_id]
            table = props.get("alias") or props.get("identifier") or props["name"]
            rows = self._con.execute(_COLUMNS, [props["schema"], table]).fetchall()
            described = {name.lower(): column for name, column in props.get("columns", {}).items()}
            self._known[unique_id] = {
                name: {"data_type": kind, "description": (described.get(name.lower()) or {}).get("description", "")}
                for name, kind in rows
            }
        return self._known[unique_id]


def table_metadata(con: "DuckDBPyConnection", relation: str) -> dict[str, Any]:
    """Rows and columns of a table that Python writes, as Dagster shows those of dbt's models."""
    import dagster as dg

    columns = con.execute(f"describe {relation}").fetchall()
    rows = con.execute(f"select count(*) from {relation}").fetchall()[0][0]
    schema = dg.TableSchema([dg.TableColumn(name, str(data_type)) for name, data_type, *_ in columns])
    return {"dagster/row_count": rows, "dagster/column_schema": schema}
