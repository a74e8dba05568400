"""Where the messages of a drill on own products go: nowhere, or out with a mark."""

from dataclasses import replace

from orchestration.paging.channels import Apprise
from orchestration.paging.model import Message

DRILL = "This is a drill on a copy of the home (baton drill --own --send). Nothing is broken, there is nothing to do."


class Shown:
    """A channel that keeps messages to itself: a rehearsal wakes nobody."""

    def send(self, address: str, message: Message, title: str) -> None:
        """Nothing leaves."""


class Marked:
    """The real channel; each message says first that it is a drill: who gets it runs to a table that is sound."""

    def send(self, address: str, message: Message, title: str) -> None:
        """Raises NotDelivered, as the real one does."""
        Apprise().send(address, replace(message, body=f"{DRILL}\n\n{message.body}"), f"Drill: {title}")
