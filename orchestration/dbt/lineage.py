"""Column lineage: which columns of a model's parents each of its columns is made of. Remembered, as SQL rarely changes.

dagster-dbt would derive it too, parsing the whole SQL once per column: 37 s for the demo's models, of which sqlglot's
own walk over all columns at once needs one.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from sqlglot.lineage import Node

METADATA = "dagster/column_lineage"
# What differs from run to run without a column coming from elsewhere: instants, and the numbers of runs (milliseconds).
_OF_THE_RUN = re.compile(r"'\d{4}-\d\d-\d\d[^']*'|\b\d{13}\b")

Types = Mapping[str, Mapping[str, str]]
"""SQL type by column, by relation name as dbt writes it."""


class LineageUnknown(Exception):
    """The SQL of a model that sqlglot cannot follow; the text says where."""


def derive(sql: str, relation: str, types: Types, keys: Mapping[str, dg.AssetKey]) -> dg.TableColumnLineage:
    """Lineage of the columns of `relation`, which `sql` builds, in the parents named in `keys` (by relation name).

    `types` has the columns of the parents and of the relation itself. A column that `sql` does not select (a
    materialization adds it) has no dependency. Raises LineageUnknown.
    """
    from sqlglot import MappingSchema, to_table
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    schema = MappingSchema(dialect="duckdb")
    for name, columns in types.items():
        schema.add_table(to_table(name, dialect="duckdb"), column_mapping=dict(columns), dialect="duckdb")
    try:
        nodes = lineage(None, sql, schema=schema, dialect="duckdb", trim_selects=False, copy=False)
    except SqlglotError as error:
        raise LineageUnknown(f"columns of {relation} cannot be followed to those it reads: {error}") from error
    parents = {_parts(to_table(name, dialect="duckdb")): key for name, key in keys.items()}
    read = {name.lower(): _Leaves().of(node) for name, node in nodes.items()}
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=parents[table], column_name=name)
                for table, name in sorted(read.get(column.lower(), ()))
                if table in parents
            ]
            for column in types[relation]
        }
    )


class _Leaves:
    """(table, column) pairs at the ends of a lineage graph, each node of it visited once: CTEs share theirs."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._found: set[tuple[tuple[str, ...], str]] = set()

    def of(self, node: "Node") -> set[tuple[tuple[str, ...], str]]:
        from sqlglot import exp

        if id(node) not in self._seen:
            self._seen.add(id(node))
            for below in node.downstream:
                self.of(below)
            table = None if node.downstream else node.expression.find(exp.Table)
            if table:
                self._found.add((_parts(table), exp.to_column(node.name).name.lower()))
        return self._found


def _parts(table: Any) -> tuple[str, ...]:
    return tuple(part.name.lower() for part in table.parts)


class LineageMemory:
    """Lineage by content of the compiled SQL (without clock and number of the run) and of the columns it reads."""

    def __init__(self, file: Path) -> None:
        self._file, self._changed = file, False

    @cached_property
    def _known(self) -> dict[str, dict[str, list[list[Any]]] | str]:
        try:
            found: dict[str, dict[str, list[list[Any]]] | str] = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found

    def lineage(self, sql: str, relation: str, types: Types, keys: Mapping[str, dg.AssetKey]) -> dg.TableColumnLineage:
        """As `derive`, from memory where the same was asked before. Raises LineageUnknown, remembered too."""
        read = [_OF_THE_RUN.sub("''", sql), relation, json.dumps([types, sorted(keys)], sort_keys=True)]
        key = hashlib.sha256("\0".join(read).encode()).hexdigest()
        if key not in self._known:
            self._known[key], self._changed = _derived(sql, relation, types, keys), True
        found = self._known[key]
        if isinstance(found, str):
            raise LineageUnknown(found)
        return dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset_key=dg.AssetKey(path), column_name=name) for path, name in deps]
                for column, deps in found.items()
            }
        )

    def save(self) -> None:
        """Write the memory, if it grew."""
        if self._changed:
            fresh = self._file.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(self._known))
            fresh.replace(self._file)


def _derived(
    sql: str, relation: str, types: Types, keys: Mapping[str, dg.AssetKey]
) -> dict[str, list[list[Any]]] | str:
    try:
        lineage = derive(sql, relation, types, keys)
    except LineageUnknown as error:
        return str(error)
    return {
        column: [[list(dep.asset_key.path), dep.column_name] for dep in deps]
        for column, deps in lineage.deps_by_column.items()
    }
