"""Comparing two warehouses table by table: which rows differ, and in which columns."""

from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb

# Wall clock and ids of runs: they may differ between two runs of the same now, nothing else may.
VOLATILE = frozenset(
    {"loaded_at", "predicted_at", "built_at", "evaluated_at", "dagster_run_id", "mlflow_run_id"}
    | {"batch", "decisions_batch", "outcomes_batch", "previous_batch", "counted_until"}
)
# When a landing file was written to this disk: the same file has another one in another home.
OF_THE_DISK = frozenset({"modified_ns"})
OF_THE_RUN = frozenset({"ops"})


def differences(
    left: Path, right: Path, *, volatile: Collection[str] = VOLATILE, apart_from: Collection[str] = OF_THE_RUN
) -> list[str]:
    """One line per table that differs, [] when none does; neither file may be open for writing.

    Compared are columns, their types and the rows as a multiset, without the columns of `volatile`; every table but
    those of the schemas `apart_from`.
    """
    with duckdb.connect() as con:
        for name, path in (("l", left), ("r", right)):
            con.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as {name} (read_only)")
        tables = {name: set(_tables(con, name, apart_from)) for name in "lr"}
        assert tables["l"] | tables["r"], f"neither {left} nor {right} has a table"
        found = [f"{table} is only in {left}" for table in sorted(tables["l"] - tables["r"])]
        found += [f"{table} is only in {right}" for table in sorted(tables["r"] - tables["l"])]
        for table in sorted(tables["l"] & tables["r"]):
            found += _table(con, table, volatile)
        return found


def _tables(con: duckdb.DuckDBPyConnection, database: str, apart_from: Collection[str]) -> Iterator[str]:
    rows = con.execute("select schema_name, table_name from duckdb_tables() where database_name = ?", [database])
    for schema, table in rows.fetchall():
        if schema not in apart_from:
            yield f'"{schema}"."{table}"'


def _table(con: duckdb.DuckDBPyConnection, table: str, volatile: Collection[str]) -> Iterator[str]:
    columns, other = (_columns(con, f"{name}.{table}", volatile) for name in "lr")
    if columns != other:
        yield f"{table} has other columns: {sorted(set(columns.items()) ^ set(other.items()))}"
        return
    left, right = (_only_in(con, table, list(columns), one, two) for one, two in ("lr", "rl"))
    if left or right:
        guilty = [name for name in columns if _only_in(con, table, [name], "l", "r")]
        guilty = guilty or [name for name in columns if _only_in(con, table, [name], "r", "l")]
        yield f"{table}: {left} rows only left, {right} only right; columns {', '.join(guilty)}"


def _columns(con: duckdb.DuckDBPyConnection, relation: str, volatile: Collection[str]) -> dict[str, str]:
    described = con.execute(f"describe {relation}").fetchall()
    return {name: kind for name, kind, *_ in described if name not in volatile}


def _only_in(con: duckdb.DuckDBPyConnection, table: str, columns: list[str], one: str, two: str) -> int:
    listed = ", ".join(f'"{name}"' for name in columns)
    sql = f"select count(*) from (select {listed} from {one}.{table} except all select {listed} from {two}.{table})"
    (count,) = con.execute(sql).fetchone() or (0,)
    return int(count)
