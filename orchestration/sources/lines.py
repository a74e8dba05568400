"""Lines and CSV records of a text file, with the number of the line each starts at.

DuckDB reads the lines of a sound file itself; the readers here take over where it refuses: NUL bytes, mixed line ends,
lines of more than 2 MB, CSV fields with line breaks. They cut text into records and leave all meaning to the SQL.
"""

import codecs
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from orchestration.sources.files import LandingFile, UnreadableFile

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 50_000
MAX_RECORD_LINES = 1_000  # an unclosed quote must not swallow the rest of the file
CSV_FIELD = r'"(?:[^"]|"")*"|[^",\r\n]*'
CSV_RECORD = f"(?:,(?:{CSV_FIELD}))*"  # to be matched against the record with a comma in front
CSV_SIMPLE_RECORD = r'(?:,(?:"[^",\r\n]*"|[^",\r\n]*))*'  # every comma separates: splitting is ten times faster
_RECORD, _FIELD = re.compile(CSV_RECORD), re.compile(f",({CSV_FIELD})")

Record = tuple[int, str]


def lines_of(file: LandingFile) -> Iterator[Record]:
    """Line number (from 1) and text of every line, without its line end.

    Raises UnreadableFile on text that is not UTF-8.
    """
    for number, text in _raw_lines(file):
        yield number, text.rstrip("\r\n")


def _raw_lines(file: LandingFile) -> Iterator[Record]:
    number = 0
    # A carriage return alone ends no line: it is part of a value that was not quoted.
    with io.TextIOWrapper(file.open(), encoding="utf-8-sig", newline="\n") as lines:
        try:
            for number, text in enumerate(lines, start=1):
                yield number, text
        except UnicodeDecodeError as problem:
            raise UnreadableFile(f"not UTF-8 text: {problem.reason} soon after line {number}{_hint(file)}") from problem


def _hint(file: LandingFile) -> str:
    with file.open() as stream:
        start = stream.read(2)
    return " (it looks like UTF-16)" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else ""


def csv_fields(record: str) -> list[str] | None:
    """The fields of one CSV record as written, quotes included; None when quotes are where they must not be."""
    if not _RECORD.fullmatch("," + record):
        return None
    return _FIELD.findall("," + record)


def csv_header(file: LandingFile) -> tuple[int, list[str]]:
    """Last line and column names of the header; (0, []) when the file has only blank lines."""
    for _, end, text in _csv_records(file, n_fields=None):
        if text.strip():
            fields = csv_fields(text)
            if fields is None:
                raise UnreadableFile("the CSV header has a quote inside a name or an unclosed quote")
            return end, [field[1:-1].replace('""', '"') if field[:1] == '"' else field.strip() for field in fields]
    return 0, []


def csv_records_of(file: LandingFile, header_end: int, n_fields: int) -> Iterator[Record]:
    """First line and text of every record after the header. A quoted line break joins lines, if that makes a record."""
    return ((start, text) for start, _, text in _csv_records(file, n_fields) if start > header_end)


def _csv_records(file: LandingFile, n_fields: int | None) -> Iterator[tuple[int, int, str]]:
    waiting: list[Record] = []
    source = _raw_lines(file)
    while line := (waiting.pop() if waiting else next(source, None)):
        lines = [line]
        if line[1].count('"') % 2:
            lines += _continuation(source, waiting)
        text = "".join(text for _, text in lines).rstrip("\r\n")
        fields = csv_fields(text) if len(lines) > 1 else None
        if len(lines) > 1 and (fields is None or len(fields) != (n_fields or len(fields))):
            waiting += reversed(lines[1:])
            lines, text = lines[:1], line[1].rstrip("\r\n")
        yield line[0], lines[-1][0], text


def _continuation(source: Iterator[Record], waiting: list[Record]) -> list[Record]:
    """The lines up to the one that closes the quote; all that were looked at, when none does."""
    lines: list[Record] = []
    while len(lines) < MAX_RECORD_LINES and (line := (waiting.pop() if waiting else next(source, None))):
        lines.append(line)
        if line[1].count('"') % 2:
            break
    return lines


def batches(records: Iterator[Record]) -> Iterator["pa.Table"]:
    """Records as Arrow tables (line bigint, text varchar) of bounded size."""
    import pyarrow as pa

    while batch := list(islice(records, BATCH)):
        numbers, texts = zip(*batch, strict=True)
        yield pa.table({"line": pa.array(numbers, pa.int64()), "text": pa.array(texts, pa.large_string())})
