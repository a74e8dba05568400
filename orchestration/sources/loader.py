"""Load new landing files into a raw table: one transaction per file, every row kept or kept aside, nothing twice."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.sources import books, summary
from orchestration.sources.files import DELIVER_AGAIN, Listing, UnreadableFile, list_files
from orchestration.sources.one_file import FileLoader, Loaded
from orchestration.sources.report import FailedFile, LoadReport
from orchestration.sources.table import SourceTable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def load_table(con: "DuckDBPyConnection", table: SourceTable, landing: Path, now: datetime) -> LoadReport:
    """Load every landing file of `table` that the ledger does not know, in the order of their names.

    `con` is the warehouse, read-write and outside a transaction; `now` is the run's clock (naive UTC). A file commits
    together with its ledger row, so that a load killed anywhere goes on where it stopped. Files that cannot be read,
    and files changed after they were loaded, are reported in `files_failed`; the others load all the same.

    Raises RawTableError when the raw table does not fit the declared columns.
    """
    books.prepare(con, table)
    is_initial = books.is_initial(con, table)
    after_row_id = books.last_row_id(con, table)
    listing = list_files(con, table, landing)
    loader = FileLoader(con, table, None if is_initial else now - table.load_lag)
    loaded, failed = _load_files(loader, listing, after_row_id)
    if is_initial:
        books.complete_initial(con, table, now)
    failed += listing.changed
    return _report(con, table, now, after_row_id, is_initial, listing.n_empty, loaded, failed)


def _load_files(loader: FileLoader, listing: Listing, after_row_id: int) -> tuple[dict[str, Loaded], list[FailedFile]]:
    loaded: dict[str, Loaded] = {}
    failed: list[FailedFile] = []
    for file in listing.new:
        try:
            loaded[file.name] = loader.load(file, after_row_id)
        except (UnreadableFile, OSError) as problem:
            failed.append(FailedFile(file.name, str(problem), DELIVER_AGAIN))
        else:
            after_row_id += loaded[file.name].n_rows
    return loaded, failed


def _report(
    con: "DuckDBPyConnection",
    table: SourceTable,
    now: datetime,
    after_row_id: int,
    is_initial: bool,
    n_empty: int,
    loaded: dict[str, Loaded],
    failed: list[FailedFile],
) -> LoadReport:
    n_rows = sum(file.n_rows for file in loaded.values())
    n_duplicates = summary.count_duplicates(con, table, after_row_id) if n_rows else 0
    undeclared = {name for file in loaded.values() for name in file.undeclared}
    totals = summary.totals(con, table, now)
    return LoadReport(
        rows_new=n_rows - n_duplicates,
        rows_duplicate=n_duplicates,
        rows_rejected=sum(file.n_rejected for file in loaded.values()),
        files_loaded=len(loaded),
        files_failed=tuple(sorted(failed, key=lambda failure: failure.file)),
        unexpected_columns=tuple(sorted(undeclared | summary.unexpected_columns(con, table, after_row_id))),
        newest_event_at=totals.newest_event_at,
        newest_known_at=totals.newest_known_at,
        assumed_known_at=totals.assumed_known_at,
        rows_total=totals.n_rows,
        rows_from_future=summary.count_from_future(con, table, after_row_id, now),
        files_empty=n_empty,
        rejects_by_reason=_rejects_by_reason(con, table, loaded),
        is_initial_load=is_initial,
    )


def _rejects_by_reason(con: "DuckDBPyConnection", table: SourceTable, loaded: dict[str, Loaded]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for name in (name for name, file in loaded.items() if file.n_rejected):
        counts.update(
            dict(
                con.execute(
                    f"select reason, count(*) from {books.REJECTS} where source_table = ? and file = ? group by all",
                    [table.full_name, name],
                ).fetchall()
            )
        )
    return dict(counts)
