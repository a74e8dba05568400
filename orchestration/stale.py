"""What is published stays when a run fails; a note says that it is of an earlier run, whoever started this one."""

import dagster as dg

from ml import clock
from ml.home import Home
from orchestration.assets.published import mark_stale
from orchestration.jobs import PUBLISHING
from orchestration.run_info import NOW


@dg.run_failure_sensor(
    name="stale_when_failed",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Marks what is published as stale when a run that would have replaced it fails.",
)
def stale_when_failed(context: dg.RunFailureSensorContext) -> None:
    """Runs started by the schedule or on the page; the command line leaves the note itself."""
    run = context.dagster_run
    if run.job_name in PUBLISHING:
        mark_stale(Home.from_env(), clock.resolve(run.tags.get(NOW)), run.job_name, context.failure_event.message or "")
