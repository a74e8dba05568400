"""Scoring: every asked day by the version that served then, each prediction written exactly once.

Days are written in groups, one transaction each (a day of more than five chunks takes several), and what the log holds
is left out of the read: dying anywhere and scoring again gives the same log. Rows stream through Arrow in chunks;
nothing grows with the number of rows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ml.errors import EmptyScoringSet
from ml.home import Home
from ml.ops_tables import columns_of, ensure_feature_columns, ensure_ops, ensure_product_log
from ml.prediction_log import Batch, append, next_instant
from ml.product import Product
from ml.registry import Version, pick_serving, versions
from ml.scoring_input import Source, check_unique, open_source, timestamps
from ml.warehouse import first_row, transaction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROLE = "champion"
_TRANSACTION_CHUNKS = 5
_KEPT_CACHE = "64MiB"


@dataclass(frozen=True)
class DayScored:
    """What happened to one as_of: rows written now, rows that were in the log before, and the version."""

    as_of: datetime
    scored: int
    already_there: int
    version: int
    algorithm: str


@dataclass(frozen=True)
class ScoringResult:
    """All days of one call, in order."""

    product: str
    days: tuple[DayScored, ...]

    @property
    def scored(self) -> int:
        """Rows written by this call."""
        return sum(day.scored for day in self.days)

    @property
    def already_there(self) -> int:
        """Rows that this call found in the log."""
        return sum(day.already_there for day in self.days)


@dataclass(frozen=True)
class _How:
    """What is the same for all rows of one call."""

    now: datetime
    run_id: str
    rehearsal: bool
    memory_limit: str
    chunk_rows: int

    @property
    def transaction_rows(self) -> int:
        """An open transaction holds memory per row that no limit of DuckDB counts, so a large day takes several."""
        return self.chunk_rows * _TRANSACTION_CHUNKS


@dataclass(frozen=True)
class _Group:
    """Days of one version that are written together."""

    version: Version
    days: tuple[datetime, ...]
    rows: int


def score(
    con: "DuckDBPyConnection",
    product: Product,
    *,
    as_of_days: Sequence[datetime],
    now: datetime,
    home: Home,
    run_id: str,
    rehearsal: bool = False,
    memory_limit: str = "1GiB",
    chunk_rows: int = 100_000,
) -> ScoringResult:
    """Score the scoring set of some days into `PRODUCT.predictions` and `PRODUCT.prediction_features`.

    Writing again adds nothing. Rows are known at `now`; only a `rehearsal`, which plays the past of a product that
    nobody used then, writes days that were over as known at their as_of. Days of earlier groups stay written on an
    error. Raises NoServingVersion, EmptyScoringSet, DuplicateRows, MissingFeature, FeatureTypeChanged, UnexpectedNulls,
    MatrixError, ModelMissing, UntrustedModel.
    """
    ensure_ops(con)
    ensure_product_log(con, product)
    days = sorted(set(as_of_days))
    how = _How(now, run_id, rehearsal, memory_limit, chunk_rows)
    known = versions(con, product)
    serving = {day: pick_serving(known, product, day) for day in days}
    with _memory_limit(con, memory_limit):
        rows = _rows_per_day(con, product, days)
        written: dict[datetime, int] = {}
        sources: dict[int, Source] = {}
        for group in _groups(serving, rows, how.transaction_rows):
            version = group.version.version
            if version not in sources:
                sources[version] = open_source(con, product, group.version, home)
            written |= _score_group(con, sources[version], group, how)
    return ScoringResult(
        product.name,
        tuple(
            DayScored(day, written.get(day, 0), rows[day] - written.get(day, 0), version.version, version.algorithm)
            for day, version in serving.items()
        ),
    )


@contextmanager
def _memory_limit(con: "DuckDBPyConnection", limit: str) -> Iterator[None]:
    row = first_row(con, "select current_setting('memory_limit')")
    con.execute(f"set memory_limit = '{limit}'")
    try:
        yield
    finally:
        con.execute(f"set memory_limit = '{row[0] if row else limit}'")


def _rows_per_day(con: "DuckDBPyConnection", product: Product, days: list[datetime]) -> dict[datetime, int]:
    table = product.relation("scoring_set")
    build = f"Build it first: dbt build --select {product.name}_scoring_set (vars as_of_from, as_of_to)"
    if not columns_of(con, product, "scoring_set"):
        raise EmptyScoringSet(f"{table} does not exist. {build}")
    found = con.execute(f"select as_of, count(*) from {table} where {timestamps(days)} group by as_of").fetchall()
    counts: dict[datetime, int] = dict(found)
    empty = [f"{day:%Y-%m-%d}" for day in days if not counts.get(day)]
    if empty:
        first, last = first_row(con, f"select min(as_of), max(as_of) from {table}") or (None, None)
        has = f"it has days from {first} to {last}" if first else "it has no rows at all"
        more = f" and {len(empty) - 5} more days" if len(empty) > 5 else ""
        raise EmptyScoringSet(f"{table} has no row for as_of {', '.join(empty[:5])}{more}; {has}. {build}")
    return counts


def _groups(serving: dict[datetime, Version], rows: dict[datetime, int], at_most: int) -> Iterator[_Group]:
    """Neighbouring days of one version up to `at_most` rows; a larger day is a group of its own."""
    group: _Group | None = None
    for day, version in serving.items():
        fits = group is not None and group.version == version and group.rows + rows[day] <= at_most
        if group is not None and not fits:
            yield group
        days, before = (group.days, group.rows) if group is not None and fits else ((), 0)
        group = _Group(version, (*days, day), before + rows[day])
    if group is not None:
        yield group


def _score_group(con: "DuckDBPyConnection", source: Source, group: _Group, how: _How) -> dict[datetime, int]:
    """Rows written per day. The read runs on a cursor of its own: it sees the log as it was before this group."""
    check_unique(con, source.product, group.days, group.rows)
    ensure_feature_columns(con, source.product, source.types)
    batches = (batch for batch in source.read(con, group.days, ROLE, how.chunk_rows) if batch.num_rows)
    counts: Counter[datetime] = Counter()
    batch = next(batches, None)
    while batch is not None:
        with transaction(con):
            predicted_at, rows = next_instant(con, source.product), 0
            while batch is not None and rows < how.transaction_rows:
                append(con, source, batch, ROLE, Batch(predicted_at, how.now, how.run_id, how.rehearsal))
                counts.update(
                    {day["values"]: day["counts"] for day in batch.column("as_of").value_counts().to_pylist()}
                )
                rows += batch.num_rows
                batch = next(batches, None)
        _release_cache(con, how.memory_limit)
    return dict(counts)


def _release_cache(con: "DuckDBPyConnection", memory_limit: str) -> None:
    """Give back the blocks DuckDB keeps of what was read and written: nobody reads them again, and they would fill the
    whole limit. Lowering the limit is the one way to evict them."""
    import duckdb

    try:
        con.execute(f"set memory_limit = '{_KEPT_CACHE}'")
    except duckdb.OutOfMemoryException:  # more than that is in use; it evicts what it can before saying so
        return
    con.execute(f"set memory_limit = '{memory_limit}'")
