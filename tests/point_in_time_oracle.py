"""Brute force for the point-in-time macros: small random logs, and what each macro must return, row by row."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

START = datetime(2025, 1, 1)
LOG_COLUMNS = {
    "account_id": "varchar",
    "usage_id": "integer",
    "event_at": "timestamp",
    "known_at": "timestamp",
    "row_id": "bigint",
    "is_deleted": "boolean",
    "plan": "varchar",
    "n_actions": "integer",
}
SPINE_COLUMNS = {"spine_id": "integer", "account_id": "varchar", "as_of": "timestamp"}


class Row(NamedTuple):
    account_id: str
    usage_id: int
    event_at: datetime
    known_at: datetime
    row_id: int
    is_deleted: bool | None
    plan: str | None
    n_actions: int | None


class Spine(NamedTuple):
    spine_id: int
    account_id: str
    as_of: datetime


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


# Half days, so that ties, rows known before they happen and rows exactly on a window's edge are common.
instants = st.integers(0, 24).map(lambda half_days: at(12 * half_days))


@st.composite
def logs(draw: st.DrawFn, largest: int = 12) -> list[Row]:
    """Rows of two accounts and four events: late, corrected, repeated, deleted, moved to the other account, null."""
    row = st.tuples(
        st.sampled_from("ab"),
        st.integers(1, 4),
        instants,
        instants,
        st.sampled_from([False, False, False, None, True]),
        st.sampled_from(["free", "pro", None]),
        st.sampled_from([None, 0, 1, 5]),
    )
    drawn = draw(st.lists(row, max_size=largest))
    drawn += draw(st.lists(st.sampled_from(drawn), max_size=3)) if drawn else []  # exact duplicates
    ids = draw(st.permutations(range(len(drawn))))
    return [Row(a, u, e, k, i, d, p, n) for i, (a, u, e, k, d, p, n) in zip(ids, drawn, strict=True)]


@st.composite
def spines(draw: st.DrawFn) -> list[Spine]:
    """Some (account, as_of), now and then twice; account c never has a row."""
    drawn = draw(st.lists(st.tuples(st.sampled_from("abc"), instants), min_size=1, max_size=6))
    return [Spine(i, account, as_of) for i, (account, as_of) in enumerate(drawn)]


def state(log: Iterable[Row], account_id: str, as_of: datetime, ttl: timedelta | None = None) -> Row | None:
    """The row that holds the account's state as it was known at as_of, if it has one."""
    visible = [r for r in log if r.account_id == account_id and r.event_at <= as_of and r.known_at <= as_of]
    newest = max(visible, key=lambda r: (r.event_at, r.known_at, r.row_id), default=None)
    if newest is None or newest.is_deleted or (ttl is not None and newest.event_at < as_of - ttl):
        return None
    return newest


def events(log: Iterable[Row], account_id: str, as_of: datetime) -> list[Row]:
    """The account's events that had happened by as_of, each as it was known then."""
    last: dict[int, Row] = {}
    for row in sorted(log, key=lambda r: (r.known_at, r.row_id)):
        if row.known_at <= as_of:
            last[row.usage_id] = row
    return [r for r in last.values() if r.account_id == account_id and r.event_at <= as_of and not r.is_deleted]


def label(log: Sequence[Row], spine: Spine, horizon: timedelta, at_instant: datetime) -> int:
    """1 if by what was known at the instant the account has an event in (as_of, as_of + horizon]."""
    known = events(log, spine.account_id, at_instant)
    return int(any(spine.as_of < r.event_at <= spine.as_of + horizon for r in known))


def label_known_at(
    log: Sequence[Row], spine: Spine, horizon: timedelta, grace: timedelta, now: datetime
) -> tuple[int, datetime]:
    """The label at now, and since when (not before it matured) it has been that."""
    since = matures_at = spine.as_of + horizon + grace
    value = label(log, spine, horizon, now)
    instants_of_change = sorted({t for r in log for t in (r.event_at, r.known_at) if matures_at < t <= now})
    previous = label(log, spine, horizon, matures_at)
    for instant in instants_of_change:
        current = label(log, spine, horizon, instant)
        if current != previous:
            since, previous = instant, current
    return value, since
