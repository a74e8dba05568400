"""How commands speak: JSON for machines, tables for people, numbers and ages in words."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

NOT_A_TERMINAL_WIDTH = 120
NONE = "-"


def console(err: bool = False) -> "Console":
    """A console on the current standard output; a fixed width where nobody's terminal has one."""
    from rich.console import Console

    found = Console(stderr=err, highlight=False, soft_wrap=False)
    if not found.is_terminal:
        found.width = NOT_A_TERMINAL_WIDTH
    return found


def plain(value: Any) -> Any:
    """A value as JSON knows it: instants as ISO text, decimals as numbers."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def emit_json(facts: Any) -> None:
    """Print one JSON document; numbers that JSON cannot hold (nan, infinity) become null."""
    click.echo(json.dumps(_finite(facts), indent=2, default=plain))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A table; numbers (also written with thousands separators) to the right, nulls as -."""
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(title=title, title_justify="left", header_style="bold", show_edge=False, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = any(_is_number(row[index]) for row in rows)
        table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    console().print(table)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) or (isinstance(value, str) and value.replace(",", "").isdigit())


def shown(value: Any) -> str:
    """One cell for people."""
    if value is None:
        return NONE
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def count(number: int | None) -> str:
    """1234567 as 1,234,567."""
    return NONE if number is None else f"{number:,}"


def money(amount: float | None, currency: str) -> str:
    """An amount rounded to the unit, with its sign in front: -USD 1,200."""
    if amount is None:
        return NONE
    return f"{'-' if round(amount) < 0 else ''}{currency} {abs(amount):,.0f}".strip()


def age(then: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that says something: 3 days, 5 hours; `never` without an instant."""
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if abs(seconds) >= length:
            number = int(abs(seconds) // length)
            words = f"{number} {unit}{'s' if number != 1 else ''}"
            return f"{words} ago" if seconds >= 0 else f"in {words}"
    return "just now"


def owned(message: str | None, owner: str | None) -> str:
    """A check's sentence with who answers for it, unless the sentence says so itself."""
    said = message or "no message"
    return said if not owner or owner in said else f"{said} (owner {owner})"


def took(seconds: float | None) -> str:
    """A duration: 0.4 s, 12 s, 3 min 20 s."""
    if seconds is None:
        return NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
