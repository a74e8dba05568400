"""What every step of a run shares: its home, its one `now`, its days, and the tags that name its process."""

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from ml import clock
from ml.home import Home
from orchestration import run_lock
from orchestration.processes import started_at
from orchestration.storage import kept_open

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

NOW, CLOCK, CUTS, REASON = "baton/now", "baton/clock", "baton/cuts", "baton/reason"
UNSCORED = "baton/unscored_from"  # in a rehearsal: the first as_of that the other products have not scored
PRODUCT, AS_OF = "baton/product", "baton/as_of"
HOST, PID, PID_STARTED = "baton/host", "baton/pid", "baton/pid_started"
PARTITION = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@dataclass(frozen=True)
class RunInfo:
    """One run's clock and days. `first_as_of`/`last_as_of`: None in a run without partitions."""

    run_id: str
    home: Home
    now: datetime
    first_as_of: datetime | None
    last_as_of: datetime | None
    tags: Mapping[str, str]

    @property
    def as_of_days(self) -> list[datetime]:
        """Every as_of the run is about, oldest first. Raises MissingPartition in a run without partition or range."""
        if self.first_as_of is None or self.last_as_of is None:
            raise MissingPartition(
                "this run has neither a partition nor a range of partitions, so it would score no day and still be "
                "green. Start it with one: baton run, or dagster asset materialize --partition 2026-11-20"
            )
        count = (self.last_as_of - self.first_as_of).days
        return [self.first_as_of + timedelta(days=day) for day in range(count + 1)]

    @property
    def dbt_vars(self) -> dict[str, str]:
        """`now`, and the inclusive range of as_of days where the run has one."""
        found = {"now": clock.sql(self.now)}
        if self.first_as_of is not None and self.last_as_of is not None:
            found |= {"as_of_from": clock.sql(self.first_as_of), "as_of_to": clock.sql(self.last_as_of)}
        return found

    def rehearses(self, product: str) -> bool:
        """Whether this run plays the past of `product`; a retry has the tags of the run it retries."""
        return self.tags.get(REASON) == "rehearsal" and product in self.tags.get(PRODUCT, "").split(",")

    def days_for(self, product: str) -> list[datetime]:
        """The days to score `product` for. A rehearsal begins with its first cut; other products make up for what they
        missed and leave the rest of their past alone.
        """
        if CUTS not in self.tags:
            return self.as_of_days
        first = min(self.cuts_for(product)) if self.rehearses(product) else self._unscored_from()
        return [as_of for as_of in self.as_of_days if as_of >= first]

    def _unscored_from(self) -> datetime:
        given = self.tags.get(UNSCORED)
        return datetime.fromisoformat(given) if given else self.as_of_days[-1]

    def cuts_for(self, product: str) -> list[datetime]:
        """The instants to train `product` as of: the rehearsal's where the run rehearses it, else the run's as_of."""
        given = self.tags.get(CUTS)
        if not given or product not in self.tags.get(PRODUCT, "").split(","):
            return [clock.as_of(self.now)]
        return [datetime.fromisoformat(text) for text in given.split(",")]


class MissingPartition(RuntimeError):
    """A partitioned asset was started without saying which day."""


def process_tags() -> dict[str, str]:
    """Tags that let a later process see whether this one still lives."""
    pid = os.getpid()
    return {HOST: platform.node(), PID: str(pid), PID_STARTED: started_at(pid) or ""}


def read(run: "DagsterRun", now: datetime, home: Home) -> RunInfo:
    """The info of `run` at `now`."""
    single = run.tags.get(PARTITION)
    first, last = run.tags.get(RANGE_START, single), run.tags.get(RANGE_END, single)
    days = [clock.as_of_of_partition(key) if key else None for key in (first, last)]
    return RunInfo(run.run_id, home, now, days[0], days[1], dict(run.tags))


def stored_now(run: "DagsterRun", instance: "DagsterInstance") -> datetime:
    """The run's now: its tag, else BATON_NOW, else when it started; the same for every step and retry of the run."""
    if NOW in run.tags:
        return clock.resolve(run.tags[NOW])
    if os.environ.get("BATON_NOW"):
        return clock.resolve()
    record = instance.get_run_record_by_id(run.run_id)
    if record is None or record.start_time is None:
        return clock.resolve()
    return datetime.fromtimestamp(int(record.start_time), tz=UTC).replace(tzinfo=None)


@dg.resource(description="The run's home, clock and days; tags the run with its now and its process.")
def run_info(context: dg.InitResourceContext) -> Iterator[RunInfo]:
    """Initialised once per process that executes steps of a run, before any step claims the pool `warehouse`."""
    run, instance, home = context.run, context.instance, Home.from_env().ensure()
    if run is None or instance is None:
        raise RuntimeError("run_info belongs to a run; materialize through a job or `baton run`")
    run_lock.hold(home, run.run_id)  # until the process ends: the run is not marked as finished before this resource
    info = read(run, stored_now(run, instance), home)
    as_of = info.last_as_of or clock.as_of(info.now)
    instance.add_run_tags(run.run_id, {NOW: clock.sql(info.now), AS_OF: clock.sql(as_of), **process_tags()})
    with kept_open(home, run.run_id):
        yield info
