"""One look: what was seen since the last one becomes incidents and messages. A pure function of its arguments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ml.masking import masked
from orchestration.paging import answers, incidents, signals, texts
from orchestration.paging.cause import cases, cause_of
from orchestration.paging.ledger import Ledger
from orchestration.paging.model import (
    NOT_RUN,
    Diagnose,
    Digest,
    Incident,
    Key,
    Message,
    Observation,
    Policy,
    Signal,
    State,
    World,
)

DIGEST_PAUSE = timedelta(hours=20)  # once a day: a daily run is not done at the same minute every day


@dataclass(frozen=True)
class Look:
    """What one look changed. `withdrawn`: keys of messages that must not be sent any more."""

    state: State
    messages: tuple[Message, ...] = ()
    withdrawn: frozenset[str] = frozenset()


def observe(
    state: State,
    batches: Sequence[Sequence[Observation]],
    now: datetime,
    world: World,
    policy: Policy | None = None,
    diagnose: Diagnose | None = None,
) -> Look:
    """Take in what was seen, one batch per run and oldest first, then let time do what it does.

    diagnose(asset, observations) names cause and group of a broken asset; None: the first broken one upstream answers,
    and the cause is its check's name.
    """
    policy = policy or Policy()
    ledger = Ledger.of(state, world, policy, now)
    known = signals.retired(state.signals, world, policy)
    let_go = len(known) < len(state.signals)
    silent: set[Key] = set()
    for batch in batches if batches or not let_go else [[]]:
        known = signals.retired(signals.absorb(known, batch, policy), world, policy)
        not_run: dict[str, set[str]] = {}
        for seen in batch:
            if seen.source == NOT_RUN:
                not_run.setdefault(seen.run_id, set()).add(seen.asset)
        found = cases(known, not_run, world, diagnose)
        incidents.match(ledger, found)
        silent = {signal.key for signal in known.values() if signal.is_failing}
        silent -= {key for case in found for key in case.keys}
    answers.tick(ledger)
    digests = dict(state.digests)
    if batches:
        _digest(ledger, known, silent, digests, state.written)
    after = replace(
        state,
        signals=known,
        incidents=ledger.incidents,
        pending=ledger.pending,
        digests=digests,
        last_id=ledger.last_id,
        written=state.written + len(ledger.messages),
    )
    return Look(after, tuple(ledger.messages), frozenset(ledger.withdrawn))


def _digest(
    ledger: Ledger, known: dict[Key, Signal], silent: set[Key], digests: dict[str, Digest], written: int
) -> None:
    """Warnings, and failures that harm nothing: at most one message a day and group, only when there is news."""
    lines: dict[str, list[str]] = {}
    for signal in sorted(known.values(), key=lambda each: each.key):
        if signal.is_warned or signal.key in silent:
            lines.setdefault(signal.group or ledger.world.groups.get(signal.asset, ""), []).append(_line(signal))
    for group in sorted(lines):
        last = digests.get(group)
        names = "\n".join(line.split(": ")[0] for line in lines[group])
        if last and (last.content == names or abs(ledger.now - last.sent_at) < DIGEST_PAUSE):
            continue
        gone = len(set(last.content.splitlines()) - set(names.split("\n"))) if last else 0
        title, body = texts.digest(group, lines[group], gone, ledger.now)
        # By number, not by time alone: a clock that is wound back comes to the same instant again.
        key = f"baton-{ledger.name}-digest-{group}-{ledger.now:%Y%m%d}.{written + len(ledger.messages) + 1}"
        ledger.say(Message(key, None, "digest", group, title, f"{body}\nref {key}\n", ledger.now))
        digests[group] = Digest(group, ledger.now, names)
    for group in digests.keys() - lines.keys():
        digests[group] = replace(digests[group], content="")  # what comes back after it was gone is news


def _line(signal: Signal) -> str:
    return f"{signal.asset} {cause_of(signal)}: {masked(signal.message)}".rstrip(": ")


class NoSuchIncident(ValueError):
    """An id that no open incident has."""


class NoSuchGroup(ValueError):
    """A group that is not in the roster."""


def acknowledge(state: State, number: int, who: str, now: datetime, world: World) -> Look:
    """Somebody works on incident `number`. Raises NoSuchIncident."""
    ledger = Ledger.of(state, world, Policy(), now)
    answers.acknowledge(ledger, _open_one(state, number), who)
    return _after(state, ledger)


def snooze(state: State, number: int, until: datetime, who: str, now: datetime, world: World) -> Look:
    """Quiet until `until`, at most 30 days ahead. Raises NoSuchIncident, ValueError."""
    incident, policy = _open_one(state, number), Policy()
    if not now < until <= now + policy.longest_snooze:
        raise ValueError(
            f"until is {until}; allowed is after {now} and at most {policy.longest_snooze.days} days ahead. "
            f"Try: baton snooze {number} --until {now + timedelta(hours=4):%Y-%m-%dT%H:%M}"
        )
    ledger = Ledger.of(state, world, policy, now)
    answers.snooze(ledger, incident, until, who)
    return _after(state, ledger)


def pass_on(state: State, number: int, group: str, why: str, now: datetime, world: World) -> Look:
    """Incident `number` belongs to `group`. Raises NoSuchIncident, NoSuchGroup, ValueError.

    ValueError: it has it already, or nobody says why.
    """
    incident = _open_one(state, number)
    if group not in world.teams:
        raise NoSuchGroup(f"group is {group!r}; allowed are {', '.join(sorted(world.teams))}")
    if group == incident.group:
        raise ValueError(f"incident {number} is with {group} already. Next: baton ack {number}")
    if not why.strip():
        raise ValueError("reason is empty; the page that the group gets begins with it, so say why it is theirs")
    ledger = Ledger.of(state, world, Policy(), now)
    answers.pass_on(ledger, incident, group, " ".join(why.split()))
    return _after(state, ledger)


def _open_one(state: State, number: int) -> Incident:
    incident = state.incidents.get(number)
    if incident is None or not incident.is_open:
        numbers = ", ".join(str(each.id) for each in state.incidents.values() if each.is_open) or "none"
        over = "is over" if incident else "does not exist"
        raise NoSuchIncident(f"incident {number} {over}; open are: {numbers}. Next: baton incidents")
    return incident


def _after(state: State, ledger: Ledger) -> Look:
    after = replace(
        state,
        incidents=ledger.incidents,
        pending=ledger.pending,
        last_id=ledger.last_id,
        written=state.written + len(ledger.messages),
    )
    return Look(after, tuple(ledger.messages), frozenset(ledger.withdrawn))
