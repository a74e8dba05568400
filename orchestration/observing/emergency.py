"""When incidents cannot be recorded (disk full, database gone): one message, unrecorded, to who runs the machine."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from orchestration.observing.collect import Collected
from orchestration.observing.world import PUBLISHED
from orchestration.paging.channels import Apprise, Channel, NotDelivered, address_of
from orchestration.paging.model import FAILED, Message, World

LISTED = 10


def cry(
    world: World, error: str, heard: Iterable[Collected], now: datetime, channel: Channel | None = None
) -> str | None:
    """Send it to the group of the published copy, else to its backup; the group that got it, None where nobody did."""
    group = world.groups.get(PUBLISHED, "")
    failed = list(_failed(heard))
    more = [f"- and {len(failed) - LISTED} more"] if len(failed) > LISTED else []
    lines = [f"- {line}" for line in failed[:LISTED]] + more
    body = (
        f"{error}\n\nFailed in the runs just now, and paged to nobody:\n"
        + "\n".join(lines or ["- nothing"])
        + "\n\nNext: baton doctor. Mended, the next look pages what is still broken.\n"
    )
    title = "The pager cannot record what is broken"
    message = Message(f"baton-emergency-{now:%Y%m%dT%H%M%S}", None, "opened", group, title, body, now)
    team = world.teams.get(group)
    for name in (group, team.backup if team else None):
        address = address_of(world.teams.get(name or ""))
        if name is None or address.url is None:
            continue
        try:
            (channel or Apprise()).send(address.url, message, title)
        except NotDelivered:
            continue  # the backup's turn; where that fails too, the caller says that nobody was told
        return name
    return None


def _failed(heard: Iterable[Collected]) -> Iterator[str]:
    for run in heard:
        for check in run.checks:
            if check["status"] == FAILED and check["severity"] == "error":
                yield f"{check['asset']} {check['name']}: {check['message'][:200]}"
        for step, (_, said) in run.broken.items():
            yield f"step {step}: {said[:200]}"
