"""One look in the making: what becomes of incidents, what is said about it, what is taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestration.paging import texts
from orchestration.paging.model import OPEN, Incident, Message, Policy, State, World


@dataclass
class Ledger:
    """One look in the making: incidents as they become, messages to write, messages to withdraw."""

    name: str
    world: World
    policy: Policy
    now: datetime
    incidents: dict[int, Incident]
    pending: dict[str, Message]
    last_id: int
    messages: list[Message] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, state: State, world: World, policy: Policy, now: datetime) -> "Ledger":
        """Begin from `state`."""
        return cls(state.name, world, policy, now, dict(state.incidents), dict(state.pending), state.last_id)

    def put(self, incident: Incident) -> Incident:
        """Keep the incident as it is now."""
        self.incidents[incident.id] = incident
        return incident

    def tell(self, incident: Incident, kind: str, group: str) -> Incident:
        """Add a message about `incident` to `group`; returns the incident that remembers it."""
        counted = self.put(replace(incident, serial=incident.serial + 1))
        title, body = texts.about(counted, kind, group, self.world)
        key = f"baton-{self.name}-{counted.id}.{counted.serial}"
        self.say(Message(key, counted.id, kind, group, title, f"{body}\nref {key}\n", self.now))
        return counted

    def say(self, message: Message) -> None:
        """Add a message; nobody has got it yet."""
        self.messages.append(message)
        self.pending[message.key] = message

    def page(self, incident: Incident, kind: str) -> Incident:
        """A message that asks the accountable group to act, and the time it has for it."""
        due = self.now + self.world.escalate_after(incident.group, self.policy)
        told = tuple(group for group in incident.informed if group != incident.group)
        cleared = replace(incident, state=OPEN, deadline=due, escalated_at=None, snoozed_until=None)
        cleared = replace(cleared, told=told, escalated_to="")
        return self.tell(replace(cleared, acknowledged_by="", acknowledged_at=None), kind, incident.group)

    def waiting(self, incident_id: int, group: str | None = None) -> list[Message]:
        """What nobody has got yet of an incident, or of it a group's part."""
        about = [message for message in self.pending.values() if message.incident_id == incident_id]
        return [message for message in about if group in (None, message.group)]

    def withdraw(self, messages: Sequence[Message]) -> None:
        """Take back what nobody has got yet."""
        for key in (message.key for message in messages):
            del self.pending[key]
            self.withdrawn.add(key)
            self.messages = [message for message in self.messages if message.key != key]
