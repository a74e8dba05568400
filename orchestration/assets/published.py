"""`published/warehouse`, the end of a run: records it in `ops`, writes the action lists, swaps the read copy in."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml import clock
from ml.home import Home
from ml.manifest import Props
from ml.warehouse import open_warehouse
from orchestration import diagnosis, lock, run_record
from orchestration.assets.dbt_models import POOL
from orchestration.assets.specs import python_spec
from orchestration.dbt.columns import file_metadata
from orchestration.dbt.roster import Freshness, Group
from orchestration.run_info import RunInfo

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ml.product import Product

KEY = ("published", "warehouse")
FRESH_TABLE = "baton_written_anew"
METADATA_BLOCKS_IN_A_BLOCK = 64
FRESH = Freshness(clock.parse_duration("30 hours"), clock.parse_duration("26 hours"), None)


def published_asset(
    group: str | None,
    groups: Mapping[str, Group],
    deps: Iterable[dg.AssetKey],
    action_lists: Sequence[dg.AssetKey],
    personal: Set[str],
    file: str,
    manifest: Props,
    watched: Sequence["Product"],
) -> dg.AssetsDefinition:
    """The last asset of every daily run.

    deps: everything it must wait for; action_lists: tables also written as CSV; personal: columns flagged pii anywhere.
    watched: products with a table of health, which gets its diagnosis here, when all else of the day is known.
    """
    spec = _spec(group, groups, deps, file)

    @dg.multi_asset(
        name="published",
        specs=[spec],
        check_specs=[diagnosis.check_spec(product) for product in watched],
        pool=POOL,
        required_resource_keys={"run_info"},
        allow_arbitrary_check_specs=True,
    )
    def publish(context: dg.AssetExecutionContext) -> Iterator[Any]:
        info: RunInfo = context.resources.run_info
        with lock.retried(), open_warehouse(info.home) as con:
            yield from _diagnosed(con, context, manifest, watched)  # before the record, which holds it too
            recorded = run_record.copy_into(con, context.instance, info)
            metadata = {**_written(con, info.home, action_lists, personal), "check results": recorded}
        stale_note(info.home).unlink(missing_ok=True)
        yield dg.MaterializeResult(spec.key, metadata=metadata)

    return publish


def _spec(group: str | None, groups: Mapping[str, Group], deps: Iterable[dg.AssetKey], file: str) -> dg.AssetSpec:
    return python_spec(
        KEY,
        group=group,
        groups=groups,
        description=(
            "The read copy of the warehouse, swapped in whole when a run ends well, with the action lists "
            "as CSV beside it. Readers never open the live file. One file."
        ),
        freshness=FRESH,
        file=file,
        deps=sorted(deps),
        kinds=("python", "duckdb"),
    )


def _written(
    con: "DuckDBPyConnection", home: Home, action_lists: Sequence[dg.AssetKey], personal: Set[str]
) -> dict[str, Any]:
    """Write the lists and swap the copy in; what there is to say about them."""
    lists = [write_csv(con, key, home) for key in action_lists]
    return {
        **file_metadata(con),
        "bytes": swap_copy(con, home, personal),
        "csv": ", ".join(path.name for path in lists) or "none",
        "path": str(home.published_warehouse),
    }


def _diagnosed(
    con: "DuckDBPyConnection", context: dg.AssetExecutionContext, manifest: Props, watched: Sequence["Product"]
) -> list[dg.AssetCheckResult]:
    info: RunInfo = context.resources.run_info
    failures = diagnosis.failures_of_run(context.instance, info.run_id)
    found = diagnosis.of_products(con, manifest, watched, info.now, failures, info.home, ends_run=True)
    diagnosis.keep(con, found, clock.as_of(info.now))
    return [diagnosis.check_result(each) for each in found.values()]


def write_csv(con: "DuckDBPyConnection", key: dg.AssetKey, home: Home) -> Path:
    """A table as `published/SCHEMA_TABLE.csv`, replaced whole."""
    target = home.published / f"{'_'.join(key.path)}.csv"
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    relation = ".".join(f'"{part}"' for part in key.path)
    con.execute(f"copy (from {relation}) to '{str(fresh).replace(chr(39), chr(39) * 2)}' (header, delimiter ',')")
    fresh.replace(target)
    return target


def swap_copy(con: "DuckDBPyConnection", home: Home, personal: Set[str]) -> int:
    """Copy the warehouse and swap the copy in atomically; returns bytes. Readers keep the copy they opened.

    Copied while `con` holds the file, so that no other writer comes between. Personal columns, the content of rejected
    lines and fields that no contract declares are null in the copy; the live warehouse keeps them.
    """
    fresh = home.published / f".warehouse.{os.getpid()}.duckdb"
    for left in home.published.glob(".warehouse.*.duckdb*"):
        left.unlink()  # of a run that was killed while copying
    con.execute("checkpoint")
    shutil.copyfile(home.warehouse, fresh)
    _hide(fresh, personal)
    fresh.replace(home.published_warehouse)
    return home.published_warehouse.stat().st_size


def _hide(copy: Path, personal: Set[str]) -> None:
    """Null what is personal, and leave none of it in the blocks that this frees or that were free before.

    DuckDB gives each table blocks of its own, so that a table written anew shares none with the old one, whose blocks
    are free then; it writes over free blocks only when it needs them.
    """
    import duckdb

    with duckdb.connect(str(copy)) as con:
        columns = con.execute(
            "select schema_name, table_name, column_name from duckdb_columns() join duckdb_tables() "
            "using (database_name, schema_name, table_name) where database_name = current_database()"
        ).fetchall()
        hidden: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in columns:
            if column.lower() in personal or _is_unjudged(con, schema, table, column):
                hidden.setdefault((schema, table), []).append(column)
        for (schema, table), names in hidden.items():
            kinds = {name: kind for name, kind, *_ in con.execute(f'describe "{schema}"."{table}"').fetchall()}
            nulls = ", ".join(f'null::{kinds[name]} as "{name}"' for name in names)
            con.execute(
                f'create table "{schema}"."{FRESH_TABLE}" as select * replace ({nulls}) from "{schema}"."{table}"'
            )
            con.execute(f'drop table "{schema}"."{table}"')
            con.execute(f'alter table "{schema}"."{FRESH_TABLE}" rename to "{table}"')
        con.execute("checkpoint")
    for _ in range(2 if hidden else 0):  # what describes tables is let go of one checkpoint later than their rows
        with duckdb.connect(str(copy)) as con:
            _overwrite_free_blocks(con)


def _is_unjudged(con: "DuckDBPyConnection", schema: str, table: str, column: str) -> bool:
    """Whether it holds what nobody has said is not personal: rejected lines, fields that came undeclared."""
    if schema != "raw" or (column != "extra" and (table, column) != ("rejects", "content")):
        return False
    held = con.execute(f'select 1 from "{schema}"."{table}" where "{column}" is not null limit 1').fetchall()
    return bool(held)


def _overwrite_free_blocks(con: "DuckDBPyConnection") -> None:
    """Rows stand in whole blocks; least and greatest values, cut to 8 bytes, in small blocks that describe tables."""
    (block_size,) = con.execute("select block_size from pragma_database_size()").fetchall()[0]
    (small_blocks,) = con.execute("select sum(free_blocks) from pragma_metadata_info()").fetchall()[0]
    con.execute("set force_compression = 'uncompressed'")
    con.execute(
        f"create table main.{FRESH_TABLE} as select repeat('-', 4096) as filler from range("
        f"(select free_blocks * {block_size} // 4096 from pragma_database_size()))"
    )
    described = "-" * int(small_blocks * block_size // METADATA_BLOCKS_IN_A_BLOCK)
    con.execute(f"comment on table main.{FRESH_TABLE} is '{described}'")
    con.execute("checkpoint")
    con.execute(f"drop table main.{FRESH_TABLE}")
    con.execute("checkpoint")


def stale_note(home: Home) -> Path:
    """The note beside the published files: since when, and why, they are of an earlier run. Absent otherwise."""
    return home.published / "STALE.txt"


def mark_stale(home: Home, now: datetime, job: str, reason: str) -> None:
    """Leave the note after a failed run: what is published stays, and is of an earlier run. The first reason stays."""
    if home.published_warehouse.exists() and not stale_note(home).exists():
        text = (
            f"Stale since {now} UTC: {job} failed, so what is here is of an earlier run. {reason}\nNext: baton status\n"
        )
        stale_note(home).write_text(text)
