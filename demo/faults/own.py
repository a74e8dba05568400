"""Faults for anybody's deliveries: what each may hit is read from the data, and is large enough to be noticed there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from demo.faults import changes
from demo.faults.files import GZIP_MAGIC, Delivery, read, write
from ml.diagnosis import unusual
from ml.diagnosis.evidence import ColumnDays, Source

FEWEST_ROWS = 10
HOURS = (-8, -7, 7, 9)
FACTOR = 100
FEWEST_LOADS = 3


@dataclass(frozen=True)
class Aim:
    """What a fault hits: the files of the morning of one table, and a column where the fault is about one.

    rows: of the files. value: of the column. instants: fields that hold the time. group: whose table it is.
    """

    asset: str
    group: str
    paths: tuple[Path, ...]
    format: str
    rows: int
    is_outcome: bool = False
    column: str = ""
    value: str = ""
    instants: tuple[str, ...] = ()

    def named(self, column: str, value: str = "") -> "Aim":
        """The same file, with a column."""
        return replace(self, column=column, value=value)


@dataclass(frozen=True)
class Cannot:
    """Why a fault would prove nothing at a table, with what was found there."""

    asset: str
    why: str


Candidates = Iterator[Aim | Cannot]
Find = Callable[[Aim, Source], Candidates]
Act = Callable[[Aim, np.random.Generator], str]  # what was done, in words


@dataclass(frozen=True)
class OwnFault:
    """find: what it could hit of a table; act: hits it, and says what it did. cause: what a diagnosis should say.

    of_the_loader: only Baton's own loader meets it; in a table that another tool fills nothing would be different.
    """

    name: str
    about: str
    cause: str
    find: Find
    act: Act
    of_the_loader: bool = False

    def cause_at(self, aim: Aim) -> str:
        """Late outcomes have a name of their own."""
        return "outcomes_late" if self.name == "source_late" and aim.is_outcome else self.cause


def _columns(aim: Aim, source: Source) -> Iterator[ColumnDays | Cannot]:
    """Columns with a profile of days to be compared with."""
    if aim.rows < FEWEST_ROWS:
        yield Cannot(aim.asset, f"{aim.rows} rows came, fewer than {FEWEST_ROWS} prove nothing")
        return
    known = [each for each in source.table.values if _days(each.null_share) >= unusual.FEWEST_DAYS]
    if not known:
        yield Cannot(aim.asset, f"no column has {unusual.FEWEST_DAYS} days to compare with")
    yield from known


def _days(values: Sequence[object]) -> int:
    return sum(value is not None for value in values[:-1])


def _null_spike(aim: Aim, source: Source) -> Candidates:
    for column in _columns(aim, source):
        if isinstance(column, Cannot):
            yield column
        elif max(each for each in column.null_share if each is not None) > 0.2:
            yield Cannot(aim.asset, f"{column.name} is empty on other days too")
        else:
            yield aim.named(column.name)


def _spike(aim: Aim, dice: np.random.Generator) -> str:
    _change(aim, lambda whole: changes.emptied(whole, aim.column, 0.7, dice))
    return f"{aim.column} is empty in 70 % of {aim.rows} rows"


def _unit_change(aim: Aim, source: Source) -> Candidates:
    for column in _columns(aim, source):
        if isinstance(column, Cannot):
            yield column
        elif column.kind == "number":
            sizes = [abs(each) for each in column.middle[:-1] if each is not None]
            now = abs(column.middle[-1] or 0.0)
            if len(sizes) >= unusual.FEWEST_DAYS and FACTOR * now > 3 * max(sizes) > 0:
                yield aim.named(column.name)
            else:
                yield Cannot(aim.asset, f"the median of {column.name} is {now:g}; {FACTOR} times that is not unusual")


def _unit(aim: Aim, dice: np.random.Generator) -> str:
    _change(aim, lambda whole: changes.multiplied(whole, aim.column, FACTOR))
    return f"{aim.column} is {FACTOR} times as large in {aim.rows} rows"


def _category(aim: Aim, source: Source) -> Candidates:
    for column in _columns(aim, source):
        if isinstance(column, Cannot):
            yield column
        elif column.kind == "category" and column.shares and column.shares[-1]:
            value, share = max(column.shares[-1].items(), key=lambda each: each[1])
            if value not in ("true", "false") and share >= 0.2 and share * aim.rows >= 5:
                yield aim.named(column.name, value)


def _rename(aim: Aim, dice: np.random.Generator) -> str:
    _change(aim, lambda whole: changes.renamed_value(whole, aim.column, aim.value, f"{aim.value} (new)"))
    return f"the most frequent value of {aim.column} is spelled anew in {aim.rows} rows"


def _clock(aim: Aim, source: Source) -> Candidates:
    if not source.table.hour:
        yield Cannot(aim.asset, "no column says when a row was written, so nobody could tell")
    elif aim.rows < FEWEST_ROWS or _days(source.table.hour) < unusual.FEWEST_DAYS:
        yield Cannot(aim.asset, f"{aim.rows} rows came, with {_days(source.table.hour)} days to compare with")
    else:
        yield aim


def _shift(aim: Aim, dice: np.random.Generator) -> str:
    hours = int(dice.choice(HOURS))
    _change(aim, lambda whole: changes.moved(whole, aim.instants, timedelta(hours=hours)))
    return f"{' and '.join(aim.instants)} are {hours:+d} hours off in {aim.rows} rows"


def _schema(aim: Aim, source: Source) -> Candidates:
    for column in _columns(aim, source):
        if isinstance(column, Cannot):
            yield column
        elif column.kind == "number" and (column.null_share[-1] or 0) < 0.2:
            yield aim.named(column.name)


def _with_unit(aim: Aim, dice: np.random.Generator) -> str:
    _change(aim, lambda whole: changes.with_unit(whole, aim.column))
    return f"{aim.column} is text with a unit in {aim.rows} rows"


def _any(aim: Aim, source: Source) -> Candidates:
    if aim.rows < FEWEST_ROWS:
        yield Cannot(aim.asset, f"{aim.rows} rows came, fewer than {FEWEST_ROWS} prove nothing")
    elif _days([n or None for n in source.table.rows]) < unusual.FEWEST_DAYS:
        yield Cannot(aim.asset, f"fewer than {unusual.FEWEST_DAYS} days to compare with")
    else:
        yield aim


def _twice(aim: Aim, dice: np.random.Generator) -> str:
    _change(aim, lambda whole: changes.again(whole, whole))
    return f"{aim.rows} rows come twice"


def _volume(aim: Aim, source: Source) -> Candidates:
    sound = [float(n) for n in source.table.rows[:-1]]
    left = round(0.2 * source.table.rows[-1]) if source.table.rows else 0
    if len(sound) >= unusual.FEWEST_DAYS and unusual.far_below(0.5, 1e-5)(left, sound):
        yield aim
    else:
        usual = f"the days before brought {min(sound):.0f} to {max(sound):.0f}" if sound else "no day before it"
        yield Cannot(aim.asset, f"a fifth of the rows is {left}, and {usual}: too near to tell")


def _fifth(aim: Aim, dice: np.random.Generator) -> str:
    _change(aim, lambda whole: changes.first_part(whole, 0.2))
    return f"a fifth of {aim.rows} rows"


def _unreadable(aim: Aim, source: Source) -> Candidates:
    yield aim


def _unread(aim: Aim, dice: np.random.Generator) -> str:
    """Plain text that breaks off can be read up to there; in another encoding it cannot."""
    did = []
    for path in aim.paths:
        if aim.format == "parquet" or path.read_bytes().startswith(GZIP_MAGIC):
            changes.halved(path)
            did.append("half of the file")
        else:
            path.write_bytes(path.read_bytes().decode("utf-8-sig").encode("utf-16"))
            did.append("saved as UTF-16")
    return ", ".join(dict.fromkeys(did))


def _late(aim: Aim, source: Source) -> Candidates:
    earlier = source.loads[:-1]
    if len(earlier) >= FEWEST_LOADS and sum(load.files > 0 for load in earlier) >= 0.9 * len(earlier):
        yield aim
    else:
        came = sum(load.files > 0 for load in earlier)
        usual = f"of {len(earlier)} mornings on record before it {came} brought a file"
        yield Cannot(aim.asset, f"{usual}; a missing one is noticed where 9 of 10 did, and at least {FEWEST_LOADS}")


def _gone(aim: Aim, dice: np.random.Generator) -> str:
    for path in aim.paths:
        path.unlink()
    return "no file comes"


def _change(aim: Aim, change: Callable[[Delivery], Delivery]) -> None:
    for path in aim.paths:
        write(path, change(read(path, aim.format)))


OWN_FAULTS = (
    OwnFault("file_unreadable", "half a file, another encoding", "file_unreadable", _unreadable, _unread, True),
    OwnFault("source_late", "a delivery does not come", "source_late", _late, _gone, True),
    OwnFault("schema_change", "a number as text", "schema_change", _schema, _with_unit, True),
    OwnFault("duplicate_load", "the rows come twice", "duplicate_load", _any, _twice, True),
    OwnFault("landing_truncated", "a fifth of the lines", "source_volume", _volume, _fifth),
    OwnFault("clock_shift", "local time as UTC", "clock_shift", _clock, _shift, True),
    OwnFault("null_spike", "a value empty in 70 % of rows", "null_spike", _null_spike, _spike),
    OwnFault("category_renamed", "a value spelled anew", "category_renamed", _category, _rename),
    OwnFault("unit_change", "100 times", "unit_change", _unit_change, _unit),
)
