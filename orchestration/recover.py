"""A killed run claims its pool slot for ever and every later run would wait: fail it, free its slots."""

import platform
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.processes import is_alive
from orchestration.run_info import HOST, PID, PID_STARTED

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]


def is_dead(run: "DagsterRun") -> bool:
    """Whether the run's process, by id and start time, is gone. Runs of another host are not ours to judge."""
    tags = run.tags
    if PID not in tags or tags.get(HOST) != platform.node():
        return False
    return not is_alive(int(tags[PID]), tags.get(PID_STARTED, ""))


def recover(instance: "DagsterInstance") -> list[str]:
    """Fail every unfinished run whose process is gone and free its slots; returns their ids."""
    found = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        if is_dead(run):
            instance.report_run_failed(
                run, f"The process {run.tags[PID]} of this run is gone (killed, or the machine restarted)."
            )
            found.append(run.run_id)
    for run_id in {*found, *_ended_lately(instance)}:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return found


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
    found = recover(context.instance)
    return dg.SkipReason(f"failed {len(found)} killed runs: {', '.join(found)}" if found else "no killed run")
