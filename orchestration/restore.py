"""A warehouse that cannot be opened: put aside, and made again from the published copy and the landing files.

The copy holds everything of the last good run, the append-only prediction logs included, but for what is, or may be,
personal: that is read again from the landing files, by file and line. Runs after it are made up for by the next
`baton run`.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.home import Home
from ml.warehouse import NothingPublished

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from orchestration.sources import SourceTable


class RestoreError(RuntimeError):
    """There is nothing to restore, or the published copy lacks what cannot be had elsewhere."""


@dataclass(frozen=True)
class Restored:
    """What came back. `unfound`: rows by table whose personal columns stay null, as no landing file holds them."""

    aside: str
    published_at: datetime
    predictions: Mapping[str, int]
    personal: Mapping[str, int]
    unfound: Mapping[str, int]


def restore(home: Home) -> Restored:
    """Make the warehouse again from what is published. Raises RestoreError, NothingPublished, ManifestError."""
    import duckdb

    from ml.product import load_products, pii_columns
    from orchestration.dbt.manifest import ensure_manifest
    from orchestration.sources import load_sources

    _refuse_where_it_opens(home)
    if not home.published_warehouse.exists():
        raise NothingPublished(f"{home.published_warehouse} does not exist: there is nothing to restore from")
    manifest = ensure_manifest(home).load()
    products, personal = load_products(manifest), pii_columns(manifest)
    if nameless := [name for name, product in products.items() if product.entity.lower() in personal]:
        raise RestoreError(
            f"the entity of {', '.join(nameless)} is flagged pii, so the published prediction log does not say of whom "
            f"a score is. Restore {home.warehouse} from a backup of your own"
        )
    fresh = home.root / f".restore.{os.getpid()}.duckdb"
    shutil.copyfile(home.published_warehouse, fresh)
    with closing(duckdb.connect(str(fresh))) as con:
        found, unfound = _read_again(con, home, load_sources(manifest), personal)
        logs = {name: _count(con, products[name].relation("predictions")) for name in sorted(products)}
    published_at = datetime.fromtimestamp(home.published_warehouse.stat().st_mtime, UTC).replace(tzinfo=None)
    aside = _put_aside(home)
    fresh.replace(home.warehouse)
    return Restored(aside, published_at.replace(microsecond=0), logs, found, unfound)


def _refuse_where_it_opens(home: Home) -> None:
    import duckdb

    if not home.warehouse.exists():
        return
    try:
        duckdb.connect(str(home.warehouse), read_only=True).close()
    except duckdb.Error as error:
        if "Could not set lock" in str(error):
            raise RestoreError(f"{home.warehouse} is in use: {error}. Next: wait for that run, or end it") from error
        return
    raise RestoreError(
        f"{home.warehouse} can be opened: nothing to restore. To go back to the published copy all the same, move that "
        "file away first"
    )


def _put_aside(home: Home) -> str:
    """Rename the file and its log; nothing is deleted. Returns the new name, '' where there was no file."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    aside = ""
    for file in (home.warehouse, Path(f"{home.warehouse}.wal")):
        if file.exists():
            renamed = file.rename(file.with_name(f"{file.name}.damaged-{stamp}"))
            aside = aside or str(renamed)
    return aside


def _read_again(
    con: "DuckDBPyConnection", home: Home, tables: "list[SourceTable]", personal: set[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Personal columns, rejected lines and undeclared fields, from the landing files; rows found and not by table."""
    from ml.quoting import literal, quoted
    from orchestration.sources import load_table

    found, unfound = {}, {}
    own = con.execute("select current_database()").fetchall()[0][0]
    landed = home.root / f".landed.{os.getpid()}.duckdb"
    con.execute(f"attach {literal(str(landed))} as landed")
    for table in tables:
        columns = [column.name for column in table.columns if column.name.lower() in personal]
        con.execute("use landed")
        load_table(con, table, home.landing, datetime.now(UTC).replace(tzinfo=None))
        con.execute(f"use {quoted(own)}")
        read_again, lacking = _take_over(con, table, columns)
        if columns:
            found[table.full_name], unfound[table.full_name] = read_again, lacking
    con.execute("detach landed")
    landed.unlink()
    con.execute("checkpoint")
    return found, unfound


def _take_over(con: "DuckDBPyConnection", table: "SourceTable", columns: list[str]) -> tuple[int, int]:
    """What the copy does not hold, from the table loaded again: its rows found there, and those that are not."""
    con.execute(
        "update raw.rejects as r set content = l.content from landed.raw.rejects as l "
        "where (r.source_table, r.file, r.line) = (l.source_table, l.file, l.line)"
    )
    same = "r.file = l.file and r.line = l.line"
    undeclared = f"update {table.relation} as r set extra = l.extra from landed.{table.relation} as l where {same}"
    con.execute(f"{undeclared} and l.extra is not null")
    if columns:
        values = ", ".join(f'"{name}" = l."{name}"' for name in columns)
        con.execute(f"update {table.relation} as r set {values} from landed.{table.relation} as l where {same}")
    lacking = con.execute(
        f"select count(*) from {table.relation} as r where not exists (from landed.{table.relation} as l where {same})"
    ).fetchall()[0][0]
    return _count(con, table.relation) - lacking, lacking


def _count(con: "DuckDBPyConnection", relation: str) -> int:
    rows: list[Any] = con.execute(f"select count(*) from {relation}").fetchall()
    return int(rows[0][0])
