"""Which of a table's windows a picture shows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DAYS_SHOWN = 180
_HOURS = {"h": 1, "d": 24, "w": 168}


def longest_window(con: "DuckDBPyConnection", relation: str) -> str | None:
    """`28d` before `7d` before `3h`: the longest is the calmest. `whole` is one number, no line. None without any."""
    kinds = [row[0] for row in con.execute(f"select distinct window_kind from {relation}").fetchall()]
    lengths = {kind: int(kind[:-1]) * _HOURS[kind[-1]] for kind in kinds if kind[:-1].isdigit()}
    return max(lengths, key=lambda kind: lengths[kind]) if lengths else None
