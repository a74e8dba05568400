"""Incidents where people look at assets: an observation on the accountable asset, on what it blocks, on each health."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.paging.delivery import Delivered
from orchestration.paging.model import RESOLVED, Incident, World

if TYPE_CHECKING:
    from dagster import DagsterInstance

MOST_BLOCKED = 60


def dead_letters(delivered: Iterable[Delivered]) -> dict[int, list[str]]:
    """What could not be delivered just now, by incident."""
    found: dict[int, list[str]] = {}
    for each in delivered:
        if each.state == "dead" and each.message.incident_id is not None:
            told = f"{each.message.kind} to {each.message.group}: {each.where}"
            found.setdefault(each.message.incident_id, []).append(told)
    return found


def show(
    instance: "DagsterInstance", changed: Iterable[Incident], world: World, dead: Mapping[int, Sequence[str]]
) -> None:
    """Report the state of incidents that changed; a look that dies here loses a note in the UI, never a page."""
    for incident in changed:
        blocked = [asset for asset in incident.blocked if asset in world.groups][:MOST_BLOCKED]
        health = {f"{asset.split('/')[0]}/health" for asset in (*incident.assets, *blocked)} & set(world.groups)
        told: dict[str, dict[str, Any]] = {asset: _blocked(incident) for asset in blocked}
        told |= {
            asset: _whole(incident, world, dead.get(incident.id, ()))
            for asset in (*health, incident.asset)
            if asset in world.groups
        }
        for asset, metadata in sorted(told.items()):
            instance.report_runless_asset_event(
                dg.AssetObservation(asset.split("/"), description=_sentence(incident), metadata=metadata)
            )


def _sentence(incident: Incident) -> str:
    state = "over" if incident.state == RESOLVED else incident.state
    return f"incident {incident.id} ({state}): {incident.asset}: {incident.cause.replace('_', ' ')}"


def _blocked(incident: Incident) -> dict[str, Any]:
    over = incident.state == RESOLVED
    return {
        "blocked by": "nothing any more" if over else f"{incident.asset} ({incident.cause.replace('_', ' ')})",
        "accountable": incident.group,
        "incident": incident.id,
    }


def _whole(incident: Incident, world: World, dead: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "incident": incident.id,
        "state": incident.state,
        "accountable asset": dg.MetadataValue.asset(dg.AssetKey(incident.asset.split("/"))),
        "accountable group": incident.group,
        "cause": incident.cause,
        "data or model": incident.kind,
        "confidence": incident.confidence,
        "since": str(incident.since),
        "evidence": dg.MetadataValue.md("\n".join(f"{n + 1}. {text}" for n, text in enumerate(incident.evidence))),
        "blocked": ", ".join(incident.blocked) or "nothing",
        "consumers": ", ".join(
            consumer.label for consumer in world.consumers if consumer.assets & {*incident.blocked, *incident.assets}
        )
        or "none",
        "acknowledged by": incident.acknowledged_by or "nobody",
    }
    if dead:
        found["could not be delivered"] = "; ".join(dead)
    if incident.run_id:
        found["run"] = dg.MetadataValue.dagster_run(incident.run_id)
    return found
