"""What can be wrong with delivered records: one function per fault, for the demo company's files and for anybody's."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from demo.faults.files import Delivery, Record


def emptied(delivery: Delivery, column: str, share: float, dice: np.random.Generator) -> Delivery:
    """A `share` of the records without their value."""
    return delivery.each(lambda one: {**one, column: delivery.nothing} if dice.random() < share else one)


def multiplied(delivery: Delivery, column: str, factor: float) -> Delivery:
    """Cents for dollars."""
    return delivery.each(lambda one: {**one, column: times(one.get(column), factor)})


def renamed_value(delivery: Delivery, column: str, old: str, new: str) -> Delivery:
    """One value spelled another way."""
    return delivery.each(lambda one: {**one, column: new if one.get(column) == old else one.get(column)})


def moved(delivery: Delivery, columns: tuple[str, ...], shift: timedelta) -> Delivery:
    """Instants written in another zone's time."""
    return delivery.each(lambda one: {**one, **{name: later(one.get(name), shift) for name in columns}})


def with_unit(delivery: Delivery, column: str) -> Delivery:
    """A number as text with its unit."""

    def change(one: Record) -> Record:
        value = one.get(column)
        return one if value is None else {**one, column: f"{value} pcs"}

    return delivery.each(change)


def renamed_column(delivery: Delivery, old: str, new: str) -> Delivery:
    """A column under another name."""
    return delivery.each(lambda one: {new if name == old else name: value for name, value in one.items()})


def first_part(delivery: Delivery, share: float) -> Delivery:
    """An export that ended early."""
    return delivery.with_records(delivery.records[: round(share * len(delivery.records))])


def again(delivery: Delivery, earlier: Delivery) -> Delivery:
    """Records that came before, once more at the end."""
    return delivery.with_records([*delivery.records, *earlier.records])


def halved(path: Path) -> None:
    """A transfer that broke off."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def times(value: Any, factor: float) -> Any:
    """A number `factor` times as large, of the same kind; what is no number stays."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return f"{float(value) * factor:.10g}" if _is_number(value) else value
    if isinstance(value, Decimal):
        return value * Decimal(str(factor))
    if isinstance(value, int):
        return round(value * factor)
    return value * factor if isinstance(value, float) else value


def later(value: Any, shift: timedelta) -> Any:
    """An instant moved by `shift`; what is none stays."""
    if isinstance(value, datetime):
        return value + shift
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day) + shift
    if not isinstance(value, str) or not value:
        return value
    try:
        return (datetime.fromisoformat(value) + shift).isoformat(sep=" ")
    except ValueError:
        return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
