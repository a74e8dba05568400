"""The pager at the end of what the command line ran: one look, told as progress. That it failed is a failed step."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ml.home import Home
from orchestration.observing.collect import Collected
from orchestration.observing.emergency import cry
from orchestration.observing.watch import patience, watch
from orchestration.observing.world import world_of
from orchestration.outcome import FailedStep, OnProgress, Progress
from orchestration.paging.delivery import SENSOR, outcomes
from orchestration.paging.schema import StoreTooNew
from orchestration.paging.store import WAIT_SECONDS, StoreError

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from orchestration.graph import Graph


def page(
    home: Home,
    instance: "DagsterInstance",
    graph: "Graph",
    heard: Mapping[str, Collected],
    now: datetime,
    say: OnProgress,
) -> FailedStep | None:
    """Look once; what kept the pager from it, None where nothing did."""
    try:
        done = watch(home, instance, graph, now, by="command", heard=heard)
    except (StoreError, StoreTooNew) as error:
        told = cry(world_of(graph), str(error), heard.values(), now)
        said = f"{error} {f'{told} got an emergency message.' if told else 'Nobody could be told.'}"
        say(Progress("step_failed", "pager", said))
        return FailedStep("", "pager", "", said)
    if not done.is_mine:
        if patience(instance, by="command") is SENSOR:
            return None  # the daemon looks again in half a minute
        said = (
            f"another look has been under way for {WAIT_SECONDS:.0f} s, so this run was not looked at. Next: baton run"
        )
        say(Progress("step_failed", "pager", said))
        return FailedStep("", "pager", "", said)
    for sent in outcomes(done.delivered):
        where = sent.where if sent.state == "sent" else f"{sent.state}, {sent.where}"
        say(Progress("page", sent.message.title, f"{sent.message.kind} to {sent.target} ({where})"))
    return None
