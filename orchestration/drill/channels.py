"""Where the messages of a drill go: nowhere, or out with a mark."""

from dataclasses import dataclass, replace

from orchestration.paging.channels import Apprise
from orchestration.paging.model import Message

ON_OWN = "This is a drill on a copy of the home (baton drill --own --send). Nothing is broken, there is nothing to do."
ON_COMPANY = "This is a drill at a made company (baton drill). Nothing of yours is broken, there is nothing to do."


class Shown:
    """A channel that keeps messages to itself: a rehearsal wakes nobody."""

    def send(self, address: str, message: Message, title: str) -> None:
        """Nothing leaves."""


@dataclass(frozen=True)
class Marked:
    """The real channel; each message says first that it is a drill: who gets it runs to a table that is sound.

    said: the sentence that it begins with.
    """

    said: str

    def send(self, address: str, message: Message, title: str) -> None:
        """Raises NotDelivered, as the real one does."""
        Apprise().send(address, replace(message, body=f"{self.said}\n\n{message.body}"), f"Drill: {title}")
