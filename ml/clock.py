"""One clock: a run has one `now`; nothing else reads the wall clock to decide anything. Instants are naive UTC."""

import os
import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"^\s*(\d+)\s*(minute|hour|day|week|m|h|d|w)s?\s*$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DAY = timedelta(days=1)


def resolve(text: str | None = None) -> datetime:
    """The run's `now`: `text`, else the environment's BATON_NOW, else the wall clock (whole seconds).

    Raises ValueError when the text is no ISO date or time.
    """
    chosen = text or os.environ.get("BATON_NOW")
    if not chosen:
        return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    try:
        instant = datetime.fromisoformat(chosen)
    except ValueError as error:
        raise ValueError(
            f"now is {chosen!r}; allowed is an ISO date or time in UTC. Try: baton run --now 2026-11-21T06:00:00"
        ) from error
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def as_of(now: datetime) -> datetime:
    """The instant up to which the daily run at `now` predicts: the last midnight."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def partition_of(now: datetime) -> str:
    """Key of the daily partition the run at `now` fills: the UTC day that ended at `as_of(now)`."""
    return f"{as_of(now) - DAY:%Y-%m-%d}"


def as_of_of_partition(day: str) -> datetime:
    """The as_of of partition `day` (YYYY-MM-DD): the end of that day."""
    return datetime.strptime(day, "%Y-%m-%d") + DAY


def parse_duration(text: str) -> timedelta:
    """'30 days', '6 hours', '28d' as a timedelta. Raises ValueError naming what is allowed."""
    match = _DURATION.match(str(text))
    if not match:
        raise ValueError(
            f"duration is {text!r}; allowed is a whole number and minutes, hours, days or weeks: '30 days'"
        )
    return timedelta(**{_UNITS[match[2][0]]: int(match[1])})


def sql(instant: datetime) -> str:
    """An instant as SQL and dbt vars write it: `YYYY-MM-DD HH:MM:SS[.ffffff]`."""
    return instant.isoformat(sep=" ")
