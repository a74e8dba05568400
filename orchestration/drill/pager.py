"""The real pager on a drill's home: what a morning said becomes observations; incidents, outbox and delivery follow."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml import clock
from orchestration.drill.day import RUN_ID, Days, Morning
from orchestration.outcome import CheckOutcome

if TYPE_CHECKING:
    from orchestration.paging.channels import Channel
    from orchestration.paging.model import Incident, Observation, World

QUICK = timedelta(milliseconds=50)


@dataclass(frozen=True)
class Paged:
    """What the pager made of a morning: messages written, and every incident so far."""

    messages: tuple[dict[str, Any], ...]
    incidents: tuple["Incident", ...]


def observe(days: Days, told: Morning, channel: "Channel | None" = None) -> Paged:
    """One look of the pager at the end of a morning, and one round of delivery to the groups' own addresses.

    channel: what carries the messages, the real one where none is given.

    Whoever is paged answers at once: a page that nobody answers goes to the backup, and that is not what a drill asks.
    """
    from orchestration.observing.diagnosing import applied
    from orchestration.observing.world import world_of
    from orchestration.paging.delivery import Courier, Patience
    from orchestration.paging.model import OPEN
    from orchestration.paging.pager import Pager, incidents, messages
    from orchestration.paging.store import Store

    world = world_of(days.graph)

    def diagnose(asset: str, seen: Any) -> Any:
        found = (applied(each, asset, seen, world) for each in told.diagnoses.values())
        return next((each for each in found if each is not None), None)

    with Store(days.home) as kept:
        before = len(messages(kept))
        pager = Pager(kept, world)
        pager.observe([list(observations(days, told, world))], told.now, diagnose)
        Courier(kept, world.teams, channel, Patience(1, QUICK, QUICK, 5)).deliver(told.now)
        for incident in incidents(kept):
            if incident.state == OPEN:
                pager.acknowledge(incident.id, "drill", told.now)
        return Paged(tuple(messages(kept)[before:]), tuple(incidents(kept, everything=True)))


def observations(days: Days, told: Morning, world: "World") -> Iterator["Observation"]:
    """The morning as the pager hears it: failed checks and steps, what passed, was not reached, and the diagnosis."""
    from orchestration import diagnosis
    from orchestration.paging.model import CHECK, FAILED, NOT_RUN, OK, STEP, Observation

    as_of = clock.as_of(told.now)

    def seen(asset: str, source: str, name: str, status: str, message: str = "", group: str = "") -> Observation:
        return Observation(
            *(asset, source, name, status, told.now, as_of),
            run_id=f"{RUN_ID}-{as_of:%Y%m%d}",
            group=group or world.groups.get(asset, ""),
            message=message,
            command="baton status",
        )

    broken = {found.asset for found in diagnosis.errors(told.failures, days.graph.manifest, world.groups)}
    for asset, check in told.passed:
        yield seen(asset, CHECK, check, OK)
    for step in told.built:
        yield from (seen(asset, STEP, "materialized", OK) for asset in days.assets_of(step) if asset not in broken)
    for failure in told.failures:
        if isinstance(failure, CheckOutcome):
            yield seen(failure.asset, CHECK, failure.check, FAILED, failure.message, failure.owner)
        else:
            for asset in days.assets_of(failure.asset):
                yield seen(asset, STEP, "materialized", FAILED, failure.message)
    if told.is_stopped:
        made = {asset for step in told.built for asset in days.assets_of(step)}
        for asset in days.planned() - made - broken:
            yield replace(seen(asset, NOT_RUN, "planned", FAILED), command="")
    else:
        for product, found in told.diagnoses.items():
            status, text = (FAILED, diagnosis.sentence(found)) if found.is_fault else (OK, "")
            yield seen(f"{product}/health", CHECK, diagnosis.NAME, status, text, found.group)
