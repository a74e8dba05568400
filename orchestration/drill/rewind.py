"""A scratch home taken back to before its newest morning, whose files are laid down to be delivered again."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml import clock
from ml.diagnosis.lineage import Raw
from ml.ops_tables import columns_in, columns_of
from ml.product import Product
from ml.quoting import quoted
from ml.warehouse import first_row
from orchestration.drill.others import Delivered, is_table, taken_out
from orchestration.sources.books import LEDGER, REJECTS
from orchestration.sources.files import LandingFile, content_hash
from orchestration.sources.table import SourceTable

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


class NothingToPlay(RuntimeError):
    """The home has no morning that can be played again."""


class NeverScored(NothingToPlay):
    """No run has made predictions yet."""


@dataclass(frozen=True)
class Morning:
    """The newest one: its run's clock and files."""

    now: datetime
    files: tuple[Delivered, ...]

    @property
    def as_of(self) -> datetime:
        """The instant it predicts from."""
        return clock.as_of(self.now)


def newest_now(con: "DuckDBPyConnection", products: Sequence[Product]) -> datetime:
    """The clock of the newest run that scored all of `products`. Raises NeverScored, NothingToPlay."""
    found: dict[str, datetime] = {}
    for product in products:
        there = bool(columns_of(con, product, "predictions"))
        log = product.relation("predictions")
        asked = f"select max(known_at) from {log} where as_of = (select max(as_of) from {log})"
        row = first_row(con, asked) if there else None
        if row is None or row[0] is None:
            raise NeverScored(f"{product.name} has never been scored, so it has no morning to play. Next: baton run")
        found[product.name] = row[0]
    newest = max(found.values())
    behind = [name for name, now in found.items() if clock.as_of(now) < clock.as_of(newest)]
    loaded = _newest_load(con)
    if loaded and loaded > clock.as_of(newest):
        behind, newest = sorted(found), loaded
    if behind:
        raise NothingToPlay(
            f"{', '.join(behind)}: nothing is scored for {newest:%Y-%m-%d}, so that morning is broken already. "
            f"Next: baton diagnose {behind[0]}"
        )
    return newest


def _newest_load(con: "DuckDBPyConnection") -> datetime | None:
    row = first_row(con, "select max(as_of) from ops.loads") if columns_in(con, "ops", "loads") else None
    return row[0] if row else None


def rewound(
    con: "DuckDBPyConnection",
    tables: Sequence[SourceTable],
    products: Sequence[Product],
    others: Sequence[Raw],
    incremental: Sequence[str],
    landing: Path,
    target: Path,
) -> Morning:
    """Take the warehouse `con` back to the morning before its newest, and lay that morning's files into `target`.

    landing: where the home's own files lie. others: tables that another tool fills; their rows become a Parquet file.
    incremental: relations that are built anew.
    """
    now = newest_now(con, products)
    as_of = clock.as_of(now)
    files = [file for table in tables for file in taken_back(con, table, as_of, landing, target)]
    files += [file for raw in others for file in taken_out(con, raw, as_of, target)]
    for book in ("loads", "model_code"):
        if columns_in(con, "ops", book):
            con.execute(f"delete from ops.{book} where as_of >= ?", [as_of])
    for relation in incremental:
        con.execute(f"drop table if exists {relation}")
    for product in products:
        log = product.relation("predictions")
        of_the_day = f"prediction_id in (select prediction_id from {log} where as_of >= ?)"
        con.execute(f"delete from {product.relation('prediction_features')} where {of_the_day}", [as_of])
        con.execute(f"delete from {log} where as_of >= ?", [as_of])
        if is_table(con, product.name, "scoring_set"):
            con.execute(f"delete from {product.relation('scoring_set')} where as_of >= ?", [as_of])
    con.execute("checkpoint")
    return Morning(now, tuple(files))


def taken_back(
    con: "DuckDBPyConnection", table: SourceTable, as_of: datetime, landing: Path, target: Path
) -> Iterator[Delivered]:
    """Remove from the warehouse what came of `table` with the load of `as_of`; its files, laid into `target`.

    A file that came whole and lies in `landing` as it was loaded is copied. Of an export that also holds the past, or
    of a file that is gone, the rows are written out in the table's format.
    """
    if not columns_in(con, table.schema, table.name):
        return
    new = _came(con, table, as_of)
    counted = f"select file, count(*) filter ({new}) as n, count(*) from {table.relation} group by 1 having n > 0"
    for name, n_new, n_all in con.execute(f"{counted} order by 1").fetchall():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if n_new == n_all and _is_as_loaded(con, table, landing / name, landing):
            shutil.copyfile(landing / name, path)
        else:
            _write_out(con, table, f"{new} and file = $file", name, path)
        con.execute(f"delete from {LEDGER} where source_table = ? and file = ?", [table.full_name, name])
        con.execute(f"delete from {REJECTS} where source_table = ? and file = ?", [table.full_name, name])
        yield Delivered(table, path, n_new)
    con.execute(f"delete from {table.relation} where {new}")


def _came(con: "DuckDBPyConnection", table: SourceTable, as_of: datetime) -> str:
    """SQL: the row came with the newest load; of an initial load, which brought the past too, what was known last."""
    before = None
    if columns_in(con, "ops", "loads"):
        asked = "select last_row_id from ops.loads where asset = ? and as_of < ? order by as_of desc limit 1"
        before = first_row(con, asked, [f"{table.schema}/{table.name}", as_of])
    return f"row_id > {before[0]}" if before else f"known_at >= timestamp '{clock.sql(as_of - clock.DAY)}'"


def _is_as_loaded(con: "DuckDBPyConnection", table: SourceTable, path: Path, landing: Path) -> bool:
    asked = f"select content_hash from {LEDGER} where source_table = ? and file = ?"
    row = first_row(con, asked, [table.full_name, path.relative_to(landing).as_posix()])
    return row is not None and path.is_file() and content_hash(LandingFile.at(path, landing)) == row[0]


def _write_out(con: "DuckDBPyConnection", table: SourceTable, where: str, name: str, path: Path) -> None:
    """Rows as a file in the table's format, compressed where its name says so."""
    from demo.faults.files import Delivery, write

    stored = {field: field for field in table.fields} | {table.event_at: "event_at"}
    if table.deleted:
        stored[table.deleted] = "is_deleted"
    asked = ", ".join(f"{quoted(column)} as {quoted(field)}" for field, column in stored.items())
    query = f"select {asked} from {table.relation} where {where} order by row_id"
    if table.format == "parquet":
        found: pa.Table = con.sql(query, params={"file": name}).to_arrow_table()
        write(path, Delivery("parquet", found.to_pylist(), schema=found.schema))
        return
    rows = con.execute(query, {"file": name})
    names = [entry[0] for entry in rows.description or []]
    records: list[Any] = [
        {field: _text(value, table.format) for field, value in zip(names, row, strict=True)} for row in rows.fetchall()
    ]
    write(path, Delivery(table.format, records, is_gzip=name.endswith(".gz")))


def _text(value: Any, form: str) -> Any:
    """A value as a text format writes it."""
    if value is None:
        return "" if form == "csv" else None
    if isinstance(value, bool):
        return value if form == "jsonl" else str(value).lower()
    if isinstance(value, int | float) and form == "jsonl":
        return value
    return str(value)
