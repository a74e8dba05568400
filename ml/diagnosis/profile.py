"""Days of a table in one pass each: rows, copies, nulls, medians, categories, lag. Read-only SQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ml.clock import DAY
from ml.diagnosis.evidence import ColumnDays, TableDays
from ml.quoting import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LOOK_BACK_DAYS = 28
MOST_CATEGORIES = 30
FEWEST_PER_CATEGORY = 5  # values that hardly repeat are names of things
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UBIGINT", "UINTEGER")


def last_days(last: datetime, n: int = LOOK_BACK_DAYS + 1) -> tuple[datetime, ...]:
    """The `n` midnights up to `last`, oldest first."""
    return tuple(last - (n - 1 - number) * DAY for number in range(n))


def table_days(
    con: "DuckDBPyConnection",
    relation: str,
    *,
    asset: str,
    group: str,
    day: str,
    last: datetime,
    columns: Mapping[str, str],
    content: Sequence[str] = (),
    written_at: str | None = None,
    now: datetime | None = None,
    where: str = "true",
    means: Collection[str] = (),
) -> TableDays:
    """Profile of `relation` (quoted SQL) over the last days.

    day: SQL for the midnight that ends a row's day. columns: name to DuckDB type of what is profiled. content: columns
    that make two rows copies of each other; none: copies are not counted. written_at: with it and event_at lag, hour
    and rows from the future are told. means: numbers of which the mean is told beside the median.
    """
    days = last_days(last)
    found = ((name, _kind(con, relation, name, data_type, days[0], day)) for name, data_type in columns.items())
    kinds = {name: kind for name, kind in found if kind}
    rows = f"(select {day} as baton_day, * from {relation} where {where}) where baton_day >= $first"
    known = _by_day(con, _numbers_sql(rows, kinds, content, written_at, now, means), days)
    shares = {name: _shares(con, rows, name, days) for name, kind in kinds.items() if kind == "category"}

    def of(name: str) -> tuple[Any, ...]:
        return tuple(known.get(each, {}).get(name) for each in days)

    return TableDays(
        asset=asset,
        group=group,
        days=days,
        rows=tuple(int(n or 0) for n in of("n")),
        again=tuple(int(n or 0) for n in of("again")) if content else (),
        future=tuple(int(n or 0) for n in of("future")) if written_at else (),
        lag_hours=of("lag") if written_at else (),
        hour=of("hour") if written_at else (),
        values=tuple(
            ColumnDays(
                name,
                "number" if kind == "number" else "category",
                of(f"null_{number}"),
                of(f"middle_{number}") if kind == "number" else (),
                shares.get(name, ()),
                of(f"mean_{number}") if kind == "number" and name in means else (),
            )
            for number, (name, kind) in enumerate(kinds.items())
        ),
    )


def _numbers_sql(
    rows: str,
    kinds: Mapping[str, str],
    content: Sequence[str],
    written_at: str | None,
    now: datetime | None,
    means: Collection[str],
) -> str:
    asked = ["baton_day", "count(*) as n"]
    source = rows
    if content:
        copies = f"row_number() over (partition by hash({', '.join(map(quoted, content))}) order by row_id)"
        source = f"(select *, {copies} as baton_copy from {rows})"
        asked.append("count(*) filter (baton_copy > 1) as again")
    if written_at:
        written = quoted(written_at)
        asked.append(f"median(epoch({written}) - epoch(event_at)) / 3600 as lag")
        asked.append("median(epoch(event_at) % 86400) / 3600 as hour")
        late = f"timestamp '{now}'" if now else "baton_day"
        asked.append(f"count(*) filter (event_at > {late} or {written} > {late}) as future")
    for number, (name, kind) in enumerate(kinds.items()):
        asked.append(f"avg(({quoted(name)} is null)::int) as null_{number}")
        if kind == "number":
            value = f"{quoted(name)}::double"
            asked.append(f"median({value}) filter (isfinite({value})) as middle_{number}")
            if name in means:
                asked.append(f"avg({value}) filter (isfinite({value})) as mean_{number}")
    return f"select {', '.join(asked)} from {source} group by baton_day"


def _by_day(con: "DuckDBPyConnection", sql: str, days: Sequence[datetime]) -> dict[datetime, dict[str, Any]]:
    con.execute(sql, {"first": days[0]})
    names = [entry[0] for entry in con.description or []]
    return {row[0]: dict(zip(names, row, strict=True)) for row in con.fetchall()}


def _shares(
    con: "DuckDBPyConnection", rows: str, name: str, days: Sequence[datetime]
) -> tuple[Mapping[str, float], ...]:
    found: dict[datetime, dict[str, int]] = {}
    sql = f"select baton_day, {quoted(name)}::varchar, count(*) from {rows} and {quoted(name)} is not null group by all"
    for day, value, n in con.execute(sql, {"first": days[0]}).fetchall():
        found.setdefault(day, {})[value] = n
    totals = {day: sum(counts.values()) for day, counts in found.items()}
    return tuple({value: n / totals[day] for value, n in found.get(day, {}).items()} for day in days)


def _kind(con: "DuckDBPyConnection", relation: str, name: str, data_type: str, first: datetime, day: str) -> str | None:
    """number, category, or None for what has no profile: text with many values, instants, anything nested."""
    if data_type.upper().split("(")[0] in NUMBERS:
        return "number"
    if data_type.upper() not in ("VARCHAR", "BOOLEAN", "TEXT"):
        return None
    counts = f"approx_count_distinct({quoted(name)}), count({quoted(name)})"
    found = con.execute(f"select {counts} from {relation} where {day} >= $first", {"first": first}).fetchone()
    repeats = found is not None and found[0] <= MOST_CATEGORIES and found[1] >= FEWEST_PER_CATEGORY * found[0]
    return "category" if repeats else None
