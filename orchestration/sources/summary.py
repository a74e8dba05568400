"""What a load did, counted in the raw table itself."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ml.quoting import quoted
from orchestration.sources.table import SourceTable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FUTURE = timedelta(days=1)


class Totals(NamedTuple):
    """The whole raw table: rows, newest event_at and known_at up to now + 1 day, whether some known_at is assumed."""

    n_rows: int
    newest_event_at: datetime | None
    newest_known_at: datetime | None
    assumed_known_at: bool


def totals(con: "DuckDBPyConnection", table: SourceTable, now: datetime) -> Totals:
    """Totals of the raw table at `now`."""
    assumed = "true" if table.written_at is None else f"coalesce(bool_or({_written_at(table)} is null), false)"
    row = con.execute(
        f"select count(*), max(event_at) filter (event_at <= $1), max(known_at) filter (known_at <= $1), {assumed} "
        f"from {table.relation}",
        [now + FUTURE],
    ).fetchone()
    assert row is not None  # an aggregate without grouping has one row
    return Totals(*row)


def _written_at(table: SourceTable) -> str:
    return quoted("event_at" if table.written_at in (None, table.event_at) else str(table.written_at))


def count_from_future(con: "DuckDBPyConnection", table: SourceTable, after_row_id: int, now: datetime) -> int:
    """Rows after `after_row_id` that say they happened or were written later than now + 1 day."""
    row = con.execute(
        f"select count(*) from {table.relation} where row_id > $1 and (event_at > $2 or known_at > $2)",
        [after_row_id, now + FUTURE],
    ).fetchone()
    return int(row[0]) if row else 0


def unexpected_columns(con: "DuckDBPyConnection", table: SourceTable, after_row_id: int) -> set[str]:
    """Names of the fields kept in `extra` of the rows after `after_row_id`."""
    rows = con.execute(
        f"select distinct unnest(json_keys(extra)) from {table.relation} where row_id > ? and extra is not null",
        [after_row_id],
    ).fetchall()
    return {name for (name,) in rows}


def count_duplicates(con: "DuckDBPyConnection", table: SourceTable, after_row_id: int) -> int:
    """Rows after `after_row_id` whose content (declared columns, event_at, is_deleted) an earlier row already has.

    Hashes find the candidates, so that memory holds hashes and not rows; the candidates are compared in full. Rows of
    other event times cannot be equal: the range lets the scan skip most of a long table.
    """
    content = ", ".join(quoted(name) for name in [*(c.name for c in table.columns), "event_at", "is_deleted"])
    row = con.execute(
        f"""
        with span as (select min(event_at) as lo, max(event_at) as hi from {table.relation} where row_id > $1),
        hashed as (
            select {content}, row_id > $1 as is_new, hash({content}) as content_hash
            from {table.relation}
            where event_at between (select lo from span) and (select hi from span)),
        candidates as (
            select content_hash from hashed
            where content_hash in (select content_hash from hashed where is_new)
            group by content_hash having count(*) > 1),
        equal as (
            select count(*) filter (is_new) - (count(*) filter (not is_new) = 0)::int as n_duplicates
            from hashed where content_hash in (from candidates)
            group by {content} having count(*) filter (is_new) > 0)
        select coalesce(sum(n_duplicates), 0) from equal
        """,
        [after_row_id],
    ).fetchone()
    return int(row[0]) if row else 0
