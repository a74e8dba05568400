"""Load one landing file in one transaction: the sound way in a single pass, else record by record with rejects."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from orchestration.sources.books import LEDGER
from orchestration.sources.files import LandingFile, UnreadableFile, check_gzip, content_hash
from orchestration.sources.lines import batches, csv_records_of, lines_of
from orchestration.sources.records import Header, lines_in, read_header, records_in, undeclared_in
from orchestration.sources.rows import insert_good, insert_rejects, typed
from orchestration.sources.table import SourceTable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LINES = "baton_lines"
_ENGINE_TROUBLE = (duckdb.InterruptException, duckdb.FatalException, duckdb.OutOfMemoryException)


@dataclass(frozen=True)
class Loaded:
    """What one file brought."""

    n_rows: int
    n_rejected: int
    undeclared: list[str]


@dataclass(frozen=True)
class FileLoader:
    """Loads files of `table`; `known_from` is the earliest known_at of what it loads, None during the initial load."""

    con: "DuckDBPyConnection"
    table: SourceTable
    known_from: datetime | None

    def load(self, file: LandingFile, after_row_id: int) -> Loaded:
        """Commit the rows, the rejects and the ledger row of `file`, or nothing. Row ids follow `after_row_id`.

        Raises UnreadableFile or OSError when nothing of the file can be read.
        """
        check_gzip(file)
        digest = content_hash(file)
        header = read_header(self.con, self.table, file)
        try:
            n_rows, n_rejected = self._transaction(file, digest, lambda: self._all_sound(file, header, after_row_id))
        except _ENGINE_TROUBLE:
            raise
        except duckdb.Error:
            # Whatever it was, reading record by record either succeeds or says precisely what is wrong.
            n_rows, n_rejected = self._transaction(file, digest, lambda: self._sorted_out(file, header, after_row_id))
        return Loaded(n_rows, n_rejected, undeclared_in(self.table, header))

    def _transaction(self, file: LandingFile, digest: str, insert: Callable[[], tuple[int, int]]) -> tuple[int, int]:
        self.con.execute("begin transaction")
        try:
            counts = insert()
            self.con.execute(
                f"insert into {LEDGER} values (?, ?, ?, ?, ?, ?, ?, get_current_timestamp()::timestamp)",
                [self.table.full_name, file.name, file.size, file.modified_ns, digest, *counts],
            )
            if not file.is_as_before():
                raise UnreadableFile("it changed while it was read: write under another name, rename when complete")
            self.con.execute("commit")
        except BaseException:
            with suppress(duckdb.TransactionException):  # a commit that failed has rolled back already
                self.con.execute("rollback")
            raise
        return counts

    def _all_sound(self, file: LandingFile, header: Header, after_row_id: int) -> tuple[int, int]:
        if self.table.format == "csv" and not header.names:
            return 0, 0  # nothing but blank lines
        rows = typed(self.table, records_in(self.table, file, header, lines_in(file)))
        return self._insert_good(file, rows, after_row_id, strict=True), 0

    def _sorted_out(self, file: LandingFile, header: Header, after_row_id: int) -> tuple[int, int]:
        if self.table.format == "parquet":
            return self._parquet_sorted_out(file, header, after_row_id)
        n_rows = n_rejected = 0
        for lines in self._chunks(file, header):
            rows = typed(self.table, records_in(self.table, file, header, lines))
            n_rows += self._insert_good(file, rows, after_row_id + n_rows, strict=False)
            n_rejected += self._insert_rejects(file, rows)
        return n_rows, n_rejected

    def _parquet_sorted_out(self, file: LandingFile, header: Header, after_row_id: int) -> tuple[int, int]:
        rows = typed(self.table, records_in(self.table, file, header, lines=""))
        try:
            return self._insert_good(file, rows, after_row_id, strict=False), self._insert_rejects(file, rows)
        except _ENGINE_TROUBLE:
            raise
        except duckdb.Error as problem:
            raise UnreadableFile(f"broken Parquet: {problem}") from problem

    def _chunks(self, file: LandingFile, header: Header) -> Iterator[str]:
        """SQL for the numbered lines (CSV: records) of a text file, a bounded number at a time."""
        if self.table.format == "csv":
            records = csv_records_of(file, header.end, len(header.names))
        else:
            records = lines_of(file)
        for batch in batches(records):
            self.con.register(_LINES, batch)
            try:
                yield f"select line, text from {_LINES}"
            finally:
                self.con.unregister(_LINES)

    def _insert_good(self, file: LandingFile, rows: str, after_row_id: int, *, strict: bool) -> int:
        sql = insert_good(self.table, file, rows, after_row_id=after_row_id, known_from=self.known_from, strict=strict)
        return _count(self.con.execute(sql).fetchone())

    def _insert_rejects(self, file: LandingFile, rows: str) -> int:
        return _count(self.con.execute(insert_rejects(self.table, file, rows)).fetchone())


def _count(row: tuple[int, ...] | None) -> int:
    return int(row[0]) if row else 0
