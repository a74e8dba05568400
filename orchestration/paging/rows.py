"""Between the core's values and the store's rows: tuples are JSON text."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from orchestration.paging.model import Incident, Message, Signal

_TUPLES = ("assets", "roots", "signals", "evidence", "ruled_out", "blocked", "told", "had")
_MESSAGE = tuple(field.name for field in fields(Message))


def incident_row(incident: Incident) -> dict[str, Any]:
    """The row of an incident."""
    row = asdict(incident)
    return row | {name: json.dumps(row[name]) for name in _TUPLES}


def incident_of(row: Mapping[Any, Any]) -> Incident:
    """The incident of a row."""
    read = {name: tuple(tuple(x) if isinstance(x, list) else x for x in json.loads(row[name])) for name in _TUPLES}
    return Incident(**{**row, **read})


def signal_of(row: Mapping[Any, Any]) -> Signal:
    """The signal of a row."""
    return Signal(**row)


def message_of(row: Mapping[Any, Any]) -> Message:
    """The message of an outbox row, without how its delivery stands."""
    return Message(**{name: row[name] for name in _MESSAGE})
