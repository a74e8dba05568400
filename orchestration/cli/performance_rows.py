"""What `baton performance` shows: the rows of a performance table that were asked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ml import clock
from orchestration.cli.errors import USAGE, CommandFailed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VOLATILE = ("built_at", "evaluated_at", "content")  # of the building, not of the number


@dataclass(frozen=True)
class Asked:
    """A product and which of its numbers; None means all windows, overall, the newest end."""

    product: str
    window: str | None
    slices: str | None
    basis: str
    ending: datetime | None


def refuse_unknown(con: "DuckDBPyConnection", product: str) -> None:
    """Raise CommandFailed, naming those that have, if the product has no performance."""
    tables = "select table_schema from information_schema.tables where table_name = 'performance' order by 1"
    names = [name for (name,) in con.execute(tables).fetchall()]
    if product not in names:
        raise CommandFailed(
            f"there is no product {product!r} with performance; allowed is one of {', '.join(names) or 'none yet'}. "
            "Add the monitoring of a product: baton new NAME",
            USAGE,
        )


def rows(con: "DuckDBPyConnection", asked: Asked) -> list[dict[str, Any]]:
    """Of each window and slice the newest closed end, else the newest; all versions together.

    Raises CommandFailed naming what there is where a window, slice or basis is not.
    """
    table = f'"{asked.product}"."performance"'
    name, _, value = (asked.slices or "overall").partition("=")
    _refuse(con, table, "window_kind", asked.window)
    _refuse(con, table, "basis", asked.basis)
    _refuse(con, table, "slice_name", name)
    con.execute(
        f"""
        select * from {table}
        where model_version = 'all' and n > 0 and basis = $basis and slice_name = $name
            and window_kind = coalesce($window, window_kind) and slice_value = coalesce($value, slice_value)
            and window_end = coalesce($ending::timestamp, window_end)
        qualify row_number() over (
            partition by window_kind, slice_value order by (n_matured = n and $basis = 'matured') desc, window_end desc
        ) = 1
        """,
        {"basis": asked.basis, "name": name, "window": asked.window, "value": value or None, "ending": asked.ending},
    )
    columns = [entry[0] for entry in con.description or []]
    found = [dict(zip(columns, row, strict=True)) for row in con.fetchall()]
    kept = [{name: value for name, value in row.items() if name not in VOLATILE} for row in found]
    return sorted(kept, key=lambda row: (_length(row["window_kind"]), str(row["slice_value"])))


def _length(window: str) -> timedelta:
    return timedelta.max if window == "whole" else clock.parse_duration(window)


def _refuse(con: "DuckDBPyConnection", table: str, column: str, asked: str | None) -> None:
    """A value that a table with rows does not have is wrong usage; says which it has."""
    known = [entry for (entry,) in con.execute(f"select distinct {column} from {table} order by 1").fetchall()]
    if asked is not None and known and asked not in known:
        raise CommandFailed(f"{column} is {asked!r}; allowed is one of {', '.join(known)}", USAGE)
