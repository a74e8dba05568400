"""SQL that turns lines, CSV records or Parquet rows into one shape: line, text, problem, extra and each field as text.

`text` is the record whole; `problem` says what is wrong with its structure, else null; `extra` is a JSON text of what
was not declared. The field columns are named t0, t1, ... in the order of `SourceTable.fields`.
"""

import glob
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.quoting import literal, quoted
from orchestration.sources.files import LandingFile, UnreadableFile
from orchestration.sources.lines import CSV_FIELD, CSV_RECORD, CSV_SIMPLE_RECORD, csv_header
from orchestration.sources.table import SourceTable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NOT_BLANK = "(text > '!' or trim(text, e' \\t\\r') <> '')"  # the first test is cheap and nearly always decides


@dataclass(frozen=True)
class Header:
    """Column names of a CSV or Parquet file and the last line of the header (0: none)."""

    end: int
    names: list[str]


def read_header(con: "DuckDBPyConnection", table: SourceTable, file: LandingFile) -> Header:
    """The header of `file`; of JSON lines an empty one. Raises UnreadableFile when no row below it could be loaded."""
    if table.format == "jsonl":
        return Header(0, [])
    if table.format == "csv":
        header = Header(*csv_header(file))
        if not header.names:
            return header
    else:
        header = Header(0, _parquet_columns(con, file))
    _check_header(table, header.names)
    return header


def _parquet_columns(con: "DuckDBPyConnection", file: LandingFile) -> list[str]:
    import duckdb

    try:
        described = con.execute(f"describe select * from read_parquet({_sql_path(file)})").fetchall()
    except duckdb.Error as problem:
        raise UnreadableFile(f"broken Parquet: {problem}") from problem
    return [str(row[0]) for row in described]


