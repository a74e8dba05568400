"""What time and people do to incidents: escalation, the end of a snooze; acknowledge, snooze, pass on."""

from dataclasses import replace
from datetime import datetime

from orchestration.paging.incidents import hand_over
from orchestration.paging.ledger import Ledger
from orchestration.paging.model import ACKNOWLEDGED, OPEN, SNOOZED, Incident


def tick(ledger: Ledger) -> None:
    """What time alone does: snoozes end, pages that nobody answered go to the backup."""
    for incident in list(ledger.incidents.values()):
        if incident.state == SNOOZED:
            _end_snooze(ledger, incident)
        elif incident.state == OPEN and incident.escalated_at is None:
            _escalate(ledger, incident)


def _end_snooze(ledger: Ledger, incident: Incident) -> None:
    end = incident.snoozed_until or ledger.now
    if end - ledger.now > ledger.policy.longest_snooze:  # the clock was wound back
        ledger.put(replace(incident, snoozed_until=ledger.now + ledger.policy.longest_snooze))
    elif ledger.now >= end:
        ledger.page(incident, "snooze_over")


def _escalate(ledger: Ledger, incident: Incident) -> None:
    length = ledger.world.escalate_after(incident.group, ledger.policy)
    deadline = incident.deadline or ledger.now + length
    if deadline - ledger.now > length:  # the clock was wound back
        deadline = ledger.now + length
    if ledger.now < deadline:
        if deadline != incident.deadline:
            ledger.put(replace(incident, deadline=deadline))
        return
    team = ledger.world.teams.get(incident.group)
    escalated = replace(incident, escalated_at=ledger.now, deadline=deadline)
    if team is None or not team.backup:
        ledger.put(escalated)
    else:
        ledger.tell(replace(escalated, escalated_to=team.backup), "escalated", team.backup)


def acknowledge(ledger: Ledger, incident: Incident, who: str) -> Incident:
    """Somebody works on it: it goes to no backup any more, and one that could not be told yet hears nothing."""
    late = [message for message in ledger.waiting(incident.id) if message.kind == "escalated"]
    ledger.withdraw(late)
    return ledger.put(
        replace(
            incident,
            state=ACKNOWLEDGED,
            escalated_to="" if late else incident.escalated_to,
            acknowledged_by=who,
            acknowledged_at=ledger.now,
            snoozed_until=None,
            deadline=None,
        )
    )


def snooze(ledger: Ledger, incident: Incident, until: datetime, who: str) -> Incident:
    """Quiet until then; it always ends."""
    return ledger.put(replace(acknowledge(ledger, incident, who), state=SNOOZED, snoozed_until=until))


def pass_on(ledger: Ledger, incident: Incident, group: str, why: str) -> Incident:
    """A person says that another group has to mend it: a hand-over that counts as misrouted."""
    passed = replace(incident, is_passed=True, misrouted=incident.misrouted + 1)
    return hand_over(ledger, passed, group, f"Passed on: {why}")
