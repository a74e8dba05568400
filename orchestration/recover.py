"""A killed run claims its pool slot for ever and every later run would wait: fail it, free its slots."""

import platform
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from ml.home import Home
from orchestration import run_lock
from orchestration.processes import is_alive
from orchestration.run_info import HOST, PID, PID_STARTED

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]


def is_dead(home: Home, run: "DagsterRun") -> bool:
    """Whether the run's process is gone: by its lock where it left one, else by its id and start time.

    Without a lock, runs of another host are not ours to judge.
    """
    held = run_lock.is_held(home, run.run_id)
    if held is not None:
        return not held
    tags = run.tags
    if PID not in tags or tags.get(HOST) != platform.node():
        return False
    return not is_alive(int(tags[PID]), tags.get(PID_STARTED, ""))


def recover(home: Home, instance: "DagsterInstance") -> list[str]:
    """Fail every unfinished run whose process is gone and free its slots; returns their ids."""
    found = []
    for run in dead_runs(home, instance):
        process = f"The process {run.tags[PID]}" if PID in run.tags else "The process"
        instance.report_run_failed(run, f"{process} of this run is gone (killed, or the machine restarted).")
        found.append(run.run_id)
    _sweep(home, instance)
    for run_id in {*found, *_ended_lately(instance)}:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return found


def living(instance: "DagsterInstance") -> "list[DagsterRun]":
    """Unfinished runs, once the dead ones are failed: other processes, on this home too."""
    return list(instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)))


def dead_runs(home: Home, instance: "DagsterInstance") -> "list[DagsterRun]":
    """Runs that are marked unfinished and whose process is gone."""
    unfinished = instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED))
    return [run for run in unfinished if is_dead(home, run) and not _has_ended(instance, run.run_id)]


def _has_ended(instance: "DagsterInstance", run_id: str) -> bool:
    """Asked again: a run that ended in order between the look at it and the look at its lock is not dead."""
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def _sweep(home: Home, instance: "DagsterInstance") -> None:
    for run_id in run_lock.known(home):
        if _has_ended(instance, run_id):
            run_lock.sweep(home, run_id)


def _ended_lately(instance: "DagsterInstance") -> list[str]:
    """Runs that ended in the last day without success: one that was failed by somebody else may still hold a slot."""
    ended = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    since = datetime.now(UTC) - timedelta(days=1)
    return [
        run.run_id for run in instance.get_runs(filters=dg.RunsFilter(statuses=ended, updated_after=since), limit=50)
    ]


@dg.sensor(
    name="killed_runs",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose process is gone and frees their pool slots.",
)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """One look; what it did is the skip reason."""
    found = recover(Home.from_env(), context.instance)
    return dg.SkipReason(f"failed {len(found)} killed runs: {', '.join(found)}" if found else "no killed run")
