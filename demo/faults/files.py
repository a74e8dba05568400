"""Delivered files as records, in every format a source may have; a line that is no record stays as it is."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

GZIP_MAGIC = b"\x1f\x8b"
Record = dict[str, Any]
Odd = str | list[str]  # broken JSON, a CSV line with too many fields


@dataclass(frozen=True)
class Delivery:
    """What one file holds. schema: types of a Parquet file by column."""

    format: str
    records: list[Record | Odd]
    is_gzip: bool = False
    schema: pa.Schema | None = None

    @property
    def nothing(self) -> str | None:
        """How the format says that there is no value."""
        return "" if self.format == "csv" else None

    def with_records(self, records: list[Record | Odd]) -> "Delivery":
        """The same file with other records."""
        return replace(self, records=records)

    def each(self, change: Callable[[Record], Record]) -> "Delivery":
        """Every record changed; lines that are none stay."""
        return self.with_records([change(one) if isinstance(one, dict) else one for one in self.records])


def format_of(path: Path) -> str:
    """jsonl, csv or parquet, by the name."""
    return path.name.removesuffix(".gz").rpartition(".")[2]


def read(path: Path, form: str) -> Delivery:
    """The file at `path` in the format `form`; compressed or not is told by its content."""
    raw = path.read_bytes()
    is_gzip = raw.startswith(GZIP_MAGIC)
    plain = gzip.decompress(raw) if is_gzip else raw
    if form == "parquet":
        found = pq.read_table(io.BytesIO(plain))
        return Delivery(form, found.to_pylist(), is_gzip, found.schema)
    text = plain.decode("utf-8-sig")
    return Delivery(form, _csv_records(text) if form == "csv" else _json_records(text), is_gzip)


def write(path: Path, delivery: Delivery) -> None:
    """The file at `path`, replaced."""
    encode = {"parquet": _parquet, "csv": _csv, "jsonl": _json}[delivery.format]
    plain = encode(delivery)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(plain, mtime=0) if delivery.is_gzip else plain)


def _csv_records(text: str) -> list[Record | Odd]:
    lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    names = [name.strip() for name in lines[0]] if lines else []
    return [dict(zip(names, line, strict=True)) if len(line) == len(names) else line for line in lines[1:]]


def _json_records(text: str) -> list[Record | Odd]:
    found: list[Record | Odd] = []
    for line in text.split("\n"):
        try:
            value = json.loads(line) if line.strip() else None
        except ValueError:
            value = line
        if value is not None:
            found.append(value if isinstance(value, dict) else line)
    return found


def _json(delivery: Delivery) -> bytes:
    lines = (json.dumps(one, ensure_ascii=False) if isinstance(one, dict) else one for one in delivery.records)
    return "".join(f"{line}\n" for line in lines).encode()


def _csv(delivery: Delivery) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_names(delivery))
    writer.writerows(one.values() if isinstance(one, dict) else one for one in delivery.records)
    return buffer.getvalue().encode()


def _parquet(delivery: Delivery) -> bytes:
    columns = {name: _column(delivery, name) for name in _names(delivery)}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _column(delivery: Delivery, name: str) -> pa.Array:
    values = [one[name] for one in delivery.records if isinstance(one, dict)]
    if delivery.schema is not None and name in delivery.schema.names:
        try:
            return pa.array(values, delivery.schema.field(name).type)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass  # a fault gave it another type: what comes out is what the values are
    return pa.array(values)


def _names(delivery: Delivery) -> list[str]:
    first = next((one for one in delivery.records if isinstance(one, dict)), None)
    return list(first or (delivery.schema.names if delivery.schema is not None else []))
