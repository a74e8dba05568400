"""How rows travel: the lag until a system writes them, late arrivals, rows sent twice, corrections, deletions.

Every row has event_at (it happened), written_at (its system wrote it) and, inside the demo only, sent_at: the file of a
day holds what was sent that day, so written_at never lies after the file closed.
"""

import numpy as np

from demo.customers import SECONDS, Rows
from demo.health import Bools, Ints

MINUTE, HOUR = 60, 3_600
SENT_TWICE = 0.005


def size(rows: Rows) -> int:
    """Number of rows."""
    return len(rows["event_at"])


def chosen(rows: Rows, keep: Bools | Ints) -> Rows:
    """Some of the rows."""
    return {column: values[keep] for column, values in rows.items()}


def stacked(parts: list[Rows]) -> Rows:
    """All rows of the parts, in order."""
    return {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}


def prompt(draw: np.random.Generator, n: int) -> Ints:
    """Seconds until a row is written when nothing holds it up: minutes."""
    return np.minimum(draw.exponential(8 * MINUTE, n), 2 * HOUR).astype(np.int64) + 5


def late(draw: np.random.Generator, n: int, share: float) -> Ints:
    """Seconds until a row is written when a `share` of them is held up for hours to five days."""
    held = np.clip(np.exp(draw.normal(np.log(14 * HOUR), 0.9, n)), 2 * HOUR, 5 * SECONDS)
    return np.where(draw.random(n) < share, held.astype(np.int64), prompt(draw, n))


def reported(draw: np.random.Generator, n: int) -> Ints:
    """Seconds until somebody records a churn: 90 % within a day, 9 % within two, 1 % within six."""
    which = draw.random(n)
    within_day = np.minimum(draw.exponential(8 * HOUR, n), SECONDS - 1)
    slow = np.where(which < 0.99, draw.uniform(1, 2, n), draw.uniform(2, 6, n)) * SECONDS
    return np.where(which < 0.90, within_day, slow).astype(np.int64)


def written(rows: Rows, lag: Ints) -> Rows:
    """The rows with written_at = event_at + lag, sent when written."""
    at = rows["event_at"] + lag
    return rows | {"written_at": at, "sent_at": at}


def sent_again(draw: np.random.Generator, rows: Rows) -> Rows:
    """The rows and exact copies of a few, half of them sent at once, half up to two days later."""
    copies = chosen(rows, draw.random(size(rows)) < SENT_TWICE)
    n = size(copies)
    delay = np.where(draw.random(n) < 0.5, 1, draw.integers(HOUR, 2 * SECONDS, n))
    return stacked([rows, copies | {"sent_at": copies["sent_at"] + delay}])


def revised(draw: np.random.Generator, rows: Rows, longest_days: float) -> Rows:
    """The same rows as later versions: written between six hours and `longest_days` after the first ones."""
    lag = draw.uniform(6 * HOUR, longest_days * SECONDS, size(rows)).astype(np.int64)
    at = rows["written_at"] + lag
    return rows | {"written_at": at, "sent_at": at}


def split(rows: Rows, until: int) -> tuple[Rows, Rows]:
    """Rows sent before the end of day number `until - 1`, and the rest."""
    due = rows["sent_at"] < until * SECONDS
    return chosen(rows, due), chosen(rows, ~due)


def shuffled(draw: np.random.Generator, rows: Rows) -> Rows:
    """The rows in the order of a careless sender: by time, a few percent of the lines hours out of place."""
    n = size(rows)
    slip = np.where(draw.random(n) < 0.03, draw.normal(0, 5 * HOUR, n), 0)
    return chosen(rows, np.argsort(rows["sent_at"] + slip, kind="stable"))