def _check_header(table: SourceTable, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFile(f"the header names {', '.join(twice)} more than once")
    needed = [
        *table.key_fields,
        table.event_at,
        *([table.written_at] if table.written_at and not table.assumed_lag else []),
    ]
    missing = [name for name in dict.fromkeys(needed) if name not in names]
    if missing:
        raise UnreadableFile(f"the header lacks {', '.join(missing)}; it has {', '.join(names)}")


def lines_in(file: LandingFile) -> str:
    """SQL for the numbered lines of a text file, read by DuckDB; it raises where it is unsure."""
    compression = "gzip" if file.is_gzip() else "none"
    return (
        "select row_number() over () as line, text from read_csv("
        f"{_sql_path(file)}, columns = {{'text': 'VARCHAR'}}, auto_detect = false, header = false, delim = '', "
        f"quote = '', escape = '', compression = '{compression}')"
    )


def records_in(table: SourceTable, file: LandingFile, header: Header, lines: str) -> str:
    """SQL for the records of `file`; `lines` is SQL for its (line, text), which Parquet does not need."""
    if table.format == "jsonl":
        return _json_records(table, lines)
    if table.format == "csv":
        return _csv_records(table, header, lines)
    return _parquet_records(table, file, header)


def _json_records(table: SourceTable, lines: str) -> str:
    names = list(table.fields)
    paths = ", ".join(literal(_json_path(name)) for name in names)
    declared = ", ".join(literal(name) for name in names)
    without_declared = literal(json.dumps(dict.fromkeys(names)))  # a merge patch removes what it sets to null
    fields = ", ".join(_json_field(i, name, kind) for i, (name, kind) in enumerate(table.fields.items()))
    # `case` guards: the JSON functions raise on text that is no JSON, and `and` may evaluate both sides. Fields as many
    # as declared ones found means that none is there twice; only else is it worth comparing them.
    return f"""
        with lines as ({lines}),
        parsed as (
            select line, text, v, keys, len(list_filter(keys, lambda k: k not in ({declared}))) as n_unexpected from (
                select line, text,
                    case when json_valid(text) then json_extract_string(text, [{paths}]) end as v,
                    case when json_valid(text) then json_keys(text) end as keys
                from lines where {_NOT_BLANK})),
        judged as (
            select line, text, v, n_unexpected, case
                when keys is null then 'malformed JSON'
                when n_unexpected = 0 and list_count(v) = len(keys) and len(keys) > 0 then null
                when json_type(text) <> 'OBJECT' then 'not a JSON object'
                when list_unique(keys) < len(keys) then 'a field is there twice' end as problem
            from parsed)
        select line, text, problem, {fields},
            case when n_unexpected > 0 and problem is null then json_merge_patch(text, {without_declared}) end as extra
        from judged"""


def _json_field(position: int, name: str, data_type: str) -> str:
    if data_type != "JSON":
        return f"v[{position + 1}] as t{position}"
    value = f"json_extract(text, {literal(_json_path(name))})::varchar"  # keeps the quotes of a text
    return f"case when problem is null then nullif({value}, 'null') end as t{position}"


def _json_path(name: str) -> str:
    return f'$."{name}"'


def _csv_records(table: SourceTable, header: Header, lines: str) -> str:
    def field(name: str) -> str:
        return f"v[{header.names.index(name) + 1}]" if name in header.names else "null::varchar"

    fields = ", ".join(
        # Writers that quote everything have no other way to send a null than "".
        f"{field(name)} as t{i}" if data_type == "VARCHAR" else f"nullif({field(name)}, '') as t{i}"
        for i, (name, data_type) in enumerate(table.fields.items())
    )
    extra = ", ".join(f"{literal(name)}, {field(name)}" for name in undeclared_in(table, header))
    n_fields = len(header.names)
    return f"""
        with lines as ({lines}),
        looked_at as (
            select line, text, case
                when not contains(text, '"') then 'none'
                when regexp_full_match(',' || text, {literal(CSV_SIMPLE_RECORD)}) then 'simple'
                when regexp_full_match(',' || text, {literal(CSV_RECORD)}) then 'nested'
                else 'wrong' end as quotes
            from lines where line > {header.end} and {_NOT_BLANK}),
        cut as (
            select line, text, quotes, list_transform(
                case when quotes = 'nested' then regexp_extract_all(',' || text, {literal(f",({CSV_FIELD})")}, 1)
                    else string_split(text, ',') end,
                lambda f: case when starts_with(f, '"') then replace(f[2:-2], '""', '"') else nullif(f, '') end) as v
            from looked_at),
        judged as (
            select line, text, v, case
                when quotes = 'wrong' then 'malformed CSV: quotes'
                when quotes = 'none' and contains(text, e'\\r') then 'malformed CSV: line break outside quotes'
                when len(v) <> {n_fields} then 'malformed CSV: ' || len(v) || ' fields, the header has {n_fields}'
                end as problem
            from cut)
        select line, text, problem, {f"json_object({extra})" if extra else "null"}::varchar as extra, {fields}
        from judged"""


def _parquet_records(table: SourceTable, file: LandingFile, header: Header) -> str:
    def field(name: str, data_type: str) -> str:
        if name not in header.names:
            return "null::varchar"
        return f"to_json({quoted(name)})::varchar" if data_type == "JSON" else f"{quoted(name)}::varchar"

    fields = ", ".join(f"{field(name, kind)} as t{i}" for i, (name, kind) in enumerate(table.fields.items()))
    whole = ", ".join(f"{literal(name)}, {quoted(name)}" for name in header.names)
    extra = ", ".join(f"{literal(name)}, {quoted(name)}" for name in undeclared_in(table, header))
    return f"""
        select file_row_number + 1 as line, json_object({whole})::varchar as text, null::varchar as problem,
            {f"json_object({extra})" if extra else "null"}::varchar as extra, {fields}
        from read_parquet({_sql_path(file)}, file_row_number = true)"""


def undeclared_in(table: SourceTable, header: Header) -> list[str]:
    """Columns of the header that the source yml does not declare."""
    return [name for name in header.names if name not in table.fields]


def _sql_path(file: LandingFile) -> str:
    return literal(glob.escape(str(file.path)))  # DuckDB takes a path for a pattern
