"""Who is accountable: upstream from what is broken to the first that is itself broken; all below is blocked."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from ml.masking import masked
from orchestration.paging.model import (
    CHECK,
    FAILED,
    FRESHNESS,
    NO_FAULT,
    NOT_DIAGNOSED,
    NOTHING_RAN,
    STEP,
    Diagnose,
    Key,
    Observation,
    Signal,
    World,
)

MODEL_TABLES = frozenset(
    (
        *("model", "predictions", "prediction_features", "performance", "performance_hourly", "performance_estimated"),
        *("drift", "calibration", "worst_slices", "holdout", "parity", "value", "health", "metrics"),
    )
)
BENIGN = "benign"  # the one verdict that makes a failing check a line of the daily digest


@dataclass(frozen=True)
class Case:
    """One cause as it looks now: what an open incident is compared with. `assets`: the accountable one first.

    roots: the broken assets with none broken above; a diagnosis may name another as accountable.
    """

    assets: tuple[str, ...]
    roots: tuple[str, ...]
    group: str
    cause: str
    kind: str
    since: datetime
    signals: tuple[Signal, ...]
    blocked: tuple[str, ...]
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    command: str = ""
    run_id: str = ""
    is_stopped: bool = False

    @property
    def asset(self) -> str:
        """The accountable asset."""
        return self.assets[0]

    @property
    def keys(self) -> frozenset[Key]:
        """The signals that belong to it."""
        return frozenset(signal.key for signal in self.signals)


def ancestors(asset: str, parents: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Everything above `asset`."""
    seen: set[str] = set()
    queue = list(parents.get(asset, ()))
    while queue:
        found = queue.pop()
        if found not in seen:
            seen.add(found)
            queue += parents.get(found, ())
    return frozenset(seen)


