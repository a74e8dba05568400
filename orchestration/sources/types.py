"""Column types of raw tables, and the SQL that reads a text as one of them without losing anything silently."""

import re

_ALIASES = {
    "VARCHAR": ("varchar", "text", "string"),
    "BOOLEAN": ("boolean", "bool"),
    "SMALLINT": ("smallint", "int2"),
    "INTEGER": ("integer", "int", "int4"),
    "BIGINT": ("bigint", "int8", "long"),
    "HUGEINT": ("hugeint",),
    "FLOAT": ("real", "float4"),
    "DOUBLE": ("double", "double precision", "float", "float8"),
    "DATE": ("date",),
    "TIMESTAMP": ("timestamp", "datetime", "timestamp without time zone"),
    "JSON": ("json",),
}
_BY_ALIAS = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_DECIMAL = re.compile(r"(?:decimal|numeric)\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_INTEGERS = ("SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
ALLOWED = (
    "varchar, boolean, smallint, integer, bigint, hugeint, decimal(p, s), real, double, date, timestamp (UTC), json"
)


def canonical(data_type: str) -> str | None:
    """The engine's name of a declared `data_type`, or None when it is not allowed: 'text' is 'VARCHAR'."""
    text = " ".join(data_type.lower().split())
    if match := _DECIMAL.fullmatch(text):
        precision, scale = int(match[1]), int(match[2])
        return f"DECIMAL({precision},{scale})" if 0 < precision <= 38 and scale <= precision else None
    return _BY_ALIAS.get(text)


def read_as(text: str, data_type: str) -> str:
    """SQL for the text expression `text` as `data_type` (canonical); null where the text is no such value."""
    if data_type == "VARCHAR":
        return text
    if data_type == "TIMESTAMP":
        return _timestamp(text)
    if data_type == "DATE":
        return _date(text)
    if data_type == "JSON":
        return f"case when json_valid({text}) then {text}::json end"
    if data_type in _INTEGERS:
        return _integer(text, data_type)
    return f"try_cast({text} as {data_type})"


def _integer(text: str, data_type: str) -> str:
    # A plain cast rounds 1.5 to 2 and reads 0x10 and 1_000; a writer that holds integers as floats sends 5.0.
    return (
        f"case when regexp_full_match({text}, '[-+]?[0-9]+') then try_cast({text} as {data_type}) "
        f"when regexp_full_match({text}, '[-+]?[0-9]+[.]0*') "
        f"then try_cast(split_part({text}, '.', 1) as {data_type}) end"
    )


def _timestamp(text: str) -> str:
    # `cast(... as timestamp)` drops a zone offset without a word, so the text goes through timestamptz (the session
    # is in UTC). That costs four times as much, hence the branch: with these colons 19 characters leave no room for
    # a zone.
    return (
        f"case when {text} like '{'_' * 13}:__:__' then try_cast({text} as timestamp) "
        f"when {text}[1] between '0' and '9' then timezone('UTC', try_cast({text} as timestamptz)) end"
    )


def _date(text: str) -> str:
    # A cast to date drops a time of day; only midnight is a date.
    instant = _timestamp(text)
    return (
        f"case when regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') then try_cast({text} as date) "
        f"when {instant} = date_trunc('day', {instant}) then ({instant})::date end"
    )
