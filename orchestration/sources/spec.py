"""What the dbt source yml declares about landing files, as typed and validated values."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from ml.clock import parse_duration
from ml.manifest import meta_of
from orchestration.sources import types
from orchestration.sources.table import BOOKS, LOADER_COLUMNS, Column, SourceTable

FORMATS = ("jsonl", "csv", "parquet")
FIELDS = ("path", "format", "key", "event_at", "written_at", "deleted", "load_lag", "assumed_lag", "writer")


class SourceSpecError(ValueError):
    """A source's `meta.landing` or columns are wrong: names file, table, field, what was found, what is allowed."""


def load_sources(manifest: Mapping[str, Any]) -> list[SourceTable]:
    """Every source table of a dbt manifest that declares `meta.landing`, sorted by name; others have their own loader.

    Raises SourceSpecError at the first wrong field.
    """
    nodes = sorted(manifest["sources"].values(), key=lambda node: str(node["unique_id"]))
    return [_Parser(node).table() for node in nodes if _declares_landing(node)]


def _declares_landing(node: Mapping[str, Any]) -> bool:
    # dbt merges meta shallowly: a table without a landing block of its own shows its source's.
    landing = meta_of(node).get("landing")
    return landing is not None and landing != (node.get("source_meta") or {}).get("landing")


class _Parser:
    """Reads one source node of the manifest."""

    def __init__(self, node: Mapping[str, Any]) -> None:
        self.node = node
        self.where = f"{node['original_file_path']}: source table {node['source_name']}.{node['name']}"
        own, shared = meta_of(node)["landing"], (node.get("source_meta") or {}).get("landing") or {}
        if not isinstance(own, Mapping) or not isinstance(shared, Mapping):
            raise self.error("meta.landing", own, "a mapping with " + ", ".join(FIELDS))
        self.landing = {**shared, **own}

    def error(self, field: str, found: object, allowed: str) -> SourceSpecError:
        return SourceSpecError(f"{self.where}: {field} is {found!r}; allowed is {allowed}. Then run: baton run")

    def table(self) -> SourceTable:
        for name in self.landing:
            if name not in FIELDS:
                raise self.error(
                    f"landing.{name}", self.landing[name], "no such field; the fields are " + ", ".join(FIELDS)
                )
        event_at = self.name_of("event_at") or self.missing("event_at")
        written_at, assumed_lag = self.name_of("written_at"), self.duration("assumed_lag")
        if written_at is None and assumed_lag is None:
            raise self.error(
                "landing.written_at", None, "the field that says when a row was written, or else an assumed_lag"
            )
        table = SourceTable(
            schema=self.node["schema"],
            name=self.table_name(),
            path=self.path(),
            format=self.choice("format", FORMATS),
            key=self.key(event_at),
            columns=self.columns(event_at, written_at),
            event_at=event_at,
            written_at=written_at,
            deleted=self.name_of("deleted"),
            load_lag=self.duration("load_lag") or timedelta(0),
            assumed_lag=assumed_lag,
            writer=self.name_of("writer"),
            source_name=self.node["source_name"],
            unique_id=self.node["unique_id"],
            declared_in=self.node["original_file_path"],
        )
        self.check_references(table)
        return table

    def missing(self, field: str) -> str:
        raise self.error(f"landing.{field}", None, f"the name of a field of the file, e.g. {field}: {field}")

    def table_name(self) -> str:
        name = str(self.node.get("identifier") or self.node["name"])
        if name in BOOKS:
            raise self.error("name", name, "any name but the loader's own tables " + ", ".join(BOOKS))
        return name

    def name_of(self, field: str) -> str | None:
        value = self.landing.get(field)
        if value is None or (isinstance(value, str) and value):
            return value
        raise self.error(f"landing.{field}", value, "a text")

    def choice(self, field: str, allowed: tuple[str, ...]) -> str:
        value = self.landing.get(field)
        if value not in allowed:
            raise self.error(f"landing.{field}", value, ", ".join(allowed))
        return str(value)

    def path(self) -> str:
        value = self.name_of("path")
        if not value or PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
            raise self.error("landing.path", value, 'a glob inside BATON_HOME/landing, e.g. "accounts/*.jsonl.gz"')
        return value

    def duration(self, field: str) -> timedelta | None:
        value = self.landing.get(field)
        if value is None:
            return None
        try:
            return parse_duration(value)
        except ValueError as problem:
            raise self.error(f"landing.{field}", value, "a duration such as 24 hours or 2 days") from problem

    def key(self, event_at: str) -> tuple[str, ...]:
        value = self.landing.get("key")
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise self.error("landing.key", value, "a list of declared columns, e.g. [account_id, event_at]")
        return tuple("event_at" if name == event_at else name for name in names)

    def columns(self, event_at: str, written_at: str | None) -> tuple[Column, ...]:
        declared = [self.column(name, column) for name, column in self.node["columns"].items()]
        stored = [column for column in declared if column.name not in LOADER_COLUMNS]
        if written_at and written_at != event_at and written_at not in [column.name for column in declared]:
            stored.append(Column(written_at, "TIMESTAMP"))
        return tuple(stored)

    def column(self, name: str, declared: Mapping[str, Any]) -> Column:
        found = declared.get("data_type")
        known = types.canonical(str(found)) if found else LOADER_COLUMNS.get(name)
        if known is None:
            raise self.error(f"columns.{name}.data_type", found, types.ALLOWED)
        if known != LOADER_COLUMNS.get(name, known):
            own = LOADER_COLUMNS[name].lower()
            raise self.error(f"columns.{name}", found, f"{own}: the loader writes this column itself")
        if any(character in '"\\' or ord(character) < 32 for character in name):
            raise self.error(f"columns.{name}", name, "a name without quotes, backslashes and control characters")
        return Column(name, known)

    def check_references(self, table: SourceTable) -> None:
        """Key columns exist; fields with a meaning of their own have its type and are no columns of the loader."""
        types_of = {column.name: column.type for column in table.columns}
        meanings = {"event_at": "TIMESTAMP", "written_at": "TIMESTAMP", "deleted": "BOOLEAN"}
        own = {"event_at": "event_at", "written_at": "event_at", "deleted": "is_deleted"}
        for field, wanted in meanings.items():
            named = self.name_of(field)
            if named in LOADER_COLUMNS and named != own[field]:
                raise self.error(f"landing.{field}", named, "a field of the file; the loader writes this column itself")
            if named and types_of.get(named, wanted) != wanted:
                found = types_of[named].lower()
                raise self.error(f"columns.{named}.data_type", found, f"{wanted.lower()}: it is {field}")
        for name in table.key_fields:
            if name not in table.fields:
                raise self.error("landing.key", name, "one of " + ", ".join(table.fields))
