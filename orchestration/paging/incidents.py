"""The life of incidents: opened, sharpened, handed over, reopened, resolved; every transition with its messages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from orchestration.paging.cause import Case
from orchestration.paging.ledger import Ledger
from orchestration.paging.model import (
    PAGES,
    RESOLVED,
    Incident,
    World,
)


def match(ledger: Ledger, found: Sequence[Case]) -> None:
    """Bring incidents into line with the cases that stand now."""
    taken: set[int] = set()
    before = {number: incident for number, incident in ledger.incidents.items() if incident.is_open}
    for case in found:
        ids = [number for number in _matching(ledger.incidents.values(), case) if number not in taken]
        if ids:
            taken.add(ids[0])
            _update(ledger, ledger.incidents[ids[0]], case)
            for other in ids[1:]:
                if not any(_owns(ledger.incidents[other], each) for each in found if each is not case):
                    resolve(ledger, ledger.incidents[other], f"It is part of incident {ids[0]} ({case.asset}).")
        elif joined := _joined(before, case, taken):
            incident = ledger.incidents[joined]
            signals = tuple(sorted({*incident.signals, *case.keys}))
            ledger.put(replace(incident, signals=signals, roots=tuple(dict.fromkeys((*incident.roots, *case.roots)))))
        elif again := _lately_resolved(ledger, case, taken):
            taken.add(again.id)
            _reopen(ledger, again, case)
        else:
            taken.add(_open(ledger, case).id)
    for incident in list(ledger.incidents.values()):
        if incident.is_open and incident.id not in taken:
            resolve(ledger, incident)


def _joined(before: Mapping[int, Incident], case: Case, taken: set[int]) -> int | None:
    """The incident that a diagnosis had made of this case and others, where no diagnosis tells them apart now."""
    joined = (
        number
        for number, incident in before.items()
        if number in taken and set(case.roots) <= set(incident.roots) and case.confidence < incident.confidence
    )
    return next(joined, None)


def _owns(incident: Incident, case: Case) -> bool:
    return incident.asset == case.asset


def _matching(incidents: Iterable[Incident], case: Case) -> list[int]:
    """Open incidents of this cause: same accountable asset first, then a shared asset, then a shared symptom."""
    ranked = []
    for incident in incidents:
        if not incident.is_open:
            continue
        if incident.asset == case.asset:
            ranked.append((0, incident.id))
        elif {*incident.assets, *incident.roots} & {*case.assets, *case.roots}:
            ranked.append((1, incident.id))
        elif case.keys & set(incident.signals):
            ranked.append((2, incident.id))
    return [number for _, number in sorted(ranked)]


def _lately_resolved(ledger: Ledger, case: Case, taken: set[int]) -> Incident | None:
    found = [
        incident
        for incident in ledger.incidents.values()
        if incident.state == RESOLVED
        and incident.id not in taken
        and incident.resolved_at is not None
        and abs(ledger.now - incident.resolved_at) <= ledger.policy.grace
        and (incident.asset == case.asset or case.keys & set(incident.signals))
    ]
    return max(found, key=lambda incident: (incident.asset == case.asset, incident.id), default=None)


def _facts(case: Case) -> dict[str, object]:
    """What an incident takes from its case."""
    return {
        "asset": case.asset,
        "assets": case.assets,
        "roots": case.roots,
        "signals": tuple(sorted(case.keys)),
        "cause": case.cause,
        "kind": case.kind,
        "confidence": case.confidence,
        "evidence": case.evidence,
        "ruled_out": case.ruled_out,
        "command": case.command,
        "run_id": case.run_id,
        "blocked": case.blocked,
        "is_stopped": case.is_stopped,
    }


def _open(ledger: Ledger, case: Case) -> Incident:
    ledger.last_id += 1
    fresh = Incident(ledger.last_id, case.asset, case.group, ledger.now, case.since)
    incident = replace(fresh, **_facts(case), had=(case.group,))  # type: ignore[arg-type]  # names and types are the case's
    return _tell_blocked(ledger, ledger.page(incident, "opened"))


def _reopen(ledger: Ledger, incident: Incident, case: Case) -> Incident:
    """The same incident again; a group that a person chose stays."""
    group = incident.group if incident.is_passed else case.group
    had = tuple(dict.fromkeys((*incident.had, group)))
    again = replace(incident, **_facts(case), group=group, had=had, resolved_at=None, told=(), note="")  # type: ignore[arg-type]
    again = replace(again, since=case.since, episode=incident.episode + 1)
    return _tell_blocked(ledger, ledger.page(again, "reopened"))


def _update(ledger: Ledger, incident: Incident, case: Case) -> Incident:
    """A cause that sharpens is no page; another accountable group is a hand-over.

    While the same assets are broken, only a diagnosis can move it: never back to a group that had it, and not where it
    is less sure than before. A group that a person chose stays.
    """
    sharpened = _sharpened(incident, case)
    if case.group == incident.group or incident.is_passed or sharpened.asset != case.asset:
        return _tell_blocked(ledger, ledger.put(sharpened))
    return _tell_blocked(
        ledger, hand_over(ledger, sharpened, case.group, f"The cause is now known: {case.cause.replace('_', ' ')}.")
    )


def _sharpened(incident: Incident, case: Case) -> Incident:
    """The incident with what is known now; a diagnosis that is not to be followed leaves it as it is."""
    if set(incident.roots) & set(case.roots):
        is_back = case.group != incident.group and case.group in incident.had
        if case.confidence < incident.confidence or (is_back and not incident.is_passed):
            return replace(incident, signals=tuple(sorted(case.keys)), roots=case.roots)
    blocked = tuple(sorted({*incident.blocked, *case.blocked} - set(case.assets)))
    # What its run left out stays left out, whatever other runs do.
    is_stopped = case.is_stopped or (incident.is_stopped and case.run_id == incident.run_id)
    return replace(incident, **{**_facts(case), "blocked": blocked, "is_stopped": is_stopped})  # type: ignore[arg-type]


def hand_over(ledger: Ledger, incident: Incident, group: str, why: str) -> Incident:
    """Another group is accountable from now on; it is paged, and whoever had it is told."""
    before = incident.group
    told = tuple(name for name in (*incident.told, before) if name != group)
    had = tuple(dict.fromkeys((*incident.had, group)))
    moved = replace(incident, group=group, had=had, told=tuple(dict.fromkeys(told)), note=why)
    return ledger.tell(ledger.page(moved, "handover"), "handed_over", before)


def _tell_blocked(ledger: Ledger, incident: Incident) -> Incident:
    """Once per group: whose assets stand below, and who acts on them."""
    for group in blocked_groups(incident, ledger.world):
        if group not in incident.told:
            incident = ledger.tell(replace(incident, told=(*incident.told, group)), "blocked", group)
    return incident


def blocked_groups(incident: Incident, world: World) -> list[str]:
    """Groups below the incident and consumers, without the accountable one."""
    blocked = {*incident.blocked, *incident.assets}
    groups = {world.groups.get(asset, "") for asset in incident.blocked}
    groups |= {consumer.group for consumer in world.consumers if consumer.assets & blocked}
    return sorted(groups - {"", incident.group})


def resolve(ledger: Ledger, incident: Incident, note: str = "") -> Incident:
    """Over: one message to the accountable group and one to each that was blocked.

    Where nobody could be told that it began, what waits is withdrawn, and the one message tells the whole story.
    """
    waiting = [m for m in ledger.pending.values() if m.incident_id == incident.id and m.kind in PAGES]
    told_late = any(message.kind in ("opened", "reopened") for message in waiting)
    late = {message.group for message in ledger.pending.values() if message.incident_id == incident.id}
    ledger.withdraw(incident.id)
    kind = "resolved_late" if told_late else "resolved"
    over = replace(incident, state=RESOLVED, resolved_at=ledger.now, snoozed_until=None, deadline=None, note=note)
    over = ledger.tell(over, kind, over.group)
    for group in over.told:
        if group not in late:  # who never heard that it was blocked needs not hear that it is not
            over = ledger.tell(over, "unblocked", group)
    return over