def below(assets: Iterable[str], parents: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Everything that depends on any of `assets`, themselves excluded."""
    children: dict[str, list[str]] = {}
    for child, above in parents.items():
        for parent in above:
            children.setdefault(parent, []).append(child)
    start = set(assets)
    seen, queue = set(start), list(start)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in seen:
                seen.add(child)
                queue.append(child)
    return frozenset(seen - start)


def in_one_line(one: str, other: str, parents: Mapping[str, frozenset[str]]) -> bool:
    """Whether one of them stands above the other, or they are the same."""
    return one == other or one in ancestors(other, parents) or other in ancestors(one, parents)


def accountable(broken: Iterable[str], parents: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """For each broken asset the one that answers for it: a broken asset above it with none broken above, or itself.

    Of several the alphabetically first; each of them answers for itself anyway.
    """
    wanted = set(broken)
    above = {asset: ancestors(asset, parents) & wanted for asset in wanted}
    roots = {asset for asset, found in above.items() if not found}
    return {asset: min((above[asset] & roots) or {asset}) for asset in wanted}


def cases(
    signals: Mapping[Key, Signal], not_run: Mapping[str, Set[str]], world: World, diagnose: Diagnose | None
) -> list[Case]:
    """The causes that stand now, each with everything that follows from it.

    not_run: by run, what it planned and did not materialize.
    """
    failing: dict[str, list[Signal]] = {}
    for signal in signals.values():
        if signal.is_failing:
            failing.setdefault(signal.asset, []).append(signal)
    answers = accountable(failing, world.parents)
    found: dict[object, Case] = {}
    for root in sorted(set(answers.values())):
        own = sorted(failing[root], key=_weight)
        symptoms = [s for asset, by in sorted(answers.items()) if by == root and asset != root for s in failing[asset]]
        case, same = _case(root, own, symptoms, world, diagnose)
        if case is not None:
            found[same] = _merged(found[same], case) if same in found else case
    left = {run_id: assets - failing.keys() for run_id, assets in not_run.items()}
    return [_with_blocked(case, left, world) for case in found.values()]


def _case(
    root: str, own: Sequence[Signal], symptoms: Sequence[Signal], world: World, diagnose: Diagnose | None
) -> tuple[Case | None, object]:
    """The case of one root, None where a diagnosis finds no harm, and what makes two of them one."""
    first = own[0]
    group = first.group or world.groups.get(root, "")
    every = (*own, *symptoms)
    since = min((signal.since for signal in own if signal.since), default=first.at)
    plain = Case(
        assets=(root,),
        roots=(root,),
        group=group,
        cause=cause_of(first),
        kind=first.kind or ("platform" if first.source == FRESHNESS else kind_of(root)),
        since=since,
        signals=every,
        blocked=(),
        evidence=tuple(masked(signal.message) for signal in own if signal.message)[:3],
        command=_command_of(first),
        run_id=first.run_id,
    )
    verdict = diagnose(root, [_seen(signal) for signal in every]) if diagnose else None
    if verdict is not None and verdict.cause == BENIGN:
        return None, root
    if verdict is None or verdict.kind == "none":  # nothing found is no reason to be silent about what is broken
        started = None if first.source == FRESHNESS else first.since_as_of
        return plain, (group, plain.cause, started)
    case = replace(
        plain,
        assets=tuple(dict.fromkeys((verdict.asset or root, root))),
        group=verdict.group or group,
        cause=verdict.cause or plain.cause,
        kind=verdict.kind or plain.kind,
        since=verdict.since or since,
        confidence=verdict.confidence,
        evidence=tuple(map(masked, verdict.evidence[:3])) or plain.evidence,
        ruled_out=tuple(map(masked, verdict.ruled_out)),
        command=verdict.command or plain.command,
    )
    return case, case.asset


def _seen(signal: Signal) -> Observation:
    return Observation(
        *signal.key, FAILED, signal.at, signal.as_of, signal.run_id, "error", signal.group, signal.message
    )


def _merged(one: Case, other: Case) -> Case:
    return replace(
        one,
        assets=tuple(dict.fromkeys((*one.assets, *other.assets))),
        roots=tuple(dict.fromkeys((*one.roots, *other.roots))),
        since=min(one.since, other.since),
        signals=(*one.signals, *other.signals),
        evidence=tuple(dict.fromkeys((*one.evidence, *other.evidence)))[:3],
    )


def _with_blocked(case: Case, not_run: Mapping[str, Set[str]], world: World) -> Case:
    """A step that fails takes along what stands in its run and is no descendant; that is blocked too.

    The published copy depends on everything: where the run went on it was made, and who reads another branch of it
    waits for nothing.
    """
    left = {asset for signal in case.signals for asset in not_run.get(signal.run_id, ())}
    is_stopped = bool(left) or any(signal.source == STEP for signal in case.signals)
    found = (below(case.assets, world.parents) | left) - (frozenset() if is_stopped else {world.published})
    return replace(case, blocked=tuple(sorted(found - set(case.assets))), is_stopped=is_stopped)


def _weight(signal: Signal) -> tuple[int, str]:
    """A step that failed explains more than a check, a check more than an age."""
    return {STEP: 0, CHECK: 1, FRESHNESS: 2}.get(signal.source, 3), signal.name


def cause_of(signal: Signal) -> str:
    """A cause in words where nothing diagnosed it: the check's own name, where that says what happened."""
    if signal.source == FRESHNESS:
        return NOTHING_RAN
    if signal.source == CHECK and signal.name == NO_FAULT:
        return NOT_DIAGNOSED
    if signal.source == CHECK:
        return signal.name.replace("_", " ")
    return signal.name if signal.name != "materialized" else "it could not be built"


def _command_of(signal: Signal) -> str:
    """How to see it again; a fault without a diagnosis by asking for one."""
    product = signal.asset.split("/")[0]
    return f"baton diagnose {product}" if cause_of(signal) == NOT_DIAGNOSED else signal.command


def kind_of(asset: str) -> str:
    """Data or model, where nothing diagnosed it: by what the asset is."""
    return "model" if asset.split("/")[-1] in MODEL_TABLES else "data"
