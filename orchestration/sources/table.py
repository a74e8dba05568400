"""A raw table and the landing files it is loaded from."""

from dataclasses import dataclass
from datetime import timedelta

from ml.quoting import quoted

LOADER_COLUMNS = {
    "event_at": "TIMESTAMP",
    "known_at": "TIMESTAMP",
    "loaded_at": "TIMESTAMP",
    "file": "VARCHAR",
    "line": "BIGINT",
    "row_id": "BIGINT",
    "is_deleted": "BOOLEAN",
    "extra": "JSON",
}
BOOKS = ("loaded_files", "rejects", "load_state")


@dataclass(frozen=True)
class Column:
    """A column of a raw table: its name (also the field's name in the file) and the engine's type."""

    name: str
    type: str


@dataclass(frozen=True)
class SourceTable:
    """One raw table and the landing files it is loaded from.

    `columns` are the declared columns as stored, `written_at` included; event_at and is_deleted are the loader's.
    `event_at`, `written_at` and `deleted` name fields of the file. `path` is a glob relative to the landing folder.
    """

    schema: str
    name: str
    path: str
    format: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    event_at: str = "event_at"
    written_at: str | None = None
    deleted: str | None = None
    load_lag: timedelta = timedelta(0)
    assumed_lag: timedelta | None = None
    writer: str | None = None
    source_name: str = "raw"
    unique_id: str = ""
    declared_in: str = ""

    @property
    def relation(self) -> str:
        """The raw table as SQL names it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def full_name(self) -> str:
        """The raw table as people and the ledger name it: `raw.accounts`."""
        return f"{self.schema}.{self.name}"

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The fields of the file that make the key, which is named by columns of the raw table."""
        return tuple(self.event_at if name == "event_at" else name for name in self.key)

    @property
    def fields(self) -> dict[str, str]:
        """Every field the loader takes from a file, by name, with the type it must have."""
        wanted = {column.name: column.type for column in self.columns}
        wanted[self.event_at] = "TIMESTAMP"
        if self.deleted:
            wanted[self.deleted] = "BOOLEAN"
        return wanted
