"""Which days the products of a warehouse have scored, and which they could score."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ml.product import Product


def scored_until(con: "DuckDBPyConnection", products: "Sequence[Product]") -> datetime | None:
    """The newest as_of that all of them have scored; those that never scored do not count."""
    newest = [
        con.execute(f"select max(as_of) from {product.relation('predictions')}").fetchall()[0][0]
        for product in products
    ]
    return min((as_of for as_of in newest if as_of), default=None)


def to_prepare(con: "DuckDBPyConnection", products: "Sequence[Product]", wanted: Collection[datetime]) -> set[datetime]:
    """The as_of days among `wanted` for which some product's scoring set has no row, or is not built yet."""
    found: set[datetime] = set()
    for product in products:
        there = con.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = 'scoring_set'",
            [product.name],
        ).fetchone()
        days = con.execute(f"select distinct as_of from {product.relation('scoring_set')}").fetchall() if there else []
        found |= set(wanted) - {as_of for (as_of,) in days}
    return found
