"""The pager in Dagster's daemon: on by default, looks every half minute."""

from typing import TYPE_CHECKING

import dagster as dg

from ml import clock
from ml.home import Home

if TYPE_CHECKING:
    from orchestration.graph import Graph

NAME, SECONDS = "pager", 30


def pager_sensor(graph: "Graph") -> dg.SensorDefinition:
    """The sensor of a graph."""

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Turns failed checks, failed steps and broken freshness into pages to the accountable group.",
    )
    def pager(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from orchestration.observing.watch import watch

        done = watch(Home.from_env(), context.instance, graph, clock.resolve(), by="sensor")
        if not done.is_mine:
            return dg.SkipReason("a run of the command line is looking just now")
        said = [f"{sent.message.kind} to {sent.target}: {sent.state}" for sent in done.delivered]
        return dg.SkipReason("; ".join(said) or "nothing new to tell anybody")

    return pager
