# ruff: noqa: E501  SQL reads better in its own line breaks
"""What arrives between two refreshes: 10,000 predictions of new leads, and 10,000 outcomes of decisions of the last 14 days."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitoring_data import PRODUCT  # noqa: F401  (the same product)

if TYPE_CHECKING:
    import duckdb

BATCH = 10_000


def arrive(con: "duckdb.DuckDBPyConnection", batch: int, last: datetime) -> datetime:
    """Append one batch to the raw tables; half of the outcomes are of the last 3 hours. Returns the new now."""
    start = last + timedelta(hours=6 + batch)
    lead = f"'L' || {9_000_000_000 + BATCH * batch} + i"  # sorts among the leads there are
    as_of = f"timestamp '{start}' + to_seconds((i * 3599.0 / {BATCH})::double)"
    columns = ", ".join(
        name
        for name, *_ in con.execute("describe raw.predictions").fetchall()
        if name not in ("prediction_id", "lead_id", "as_of", "predicted_at", "known_at")
    )
    con.execute(
        f"""insert into raw.predictions by name
        select (lpad(lower(to_hex(epoch_us(as_of) // 1000)), 12, '0') || '8' || substr(md5(lead_id), 1, 3) || '8' || substr(md5(lead_id), 4, 15))::uuid as prediction_id,
            lead_id, as_of, timestamp '{start}' + interval 1 hour as predicted_at, timestamp '{start}' + interval 1 hour as known_at, {columns}
        from (select {lead} as lead_id, {as_of} as as_of, i from range({BATCH}) r(i)) as new
        join (select row_number() over () - 1 as i, {columns} from (from raw.predictions where role = 'champion' order by as_of desc limit {BATCH})) as like_before using (i)"""
    )
    con.execute(
        f"""insert into raw.scoring_set by name
        select {lead} as lead_id, {as_of} as as_of, 'r' || i % 7 as region, 'ch' || i % 6 as channel, 't' || i % 4 as tier, 50.0 as gain_usd
        from range({BATCH}) r(i)"""
    )
    half = BATCH // 2
    for since in ("3 hour", "14 day"):
        con.execute(
            f"""insert into raw.events
            select lead_id, timestamp '{start}' + interval 1 hour, timestamp '{start}' + interval 1 hour, timestamp '9999-12-31',
                row_number() over () + (select max(arrived) from raw.events) as arrived
            from (select distinct lead_id from raw.predictions where role = 'champion' and as_of > timestamp '{start}' + interval 1 hour - interval {since} and as_of < timestamp '{start}')
            order by hash(lead_id || '{batch}') limit {half}"""
        )
    return start + timedelta(hours=1, minutes=1)
