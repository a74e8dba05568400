"""The demo's public door: write the landing files that are missing up to as_of(now)."""

import fcntl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from demo import delivery, tables, truth
from demo.company import EPOCH, Company, day_number, day_text, folder, settle
from demo.customers import State, restore, save
from demo.day import opening, play
from demo.files import write_once
from ml import clock
from ml.home import Home


def write_missing_days(home: Home, now: datetime, company: Company | None = None) -> Mapping[str, object]:
    """Write the files of every day before as_of(now) that was not written yet; never touch one that exists.

    The first call settles the company (see `demo.company`) and hands over its history as one export per calendar month
    and table; every later day is one file per table. The file of a day holds what was written on that day.
    Returns days_written, files, rows (by table), newest_day, seconds. Killed at any point and called again, it leaves
    the same bytes as an undisturbed call. With a `now` before the newest day written there is nothing to do.
    Raises CompanySettingError and StateError, each naming the way out.
    """
    began = time.monotonic()
    files, rows = 0, dict.fromkeys(tables.SUFFIX, 0)
    with _alone(home):
        company = settle(home, now, company)
        path = folder(home) / "state.npz"
        state = restore(path) if path.exists() else opening(company)
        first = state.day
        while (until := _delivery_end(company, state.day)) <= day_number(clock.as_of(now).date()):
            state, written = _deliver(home, company, state, until)
            save(path, state)
            files += len(written)
            rows = {table: rows[table] + written.get(table, 0) for table in rows}
    return {
        "days_written": state.day - first,
        "files": files,
        "rows": rows,
        "newest_day": day_text(state.day - 1) if state.day > company.first_day else None,
        "seconds": round(time.monotonic() - began, 3),
    }


def _delivery_end(company: Company, day: int) -> int:
    """First day number after the delivery that starts with `day`: history goes by calendar month, the rest by day."""
    if day >= company.history_until:
        return day + 1
    in_next_month = (EPOCH + timedelta(days=day)).replace(day=28) + timedelta(days=4)
    return min(day_number(in_next_month.replace(day=1)), company.history_until)


def _deliver(home: Home, company: Company, state: State, until: int) -> tuple[State, dict[str, int]]:
    """Play the days before `until`, write their files and truth; the state to store and rows written by table."""
    first, parts, known = state.day, {table: [rows] for table, rows in state.pending.items()}, truth.Record()
    while state.day < until:
        played = play(company, state)
        for table, rows in played.rows.items():
            parts.setdefault(table, []).append(rows)
        state = played.state
        known.add(played)
    due, pending = {}, {}
    for table, rows in ((table, delivery.stacked(each)) for table, each in parts.items()):
        due[table], pending[table] = delivery.split(rows, until)
    name = day_text(first) if until == first + 1 else f"{day_text(first)}_to_{day_text(until - 1)}"
    written = {}
    for number, (table, suffix) in enumerate(tables.SUFFIX.items()):
        draw = np.random.default_rng([company.seed, 2, until, number])
        ordered = delivery.shuffled(draw, due[table])
        if write_once(home.landing / table / f"{name}.{suffix}", tables.content(company.seed, table, ordered)):
            written[table] = delivery.size(ordered)
    known.write(home, name)
    return State(state.day, state.next_index, state.customers, pending), written


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """One writer at a time: a second one waits, then finds nothing missing."""
    path: Path = folder(home) / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
