"""Tables of a project that a morning makes by their compiled SQL alone: dbt spends 60 ms of a core around each.

A table qualifies when dbt compiled it to the same SQL on two mornings and that SQL names neither its day nor its home:
what it holds then depends on the tables it reads, and on nothing that dbt would look up.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass
class Compiled:
    """SQL of a project's tables, by unique id. steady: the same on two mornings in a row."""

    last: dict[str, str] = field(default_factory=dict)
    steady: dict[str, str] = field(default_factory=dict)

    def learn(self, compiled: Mapping[str, str], said: Set[str]) -> None:
        """What dbt compiled this morning. said: texts that only this morning, or this home, has."""
        for uid, sql in compiled.items():
            if self.last.get(uid) == sql and not any(text in sql for text in said):
                self.steady[uid] = sql
            else:
                self.steady.pop(uid, None)
            self.last[uid] = sql


def in_order(manifest: Mapping[str, Any], steady: Set[str], left: Set[str], standing: Set[str]) -> list[str]:
    """Those of `left` in `steady` that read nothing but each other and what is `standing` unchanged, parents first.

    What reads a source, or a model of another morning, is left to dbt: its columns may have changed unseen.
    """
    found: list[str] = []
    while ready := [
        uid
        for uid in sorted((steady & left) - set(found))
        if set(manifest["nodes"][uid]["depends_on"]["nodes"]) <= standing | set(found)
    ]:
        found += ready
    return found


def make(con: "DuckDBPyConnection", node: Mapping[str, Any], sql: str) -> None:
    """Put the table in the place of the one that is there, as dbt's build does. Raises duckdb.Error."""
    con.execute(f'create or replace table "{node["schema"]}"."{node["alias"]}" as (\n{sql}\n)')
