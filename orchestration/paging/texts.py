"""What messages say, readable at three in the morning: what, since when, data or model, numbers, who waits."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ml.diagnosis.advice import ADVICE, Advice
from orchestration.paging.model import NOT_DIAGNOSED, NOTHING_RAN, Consumer, Incident, World

LISTED = 6
SIDES = {
    "data": "the data, not the model",
    "model": "the model, not its data",
    "platform": "code, machine or service; nothing says that the data or the model is wrong",
}
UNDIAGNOSED = {
    "data": "the data: it broke before any model reads it",
    "model": "the model, or what measures it: nothing above it is broken",
}
UNKNOWN = {  # by cause, where a cause in words says more than where it was seen
    NOTHING_RAN: "neither the data nor the model: nothing has run (schedule, daemon or machine: baton doctor)",
    NOT_DIAGNOSED: "not known yet: ask for the diagnosis, it says data or model",
}
NEAREST = 3  # causes that are told as ruled out
ROOM = 300  # characters of one piece of evidence


def about(incident: Incident, kind: str, group: str, world: World) -> tuple[str, str]:
    """Title and body of a message of `kind` to `group`."""
    title = TITLES[kind].format(id=incident.id, asset=incident.asset, cause=_headline(incident), group=incident.group)
    return title, "\n".join(_lines(incident, kind, group, world)) + "\n"


TITLES = {
    "opened": "{asset} is broken: {cause}",
    "reopened": "Broken again: {asset}: {cause}",
    "handover": "Handed to you: {asset}: {cause}",
    "handed_over": "Handed on to {group}: {asset}",
    "escalated": "Nobody answered, you are the backup: {asset}: {cause}",
    "snooze_over": "Snooze is over, still broken: {asset}: {cause}",
    "blocked": "For your information: {asset} is broken, {group} is on it",
    "resolved": "Over: {asset}",
    "resolved_late": "Was broken, is over: {asset}: {cause}",
    "unblocked": "Over: {asset}",
}


def _lines(incident: Incident, kind: str, group: str, world: World) -> list[str]:
    if kind in ("resolved", "resolved_late", "unblocked"):
        return _over(incident, kind, world)
    if kind == "handed_over":
        return [
            f"Incident {incident.id} ({incident.asset}) is no longer yours: {incident.group} has it.",
            *([incident.note] if incident.note else []),
            "You hear from it again when it is over.",
        ]
    if kind == "blocked":
        return _blocked(incident, group, world)
    return _page(incident, kind, world)


def _page(incident: Incident, kind: str, world: World) -> list[str]:
    first = {
        "escalated": f"{incident.group} did not acknowledge in time.",
        "handover": incident.note,
        "snooze_over": "The snooze has ended and it is still broken.",
        "reopened": "You were told that it is over. It is not.",
    }.get(kind)
    others = [asset for asset in incident.assets if asset != incident.asset]
    return [
        *([first, ""] if first else []),
        f"What       {incident.asset}: {_words(incident.cause)}{_sure(incident)}",
        *([f"           {'seen at' if incident.confidence else 'the same in'} {_listed(others)}"] if others else []),
        f"Since      {when(incident.since)}",
        f"Side       {_side(incident)}",
        *_numbered("Evidence", incident.evidence),
        *_ruled_out(incident),
        *_waiting(incident, world),
        f"           {_published(incident)}",
        *([f"Run        {world.dagster_url}/runs/{incident.run_id}"] if incident.run_id else []),
        *([f"See it     {incident.command}"] if incident.command else []),
        *_mend(incident),
        "",
        f"Whose      {incident.group} is accountable. Incident {incident.id}.",
        *([f"Where      {world.place}: type the commands there"] if world.place else []),
        f"Do         baton ack {incident.id}",
        f"           baton snooze {incident.id} --until {_iso(_later(incident))}",
        f'           baton pass {incident.id} --to GROUP --reason "..."    # if it is not yours',
        *_deadline(incident, world),
    ]


def _blocked(incident: Incident, group: str, world: World) -> list[str]:
    own = [asset for asset in incident.blocked if world.groups.get(asset) == group]
    acting = [c for c in _consumers(incident, world) if c.group == group]
    return [
        f"{incident.asset} is broken since {when(incident.since)}: {_words(incident.cause)}{_meaning(incident)}.",
        f"{incident.group} has been paged. There is nothing for you to do.",
        "",
        *_under("Of yours", [*([_listed(own)] if own else []), *(consumer.label for consumer in acting)]),
        _published(incident),
        "You hear from it again when it is over.",
    ]


def _published(incident: Incident) -> str:
    """Whether readers see old numbers, or new ones that may be wrong."""
    if _nothing_ran(incident):
        return "Nothing has run: what is published is of an earlier run, and it gets older."
    if incident.is_stopped:
        return "The run stopped there: what is published stays as it was, and is of an earlier run."
    return "The run went on: what is published is new, and may be wrong because of it."


def _over(incident: Incident, kind: str, world: World) -> list[str]:
    over = incident.resolved_at or incident.opened_at
    first = {
        "resolved_late": "It is over. You hear of it only now: no message could reach you, or nobody was looking.",
        "unblocked": f"{incident.asset} is mended; nothing of yours waits for it any more.",
    }.get(kind, f"{incident.asset} is mended.")
    if incident.note and kind != "resolved_late":  # it lives on as another one: nobody mended it
        first = f"Incident {incident.id} is closed."
    return [
        first,
        *([incident.note] if incident.note else []),
        "",
        f"What       {incident.asset}: {_words(incident.cause)}{_sure(incident)}",
        f"From       {when(incident.since)}",
        f"To         {when(over)} ({_took(incident, over)})",
        *(_numbered("Evidence", incident.evidence) if kind == "resolved_late" else []),
        *([f"Run        {world.dagster_url}/runs/{incident.run_id}"] if incident.run_id else []),
        f"Incident   {incident.id}",
    ]


def _took(incident: Incident, over: datetime) -> str:
    """How long somebody knew of it; of one that broke again from its first time, which `From` is not."""
    took = spell(over - incident.opened_at)
    if incident.episode == 1:
        return f"{took} after it was noticed"
    return f"{took} after it was first noticed; it broke {incident.episode} times"


def digest(group: str, lines: Sequence[str], gone: int, now: datetime) -> tuple[str, str]:
    """Title and body of the daily digest of warnings."""
    count = f"{len(lines)} warning{'' if len(lines) == 1 else 's'}"
    left = f" {gone} of the last digest {'is' if gone == 1 else 'are'} gone." if gone else ""
    body = [f"Nothing here needs you tonight.{left}", "", *(f"- {line}" for line in lines), "", "Look: baton status"]
    return f"{count} for {group}, {now:%d %b}", "\n".join(body) + "\n"


def _side(incident: Incident) -> str:
    """Data or model; where nothing diagnosed it, with what speaks for it."""
    if not incident.confidence and incident.cause in UNKNOWN:
        return UNKNOWN[incident.cause]
    found = SIDES if incident.confidence else {**SIDES, **UNDIAGNOSED}
    return found.get(incident.kind, incident.kind)


def _nothing_ran(incident: Incident) -> bool:
    return not incident.confidence and incident.cause == NOTHING_RAN


def _headline(incident: Incident) -> str:
    """The cause as titles say it; of a fault without a diagnosis with the command that asks for one."""
    if not incident.confidence and incident.cause == NOT_DIAGNOSED:
        return f"{incident.cause}: {incident.command}"
    return _short(_words(incident.cause), 60)


def _words(cause: str) -> str:
    return cause.replace("_", " ")


def _sure(incident: Incident) -> str:
    return f" (confidence {incident.confidence:.0%})" if incident.confidence else ""


def advice_on(incident: Incident) -> Advice | None:
    """What is known of a diagnosed cause; None where nothing diagnosed it."""
    return ADVICE.get(incident.cause) if incident.confidence else None


def _meaning(incident: Incident) -> str:
    """For those who do not know the cause by its name."""
    advice = advice_on(incident)
    return f" ({advice.meaning})" if advice else ""


def _mend(incident: Incident) -> list[str]:
    advice = advice_on(incident)
    return [f"Mend       {advice.mend}."] if advice else []


def _ruled_out(incident: Incident) -> list[str]:
    """What was nearest to the cause and is sound, nearest first: all that stands further up is less of a question."""
    nearest = incident.ruled_out[: -NEAREST - 1 : -1]
    rest = len(incident.ruled_out) - len(nearest)
    return [*_numbered("Ruled out", nearest), *([f"           and {rest} more, further up"] if rest else [])]


def _numbered(label: str, found: Iterable[str]) -> list[str]:
    texts = [_short(text, ROOM) for text in found]
    return _under(label, [f"{n + 1}. {text}" for n, text in enumerate(texts)])


def _under(label: str, lines: Sequence[str]) -> list[str]:
    """Lines with their label in front of the first."""
    return [f"{label if n == 0 else '':11}{line}" for n, line in enumerate(lines)]


def _consumers(incident: Incident, world: World) -> list[Consumer]:
    touched = {*incident.blocked, *incident.assets}
    return [consumer for consumer in world.consumers if consumer.assets & touched]


def _waiting(incident: Incident, world: World) -> list[str]:
    """Who is blocked: products and consumers by name, tables counted by group."""
    lines = [
        f"{consumer.label}{' (product)' if consumer.is_product else ''}, {consumer.group}"
        for consumer in _consumers(incident, world)
    ]
    by_group: dict[str, list[str]] = {}
    for asset in incident.blocked:
        by_group.setdefault(world.groups.get(asset, "nobody"), []).append(asset)
    for group, assets in sorted(by_group.items()):
        lines.append(f"{len(assets)} table{'' if len(assets) == 1 else 's'} of {group}: {_listed(assets)}")
    return _under("Blocked" if incident.is_stopped else "Affected", lines or ["nobody"])


def _deadline(incident: Incident, world: World) -> list[str]:
    team = world.teams.get(incident.group)
    if incident.deadline is None or incident.escalated_at is not None or team is None or not team.backup:
        return []
    return [f"           unanswered at {when(incident.deadline)}, it goes to {team.backup}"]


def _later(incident: Incident) -> datetime:
    base = max(filter(None, (incident.opened_at, incident.deadline, incident.escalated_at)))
    return base.replace(minute=0, second=0, microsecond=0) + timedelta(hours=4)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def _short(text: str, room: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= room else f"{flat[: room - 3]}..."


def _iso(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M}"


def when(instant: datetime) -> str:
    """An instant for people: Sat 21 Nov 06:00 UTC."""
    return f"{instant:%a %d %b %Y %H:%M} UTC"


def spell(span: timedelta) -> str:
    """A duration for people: 12 min, 5 h, 3 d."""
    minutes = max(0, round(span / timedelta(minutes=1)))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} d"
