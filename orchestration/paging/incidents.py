"""The life of incidents: opened, sharpened, handed over, reopened, resolved; every transition with its messages."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from orchestration.paging.cause import Case, in_one_line
from orchestration.paging.ledger import Ledger
from orchestration.paging.model import (
    PAGES,
    RESOLVED,
    Incident,
    World,
)


def match(ledger: Ledger, found: Sequence[Case]) -> None:
    """Bring incidents into line with the cases that stand now; a case takes the incident of its own asset first."""
    held: dict[int, Case] = {}
    before = {number: incident for number, incident in ledger.incidents.items() if incident.is_open}
    for case in sorted(found, key=lambda each: not any(_owns(incident, each) for incident in before.values())):
        ids = [number for number in _matching(ledger, case) if number not in held]
        if ids:
            held[ids[0]] = case
            _update(ledger, ledger.incidents[ids[0]], case)
            for other in ids[1:]:
                if not any(_owns(ledger.incidents[other], each) for each in found if each is not case):
                    resolve(ledger, ledger.incidents[other], f"It is part of incident {ids[0]} ({case.asset}).")
        elif joined := _joined(ledger, before, case, held):
            incident = ledger.incidents[joined]
            signals = tuple(sorted({*incident.signals, *case.keys}))
            ledger.put(replace(incident, signals=signals, roots=tuple(dict.fromkeys((*incident.roots, *case.roots)))))
        elif again := _lately_resolved(ledger, case, held):
            held[again.id] = case
            _reopen(ledger, again, case)
        else:
            held[_open(ledger, case).id] = case
    for incident in list(ledger.incidents.values()):
        if incident.is_open and incident.id not in held:
            resolve(ledger, incident, _displaced(incident, held))


def _displaced(incident: Incident, held: Mapping[int, Case]) -> str:
    """What its checks fail for now, where they still fail."""
    others = (number for number, case in held.items() if case.keys & set(incident.signals))
    number = next(others, None)
    return "" if number is None else f"It is no longer found. {held[number].asset} is broken now: incident {number}."


def _joined(ledger: Ledger, before: Mapping[int, Incident], case: Case, held: Container[int]) -> int | None:
    """The incident that a diagnosis had made of this case and others, where no diagnosis tells them apart now."""
    joined = (
        number
        for number, incident in before.items()
        if number in held
        and set(case.roots) <= set(incident.roots)
        and case.confidence < incident.confidence
        and not _is_another(incident, case, ledger.world)
    )
    return next(joined, None)


def _owns(incident: Incident, case: Case) -> bool:
    return incident.asset == case.asset


def _is_another(incident: Incident, case: Case, world: World) -> bool:
    """Whether the case is another fault than the incident, though the same check tells of both.

    Both are diagnosed, and neither accountable asset stands above the other: no word for the one is a sharper word for
    the other.
    """
    are_diagnosed = incident.confidence > 0 and case.confidence > 0
    return are_diagnosed and not in_one_line(incident.asset, case.asset, world.parents)


def _matching(ledger: Ledger, case: Case) -> list[int]:
    """Open incidents of this cause: same accountable asset first, then a shared asset, then a shared symptom.

    Two diagnoses that take turns are two faults once; when both have been reopened, the one that is open stays.
    """
    takes_turns = any(over.asset == case.asset and over.episode > 1 for over in _over_lately(ledger))
    ranked = []
    for incident in ledger.incidents.values():
        if not incident.is_open:
            continue
        if incident.asset == case.asset:
            ranked.append((0, incident.id))
        elif _is_another(incident, case, ledger.world) and not takes_turns:
            continue
        elif {*incident.assets, *incident.roots} & {*case.assets, *case.roots}:
            ranked.append((1, incident.id))
        elif case.keys & set(incident.signals):
            ranked.append((2, incident.id))
    return [number for _, number in sorted(ranked)]


def _over_lately(ledger: Ledger) -> list[Incident]:
    """Those that are the same ones still, if they break again."""
    return [
        incident
        for incident in ledger.incidents.values()
        if incident.resolved_at is not None and _is_lately(ledger, incident.resolved_at)
    ]


def _is_lately(ledger: Ledger, instant: datetime) -> bool:
    return abs(ledger.now - instant) <= ledger.policy.grace


def _lately_resolved(ledger: Ledger, case: Case, held: Container[int]) -> Incident | None:
    found = [
        incident
        for incident in _over_lately(ledger)
        if incident.id not in held
        and (incident.asset == case.asset or case.keys & set(incident.signals))
        and not _is_another(incident, case, ledger.world)
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
    """The same incident again; a group that a person chose for this asset stays."""
    is_passed = incident.is_passed and incident.asset == case.asset
    group = incident.group if is_passed else case.group
    had = tuple(dict.fromkeys((*incident.had, group)))
    again = replace(incident, **_facts(case), group=group, had=had, resolved_at=None, told=(), escalated_to="", note="")  # type: ignore[arg-type]
    again = replace(again, since=case.since, episode=incident.episode + 1, is_passed=is_passed)
    return _tell_blocked(ledger, ledger.page(again, "reopened"))


def _update(ledger: Ledger, incident: Incident, case: Case) -> Incident:
    """A cause that sharpens is no page; another accountable group is a hand-over."""
    if not _is_followed(ledger, incident, case):
        return _tell_blocked(ledger, ledger.put(replace(incident, signals=tuple(sorted(case.keys)), roots=case.roots)))
    sharpened = _sharpened(incident, case)
    if case.group == incident.group or sharpened.is_passed:
        return _tell_blocked(ledger, ledger.put(sharpened))
    says = "The diagnosis is back at it" if case.group in incident.had else "The cause is now known"
    return _tell_blocked(ledger, hand_over(ledger, sharpened, case.group, f"{says}: {case.cause.replace('_', ' ')}."))


def _is_followed(ledger: Ledger, incident: Incident, case: Case) -> bool:
    """Whether what is known now moves the incident.

    While the same assets are broken no diagnosis does that is less sure than the one before. Back to a group
    that had it only when the one that has it has been left in peace for a while: two verdicts that take turns play no
    ping-pong, and what remains when a cause above it is mended finds its group.
    """
    if _is_another(incident, case, ledger.world):
        return False
    if not set(incident.roots) & set(case.roots) or incident.confidence == case.confidence == 0:
        return True
    if case.group != incident.group and case.group in incident.had and not incident.is_passed:
        return case.confidence > 0 and not _is_lately(ledger, _answered(incident))
    return case.confidence >= incident.confidence


def _answered(incident: Incident) -> datetime:
    """The last time that somebody had to answer, or did."""
    return max(filter(None, (incident.opened_at, incident.deadline, incident.acknowledged_at)))


def _sharpened(incident: Incident, case: Case) -> Incident:
    """The incident with what is known now. A person's word holds for the asset of which it was said.

    Of one that was passed before any diagnosis, the first diagnosis says what was passed.
    """
    is_first = incident.confidence == 0 and bool(set(incident.roots) & set(case.roots))
    is_passed = incident.is_passed and (incident.asset == case.asset or is_first)
    blocked = tuple(sorted({*incident.blocked, *case.blocked} - set(case.assets)))
    # What its run left out stays left out, whatever other runs do.
    is_stopped = case.is_stopped or (incident.is_stopped and case.run_id == incident.run_id)
    facts = {**_facts(case), "blocked": blocked, "is_stopped": is_stopped, "is_passed": is_passed}
    return replace(incident, **facts)  # type: ignore[arg-type]


def hand_over(ledger: Ledger, incident: Incident, group: str, why: str) -> Incident:
    """Another group is accountable from now on; it is paged, and whoever had it is told.

    A page to the group that had it, where it has not got out, is taken back: nobody is woken for what is not theirs.
    """
    before = incident.group
    ledger.withdraw([message for message in ledger.waiting(incident.id, before) if message.kind in PAGES])
    told = tuple(name for name in (*incident.informed, before) if name != group)
    had = tuple(dict.fromkeys((*incident.had, group)))
    moved = replace(incident, group=group, had=had, told=tuple(dict.fromkeys(told)), note=why)
    return ledger.tell(ledger.page(moved, "handover"), "handed_over", before)


def _tell_blocked(ledger: Ledger, incident: Incident) -> Incident:
    """Once per group: whose assets stand below, and who acts on them."""
    for group in blocked_groups(incident, ledger.world):
        if group not in incident.informed:
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
    waiting = ledger.waiting(incident.id)
    told_late = any(message.kind in ("opened", "reopened") for message in waiting)
    unaware = {group for group in incident.informed if _never_heard(ledger, incident, group)}
    ledger.withdraw(waiting)
    kind = "resolved_late" if told_late else "resolved"
    over = replace(incident, state=RESOLVED, resolved_at=ledger.now, snoozed_until=None, deadline=None, note=note)
    over = ledger.tell(over, kind, over.group)
    for group in over.informed:
        if group not in unaware:
            over = ledger.tell(over, "unblocked", group)
    return over


def _never_heard(ledger: Ledger, incident: Incident, group: str) -> bool:
    """Whether the first word about the incident still waits to reach a group; it needs not hear that it is over.

    Where an earlier "over" waits, the group heard what began before it.
    """
    kinds = {message.kind for message in ledger.waiting(incident.id, group)}
    first = {"opened", "reopened", "blocked"}
    if group not in blocked_groups(incident, ledger.world):
        first |= {"escalated", "handover"}
    return bool(kinds & first) and not kinds & {"resolved", "resolved_late", "unblocked"}
