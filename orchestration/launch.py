"""Starting jobs from the command line: what is due at `now`, one run after the other, progress as it happens."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ml import clock
from ml.home import Home
from orchestration.outcome import CheckOutcome, FailedStep, JobOutcome, OnProgress, Progress, RunOutcome

__all__ = [
    "CheckOutcome",
    "FailedStep",
    "JobOutcome",
    "Progress",
    "RunOutcome",
    "UnknownJob",
    "run_backfill",
    "run_due",
    "run_job",
]


class UnknownJob(ValueError):
    """A job name that does not exist in this project."""


def run_due(home: Home, now: datetime | None = None, on_progress: OnProgress | None = None) -> RunOutcome:
    """Do what is due at `now`; stops at the first job that fails, a retraining excepted.

    For products without predictions: `rehearse` over their `train.rehearse`, trained as of its first day and half-way.
    Otherwise `retrain` for products whose cadence has passed, then `daily` for every day since the last one scored.
    `now` None: BATON_NOW, else the wall clock; where all products live on an archive, the newest known_at once loaded.
    Raises ManifestError, ProductError or OwnershipError; a failed step or check is in the outcome.
    """
    began = time.monotonic()
    say = on_progress or (lambda progress: None)
    say(Progress("phase", "starting Dagster"))
    from orchestration.run_info import CLOCK
    from orchestration.session import Session

    with Session(home, say, began) as session:
        jobs: list[JobOutcome] = []
        chosen = now or (None if session.lives_on_archive else clock.resolve())
        if chosen is None:
            if session.loads:
                jobs.append(session.run("load", now=clock.resolve(), tags={CLOCK: "data"}))
            chosen = session.newest_known_at() if all(job.success for job in jobs) else clock.resolve()
        for name, tags in session.due(chosen) if all(job.success for job in jobs) else ():
            jobs.append(session.run(name, now=chosen, tags=tags))
            if not jobs[-1].success and name != "retrain":  # the champion still serves when its challenger fails
                break
        unpaged = session.page(chosen)
        return RunOutcome(chosen, tuple(jobs), time.monotonic() - began, session.seconds_to_first_sql, unpaged)


def run_job(
    home: Home,
    job: str,
    *,
    now: datetime,
    partition: str | None = None,
    partition_range: tuple[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    on_progress: OnProgress | None = None,
) -> JobOutcome:
    """Run one job at `now`. Raises UnknownJob; a failed step or check is in the outcome."""
    say = on_progress or (lambda progress: None)
    from orchestration.run_info import PARTITION, RANGE_END, RANGE_START
    from orchestration.session import Session

    days: dict[str, str] = {PARTITION: partition} if partition else {}
    if partition_range:
        days = dict(zip((RANGE_START, RANGE_END), partition_range, strict=True))
    with Session(home, say, time.monotonic()) as session:
        outcome = session.run(job, now=now, tags={**(tags or {}), **days})
        unpaged = session.page(now)
        return replace(outcome, failed_steps=(*outcome.failed_steps, unpaged), success=False) if unpaged else outcome


def run_backfill(
    home: Home, first: str, last: str, *, now: datetime, on_progress: OnProgress | None = None
) -> list[JobOutcome]:
    """Score the days `first` to `last` (partition keys, both included) in one run, then bring monitoring up to date.

    The scoring sets get the days they lack first. Stops at the first job that fails.
    """
    from orchestration.run_info import RANGE_END, RANGE_START
    from orchestration.session import Session

    span, outcomes = {RANGE_START: first, RANGE_END: last}, list[JobOutcome]()
    with Session(home, on_progress or (lambda progress: None), time.monotonic()) as session:
        jobs = [("backfill", span), ("monitor", {})]
        for name, tags in [("prepare", span), *jobs] if session.to_prepare(first, last) else jobs:
            outcomes.append(session.run(name, now=now, tags=tags))
            if not outcomes[-1].success:
                break
        unpaged = session.page(now)
        if unpaged:
            steps = (*outcomes[-1].failed_steps, unpaged)
            outcomes[-1] = replace(outcomes[-1], failed_steps=steps, success=False)
    return outcomes
