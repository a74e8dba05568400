"""What happened since the last look: runs by update time with an overlap, freshness by storage id.

Dagster's default event store has no cursor over all runs; a run that was read is remembered by id and update time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import sqlalchemy as sa
from dagster._core.definitions.freshness import FreshnessState
from sqlalchemy.exc import SQLAlchemyError

from orchestration.observing.collect import HEARD, PLANNED, Collected, observations
from orchestration.paging import schema, store
from orchestration.paging.model import FAILED, FRESHNESS, Observation, midnight
from orchestration.paging.signals import POLICY

if TYPE_CHECKING:
    from dagster import DagsterInstance, RunRecord
    from sqlalchemy import Connection

    from orchestration.graph import Graph

RUNS, STATES = "runs updated", "freshness events"  # names of the cursors
OVERLAP = timedelta(hours=1)
BEGINNING = timedelta(days=1)  # how far back the very first look goes
RUNS_AT_ONCE = 25
EVENTS_AT_ONCE = 20_000
SEVERITY = {FreshnessState.FAIL: "error", FreshnessState.WARN: "warn"}


@dataclass(frozen=True)
class News:
    """Observations by run, oldest first, and what has been read with them."""

    batches: Sequence[Sequence[Observation]]
    runs: Mapping[str, float]  # run id -> update time
    cursors: Mapping[str, str]
    is_all: bool


def news(
    con: "Connection",
    instance: "DagsterInstance",
    graph: "Graph",
    heard: Mapping[str, Collected],
    wall: datetime,
) -> News:
    """What is new at `wall`, at most 25 runs of it. heard: runs of this process, whose log needs not be read again."""
    since = _since(store.fact(con, RUNS), wall)
    seen = {row.run_id: row.updated for row in con.execute(sa.select(schema.SEEN_RUNS))}
    after = dg.RunsFilter(updated_after=datetime.fromtimestamp(since, UTC) - OVERLAP)
    with asking_dagster():
        records = instance.get_run_records(after, order_by="update_timestamp", ascending=True)
        fresh = [r for r in records if r.dagster_run.is_finished and seen.get(r.dagster_run.run_id) != _updated(r)]
        taken, states = fresh[:RUNS_AT_ONCE], list(_states(_cursor(store.fact(con, STATES), instance), instance, wall))
        batches = [observations(_collected(instance, record, heard), record, graph) for record in taken]
    promises = [seen for _, seen in states if seen is not None]
    if promises:
        batches.append(promises)
    cursors = {STATES: str(states[-1][0])} if states else {}
    if taken:
        cursors[RUNS] = str(max(since, _updated(taken[-1])))
    read = {record.dagster_run.run_id: _updated(record) for record in taken}
    return News(batches, read, cursors, len(taken) == len(fresh))


def _since(known: str | None, wall: datetime) -> float:
    """The update time of the newest run that was read. One that lies ahead is of a clock that was wound back since."""
    since = float(known) if known else None
    return _seconds(wall - BEGINNING) if since is None or since > _seconds(wall) else since


def _cursor(known: str | None, instance: "DagsterInstance") -> int | None:
    """The storage id of the newest freshness that was read; None where the storage has been made anew since."""
    cursor = int(known) if known else None
    newest = instance.event_log_storage.get_maximum_record_id() or 0
    return None if cursor is None or cursor > newest else cursor


@contextmanager
def asking_dagster() -> Iterator[None]:
    """Dagster's storage is another database: what it says is not the incidents', though it be asked in between."""
    try:
        yield
    except SQLAlchemyError as error:
        raise store.StoreError(f"Dagster's storage of runs: {store.said(error)}. Next: baton doctor") from error


def remember(con: "Connection", found: News) -> None:
    """Keep the cursors, in the transaction that keeps what was made of the news."""
    table = schema.SEEN_RUNS
    if found.runs:
        con.execute(table.delete().where(table.c.run_id.in_(found.runs)))
        con.execute(table.insert(), [{"run_id": run, "updated": at} for run, at in found.runs.items()])
        kept = sa.select(table.c.updated).order_by(table.c.updated.desc()).offset(store.SEEN_KEPT).limit(1)
        con.execute(table.delete().where(table.c.updated <= kept.scalar_subquery()))
    if found.cursors:
        store.remember(con, **found.cursors)


def _collected(instance: "DagsterInstance", record: "RunRecord", heard: Mapping[str, Collected]) -> Collected:
    """What a run's events say. Its plan stands in the log only: a run that is heard has been planned before."""
    run_id = record.dagster_run.run_id
    found = heard.get(run_id) or Collected(run_id)
    for entry in instance.all_logs(run_id, of_type=PLANNED if run_id in heard else HEARD):
        if entry.dagster_event is not None:
            found.hear(entry.dagster_event)
    return found


def _states(
    cursor: int | None, instance: "DagsterInstance", wall: datetime
) -> Iterator[tuple[int, Observation | None]]:
    """Dagster's freshness as it changed, by storage id; the very first look goes as far back as for runs.

    Its PASS is no news: it looks at any materialization, an old partition's too.
    """
    kind = dg.DagsterEventType.FRESHNESS_STATE_CHANGE
    since = _seconds(wall - BEGINNING) if cursor is None else None
    wanted = dg.EventRecordsFilter(kind, after_cursor=cursor, after_timestamp=since)
    for record in instance.event_log_storage.get_event_records(wanted, limit=EVENTS_AT_ONCE, ascending=True):
        event = record.event_log_entry.dagster_event
        change = event.asset_freshness_state_change_data if event else None
        if change is None or change.new_state not in SEVERITY:
            yield record.storage_id, None
            continue
        at = datetime.fromtimestamp(record.event_log_entry.timestamp, UTC).replace(tzinfo=None)
        seen = Observation(change.key.to_user_string(), FRESHNESS, POLICY, FAILED, at, midnight(at))
        said = "it was not built within the time it promises"
        bad = replace(seen, severity=SEVERITY[change.new_state], message=said, command="baton run")
        yield record.storage_id, replace(bad, event_id=record.storage_id)


def _updated(record: "RunRecord") -> float:
    return record.update_timestamp.timestamp()


def _seconds(instant: datetime) -> float:
    return instant.replace(tzinfo=UTC).timestamp()
