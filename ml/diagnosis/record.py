"""What only the run itself knows and later runs compare with: what it loaded, and which code it ran.

A run writes it and makes the tables; who reads makes nothing, and finds nothing where no run has written yet.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ml.diagnosis.evidence import Changed, Load
from ml.diagnosis.lineage import Lineage
from ml.ops_tables import columns_in

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHANGED_DAYS = 3
_TABLES = """
create schema if not exists ops;
create table if not exists ops.loads (
    as_of timestamp, asset varchar, files bigint, rows bigint, rejected bigint, reasons varchar, failed varchar,
    undeclared varchar, last_row_id bigint, primary key (as_of, asset)
);
alter table ops.loads add column if not exists empty bigint default 0;
create table if not exists ops.model_code (as_of timestamp, asset varchar, code varchar, primary key (as_of, asset));
"""


def record_load(con: "DuckDBPyConnection", asset: str, load: Load, last_row_id: int) -> None:
    """Add what a run loaded to its day: a second run of the day finds nothing new and must not hide the first."""
    con.execute(_TABLES)
    con.execute(
        """
        insert into ops.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict do update set files = files + excluded.files, rows = rows + excluded.rows,
            rejected = rejected + excluded.rejected, failed = excluded.failed, last_row_id = excluded.last_row_id,
            empty = excluded.empty,
            reasons = coalesce(nullif(excluded.reasons, ''), reasons),
            undeclared = coalesce(nullif(excluded.undeclared, ''), undeclared)
        """,
        [
            *(load.day, asset, load.files, load.rows, load.rejected),
            *(load.reasons, load.failed, load.undeclared, last_row_id, load.empty),
        ],
    )


def record_code(con: "DuckDBPyConnection", as_of: datetime, code: Mapping[str, str]) -> None:
    """Keep the hash of each model's code where it differs from the last one. Looking back at a day changes nothing."""
    con.execute(_TABLES)
    if _is_followed(con, as_of):
        return
    known = dict(
        con.execute(
            "select asset, arg_max(code, as_of) from ops.model_code where as_of <= ? group by 1", [as_of]
        ).fetchall()
    )
    for asset, digest in code.items():
        if known.get(asset) != digest:
            con.execute("insert or replace into ops.model_code values (?, ?, ?)", [as_of, asset, digest])


def loads(con: "DuckDBPyConnection", asset: str, day: datetime, n: int = 29) -> tuple[Load, ...]:
    """The last `n` recorded loads up to `day`, oldest first; empty where `day` itself was not recorded."""
    known = columns_in(con, "ops", "loads")
    if not known:
        return ()
    empty = "coalesce(empty, 0)" if "empty" in known else "0"
    rows = con.execute(
        f"select as_of, files, rows, rejected, reasons, failed, undeclared, {empty} from ops.loads "
        "where asset = ? and as_of <= ? order by as_of desc limit ?",
        [asset, day, n],
    ).fetchall()
    found = tuple(Load(*row) for row in reversed(rows))
    return found if found and found[-1].day == day else ()


def arrivals(con: "DuckDBPyConnection", asset: str, day: datetime, n: int = 29) -> tuple[tuple[datetime, int], ...]:
    """Of the last `n` recorded loads up to `day`: the day, and the last row that its runs knew; in the order of rows.

    A second run of an old day knows more than the days after it.
    """
    if not columns_in(con, "ops", "loads"):
        return ()
    rows = con.execute(
        "select as_of, last_row_id from ops.loads where asset = ? and as_of <= ? and last_row_id is not null "
        "order by as_of desc limit ?",
        [asset, day, n],
    ).fetchall()
    return tuple(sorted(((as_of, int(row_id)) for as_of, row_id in rows), key=lambda mark: mark[1]))


def last_row_id(con: "DuckDBPyConnection", asset: str, day: datetime) -> int | None:
    """The last row that the run of `day` knew, where a later day was recorded too; None: all rows count."""
    if not columns_in(con, "ops", "loads"):
        return None
    later = con.execute("select 1 from ops.loads where asset = ? and as_of > ? limit 1", [asset, day]).fetchone()
    own = con.execute("select last_row_id from ops.loads where asset = ? and as_of = ?", [asset, day]).fetchone()
    return int(own[0]) if later and own else None


def changed(con: "DuckDBPyConnection", day: datetime, upstream: Lineage) -> tuple[Changed, ...]:
    """Models of the lineage that changed in the last days up to `day`, upstream first.

    Its code is what stands in the project now: a run that failed has kept nothing, and may have failed of it.
    """
    if not columns_in(con, "ops", "model_code"):
        return ()
    rows = con.execute(
        "select asset, max(as_of), count(*), arg_max(code, as_of) from ops.model_code where as_of <= ? group by 1",
        [day],
    ).fetchall()
    code = upstream.code
    newest = {asset: at for asset, at, n, _ in rows if n > 1 and (day - at).days < CHANGED_DAYS}
    if not _is_followed(con, day):
        newest |= {asset: day for asset, _, _, last in rows if asset in code and code[asset] != last}
    return tuple(
        Changed(asset, upstream.groups.get(asset, ""), newest[asset], upstream.apart.get(asset, frozenset()))
        for asset in code
        if asset in newest
    )


def _is_followed(con: "DuckDBPyConnection", day: datetime) -> bool:
    """Whether a later day is on record."""
    return con.execute("select 1 from ops.loads where as_of > ? limit 1", [day]).fetchone() is not None
