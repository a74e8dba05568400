"""SQL that turns records into typed rows of a raw table, each with the reason to reject it or none."""

from datetime import datetime, timedelta

from ml import clock
from ml.quoting import literal, quoted
from orchestration.sources.books import REJECTS
from orchestration.sources.files import LandingFile
from orchestration.sources.table import SourceTable
from orchestration.sources.types import read_as


def typed(table: SourceTable, records: str) -> str:
    """SQL adding to each record its typed fields c0, c1, ... and `reason` (null: the row is good)."""
    values = ", ".join(f"{read_as(f't{i}', kind)} as c{i}" for i, kind in enumerate(table.fields.values()))
    return f"select *, {_reason(table)} as reason from (select *, {values} from ({records}))"


def _reason(table: SourceTable) -> str:
    """The first thing that is wrong. Reasons name fields and never quote values: those may be personal data."""
    position = {name: i for i, name in enumerate(table.fields)}
    needed = [table.event_at, *([table.written_at] if table.written_at and not table.assumed_lag else [])]
    cases = [
        f"when nullif(t{position[name]}, '') is null then {literal(f'key {name} is missing')}"
        for name in table.key_fields
    ]
    cases += [f"when t{position[name]} is null then {literal(f'{name} is missing')}" for name in needed]
    cases += [
        f"when c{position[name]} is null and t{position[name]} is not null then "
        + literal(f"wrong type: {name} is no {kind.lower()}")
        for name, kind in table.fields.items()
        if kind != "VARCHAR"
    ]
    return f"case when problem is not null then problem {' '.join(cases)} end"


def insert_good(
    table: SourceTable, file: LandingFile, rows: str, *, after_row_id: int, known_from: datetime | None, strict: bool
) -> str:
    """SQL inserting the good rows; `strict`: raise at the first row that is not.

    `known_from` is the earliest known_at of what is loaded now; None during the initial load.
    """
    position = {name: f"c{i}" for i, name in enumerate(table.fields)}
    written_at = _written_at(table, position)
    known_at = written_at if known_from is None else f"greatest({written_at}, {_instant(known_from)})"
    columns = {column.name: position[column.name] for column in table.columns} | {
        "event_at": position[table.event_at],
        "known_at": known_at,
        "loaded_at": "get_current_timestamp()::timestamp",
        "file": literal(file.name),
        # Raised where a value is made: as a filter it would be pushed down and everything below computed twice.
        "line": "case when reason is null then line else error(reason)::bigint end" if strict else "line",
        "row_id": f"{after_row_id} + row_number() over ()",
        "is_deleted": f"coalesce({position[table.deleted]}, false)" if table.deleted else "false",
        "extra": "extra::json",
    }
    return (
        f"insert into {table.relation} ({', '.join(map(quoted, columns))}) "
        f"select {', '.join(columns.values())} from ({rows}) {'' if strict else 'where reason is null'}"
    )


def insert_rejects(table: SourceTable, file: LandingFile, rows: str) -> str:
    """SQL inserting the other rows, whole, into the rejects."""
    return (
        f"insert into {REJECTS} select {literal(table.full_name)}, {literal(file.name)}, line, reason, text, "
        f"get_current_timestamp()::timestamp from ({rows}) where reason is not null"
    )


def _written_at(table: SourceTable, position: dict[str, str]) -> str:
    candidates = [position[table.written_at]] if table.written_at else []
    if table.assumed_lag is not None:
        candidates.append(f"{position[table.event_at]} + {_interval(table.assumed_lag)}")
    return f"coalesce({', '.join(candidates)})"


def _instant(instant: datetime) -> str:
    return f"timestamp '{clock.sql(instant)}'"


def _interval(lag: timedelta) -> str:
    return f"interval '{int(lag.total_seconds())} seconds'"
