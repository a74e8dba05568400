"""From observations to signals: the newest counts, whatever the order in which they are heard."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from orchestration.paging.model import (
    CHECK,
    FAILED,
    FRESHNESS,
    INSUFFICIENT,
    NOT_RUN,
    OK,
    STEP,
    Key,
    Observation,
    Policy,
    Signal,
    World,
    midnight,
)

POLICY = "policy"  # the one signal of source freshness
MADE = "materialized"  # the one signal of a step


def absorb(signals: Mapping[Key, Signal], observations: Iterable[Observation], policy: Policy) -> dict[Key, Signal]:
    """Signals after these observations."""
    found = dict(signals)
    for seen in sorted(observations, key=lambda each: (each.at, each.event_id)):
        if seen.source == NOT_RUN or _is_overtaken(found, seen):
            continue
        before = found.get(seen.key, Signal(*seen.key))
        if is_newer(seen, before):
            found[seen.key] = updated(before, seen, policy)
        if seen.source == STEP and seen.name == MADE and seen.status == OK:
            _mend_freshness(found, seen, policy)
    return found


def _mend_freshness(found: dict[Key, Signal], seen: Observation, policy: Policy) -> None:
    """Dagster's own PASS looks at any materialization, an old partition's too; only one of the day itself mends."""
    promise = found.get((seen.asset, FRESHNESS, POLICY))
    if promise is None or not (promise.is_failing or promise.is_warned):
        return
    if seen.speaks_of_its_day and seen.at > promise.at:
        found[promise.key] = updated(promise, replace(seen, source=FRESHNESS, name=POLICY, message=""), policy)


def _is_overtaken(found: Mapping[Key, Signal], seen: Observation) -> bool:
    """A promise that was broken before the asset was last built, for its own day: it is read late, and over."""
    made = found.get((seen.asset, STEP, MADE))
    if seen.source != FRESHNESS or seen.status != FAILED or made is None:
        return False
    return made.history.endswith("o") and made.at > seen.at and made.as_of >= midnight(made.at)


def is_newer(seen: Observation, known: Signal) -> bool:
    """Whether `seen` says more about the present than what is known.

    The day it speaks of comes first. A clock that was wound back is told from an old partition: what speaks of the very
    day on which it was made (or a later one) is of the present.
    """
    if seen.as_of == known.as_of:
        return (seen.at, seen.event_id) > (known.at, known.event_id)
    if seen.as_of > known.as_of:
        return seen.at > known.at or known.as_of < midnight(known.at)
    return seen.at > known.at and seen.as_of >= midnight(seen.at)


def updated(known: Signal, seen: Observation, policy: Policy) -> Signal:
    """The signal after a newer observation."""
    placed = replace(known, at=seen.at, as_of=seen.as_of, event_id=seen.event_id, group=seen.group or known.group)
    if seen.status == INSUFFICIENT:
        unjudged = known.judged_as_of is not None and seen.as_of - known.judged_as_of > policy.forget
        return replace(placed, is_failing=False, is_warned=False, since=None) if unjudged else placed
    is_error = seen.status == FAILED and seen.severity == "error"
    is_warned = seen.status == FAILED and not is_error
    if seen.source == FRESHNESS and is_warned and known.is_failing:
        return known  # Dagster went from bad to less bad; only what is built mends it
    history = (known.history + ("F" if is_error else "o"))[-max(policy.memory, policy.of, policy.settle) :]
    is_failing = _still_broken(history, policy) if known.is_failing else _breaks(history, policy)
    is_bad = is_failing or is_warned
    was_bad = known.is_failing or known.is_warned
    same = is_bad and was_bad and known.is_failing == is_failing
    return replace(
        placed,
        history=history,
        is_failing=is_failing,
        is_warned=is_warned,
        since=known.since if same else ((seen.clock or seen.at) if is_bad else None),
        since_as_of=known.since_as_of if same else (seen.as_of if is_bad else None),
        judged_as_of=seen.as_of,
        run_id=seen.run_id if seen.status == FAILED or not is_failing else known.run_id,
        message=seen.message if seen.status == FAILED or not is_failing else known.message,
        command=seen.command or known.command,
        kind=seen.kind if seen.status == FAILED else known.kind,
    )


def _breaks(history: str, policy: Policy) -> bool:
    return history[-1] == "F" and history[-policy.of :].count("F") >= policy.k


def _still_broken(history: str, policy: Policy) -> bool:
    if history[-1] == "F":
        return True
    recent = history[-policy.memory :]
    is_flapping = len([run for run in recent.split("o") if run]) >= policy.flaps
    return is_flapping and "F" in recent[-policy.settle :]


def retired(signals: Mapping[Key, Signal], world: World, policy: Policy) -> dict[Key, Signal]:
    """Signals without those of checks and assets that the project no longer has: nobody could ever mend them.

    Only where they have not been heard of for a while: a daemon that loaded the project before a check was added does
    not know the check, and hears of it.
    """
    newest = max((signal.at for signal in signals.values()), default=datetime.min)
    return {
        key: signal
        for key, signal in signals.items()
        if _is_known(signal, world) or newest - signal.at <= policy.retire_after
    }


def _is_known(signal: Signal, world: World) -> bool:
    is_check = signal.source == CHECK and world.checks is not None
    return signal.asset in world.groups and (not is_check or (signal.asset, signal.name) in (world.checks or ()))
