"""Incidents where people look at assets: an observation on the accountable asset, on what it blocks, on each health.

What was shown is remembered: whatever changed it since (a look, `baton ack`, a message that died), the next look shows.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import dagster as dg

from orchestration.observing.world import PUBLISHED
from orchestration.paging import store
from orchestration.paging.delivery import Letter, lines, undelivered
from orchestration.paging.model import Incident, World
from orchestration.paging.texts import advice_on

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from orchestration.paging.store import Store

MOST_BLOCKED = 60
SHOWN = "shown in dagster"  # fact of the store: by incident, and for all letters, what Dagster shows
LETTERS = "letters"
NOBODY = "could not be delivered"
WAITING = "waits to be delivered"


@dataclass(frozen=True)
class Board:
    """What stands now. incidents: open ones, and those that are over and not shown as such yet; oldest first."""

    world: World
    incidents: Sequence[Incident]
    letters: Sequence[Letter]

    def blocking(self, asset: str) -> list[Incident]:
        """Every open incident that blocks an asset."""
        return [each for each in self.incidents if each.is_open and asset in each.blocked]

    def about(self, asset: str) -> list[Incident]:
        """Every open incident that is to be seen whole at an asset."""
        return [each for each in self.incidents if each.is_open and asset in self.whole_at(each)]

    def whole_at(self, incident: Incident) -> set[str]:
        """The accountable asset, and the health of every product that the incident touches."""
        health = {f"{asset.split('/')[0]}/health" for asset in (*incident.assets, *incident.blocked)}
        return {incident.asset, *health} & set(self.world.groups)

    def of(self, incident: Incident) -> list[Letter]:
        """The letters about an incident."""
        return [letter for letter in self.letters if letter.incident_id == incident.id]

    def mark(self, incident: Incident) -> int:
        """A number that changes with what there is to show of an incident."""
        return crc32(repr((incident, self.of(incident))).encode())


def show(instance: "DagsterInstance", kept: "Store", world: World, changed: Collection[int] = ()) -> None:
    """Report what Dagster does not show yet. changed: incidents of this look, shown though they began and ended in it.

    A look that dies here has shown nothing or some of it; the next one shows it.
    """
    letters = undelivered(kept)
    with kept.transaction() as con:
        before: dict[str, int] = json.loads(store.fact(con, SHOWN) or "{}")
        numbers = {int(number) for number in before if number != LETTERS}
        numbers |= {letter.incident_id for letter in letters if letter.incident_id is not None} | {*changed}
        board = Board(world, store.standing(con, numbers), letters)
    after = {str(each.id): board.mark(each) for each in board.incidents}
    touched = [each for each in board.incidents if before.get(str(each.id)) != after[str(each.id)]]
    told = {asset: _at(asset, board, incident) for incident in touched for asset in _places(incident, board)}
    mark = crc32(repr(letters).encode()) if letters else 0
    if PUBLISHED in world.groups and (PUBLISHED in told or mark != before.get(LETTERS, 0)):
        told[PUBLISHED] = _with_letters(told.get(PUBLISHED) or _at(PUBLISHED, board), letters)
    for asset, (sentence, metadata) in sorted(told.items()):
        observation = dg.AssetObservation(asset.split("/"), description=sentence, metadata=metadata)
        instance.report_runless_asset_event(observation)
    over = {str(each.id) for each in board.incidents if not each.is_open and not board.of(each)}
    left = {number: found for number, found in after.items() if number not in over} | {LETTERS: mark}
    if left != before:
        with kept.transaction() as con:
            store.remember(con, **{SHOWN: json.dumps(left)})


def _places(incident: Incident, board: Board) -> list[str]:
    """The assets at which an incident shows."""
    blocked = [asset for asset in incident.blocked if asset in board.world.groups]
    return [*blocked[:MOST_BLOCKED], *board.whole_at(incident)]


def _at(asset: str, board: Board, changed: Incident | None = None) -> tuple[str, dict[str, Any]]:
    """What to say at an asset, of all that is open; of what has changed, where nothing open is there."""
    standing, blocking = board.about(asset), board.blocking(asset)
    if changed and asset in board.whole_at(changed) and (changed.is_open or not standing):
        return _whole(changed, asset, board)
    if standing:
        return _whole(standing[0], asset, board)
    mentioned = blocking or ([changed] if changed else [])
    return _blocked(mentioned, blocking) if mentioned else ("", {})


def _with_letters(told: tuple[str, dict[str, Any]], letters: Sequence[Letter]) -> tuple[str, dict[str, Any]]:
    """The published copy is where all letters are listed, those about no incident too."""
    dead = sum(letter.is_dead for letter in letters)
    said = f"{dead} messages of the pager reached nobody, {len(letters) - dead} wait"
    return "; ".join(filter(None, (told[0], said))), told[1] | {NOBODY: "nothing"} | _letters(letters)


def _words(incident: Incident) -> str:
    return f"{incident.asset} ({incident.cause.replace('_', ' ')})"


def _sentence(incident: Incident) -> str:
    state = incident.state if incident.is_open else "over"
    return f"incident {incident.id} ({state}): {incident.asset}: {incident.cause.replace('_', ' ')}"


def _blocked(mentioned: Sequence[Incident], blocking: Sequence[Incident]) -> tuple[str, dict[str, Any]]:
    return "; ".join(map(_sentence, mentioned)), {
        "blocked by": _blockers(blocking) or "nothing any more",
        "accountable": ", ".join(dict.fromkeys(each.group for each in mentioned)),
        "incident": ", ".join(str(each.id) for each in mentioned),
    }


def _blockers(blocking: Sequence[Incident]) -> str:
    return "; ".join(map(_words, blocking))


def _whole(incident: Incident, asset: str, board: Board) -> tuple[str, dict[str, Any]]:
    found: dict[str, Any] = {
        "incident": incident.id,
        "state": incident.state,
        "accountable asset": dg.MetadataValue.asset(dg.AssetKey(incident.asset.split("/"))),
        "accountable group": incident.group,
        "cause": incident.cause,
        "data or model": incident.kind,
        "confidence": incident.confidence,
        "since": str(incident.since),
        "evidence": _numbered(incident.evidence),
        "ruled out": _numbered(incident.ruled_out),
        "next command": incident.command or f"baton incidents {incident.id}",
        "blocked": ", ".join(incident.blocked) or "nothing",
        "consumers": _consumers(incident, board.world),
        "acknowledged by": incident.acknowledged_by or "nobody",
        **_letters(board.of(incident)),
    }
    if advice := advice_on(incident):
        found |= {"in plain words": advice.meaning, "mend": advice.mend}
    if incident.snoozed_until is not None:
        found["quiet until"] = str(incident.snoozed_until)
    others = [each for each in board.incidents if each.id != incident.id and each in board.about(asset)]
    if others:
        found["open too"] = "; ".join(map(_sentence, others))
    if asset == incident.asset and (blocking := board.blocking(asset)):
        found["blocked by"] = _blockers(blocking)
    if incident.run_id:
        found["run"] = dg.MetadataValue.dagster_run(incident.run_id)
    return _sentence(incident), found


def _consumers(incident: Incident, world: World) -> str:
    touched = {*incident.blocked, *incident.assets}
    return ", ".join(consumer.label for consumer in world.consumers if consumer.assets & touched) or "none"


def _numbered(texts: Sequence[str]) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md("\n".join(f"{n + 1}. {text}" for n, text in enumerate(texts)) or "nothing")


def _letters(letters: Sequence[Letter]) -> dict[str, Any]:
    """Dead letters, and what waits apart from them; no entry where there is none."""
    found = {
        NOBODY: [letter for letter in letters if letter.is_dead],
        WAITING: [letter for letter in letters if not letter.is_dead],
    }
    return {
        name: dg.MetadataValue.md("\n".join(f"- {line}" for line in lines(some)))
        for name, some in found.items()
        if some
    }
