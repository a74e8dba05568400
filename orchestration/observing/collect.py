"""One run's Dagster events as observations: heard while it runs or read from the log, the same either way."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import JobFailureData

from ml import clock
from ml.masking import masked
from orchestration.observing import world as graphs
from orchestration.paging.cause import ancestors
from orchestration.paging.model import CHECK, FAILED, NOT_RUN, OK, STEP, Observation, midnight
from orchestration.run_info import AS_OF, NOW

if TYPE_CHECKING:
    from dagster import DagsterEvent, RunRecord

    from orchestration.graph import Graph

MATERIALIZED = "materialized"
STOPPED = "baton/stopped"  # tag of a run of the command line that was interrupted: whoever did it knows
INTERRUPTED = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")
PLANNED = {dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED}
HEARD = PLANNED | {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


@dataclass
class Collected:
    """What one run's events said, as little of it as paging needs."""

    run_id: str
    planned: dict[str, str] = field(default_factory=dict)  # asset -> step
    made: dict[str, None] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    broken: dict[str, tuple[list[str], str]] = field(default_factory=dict)  # step -> nodes it names, first line
    running: dict[str, None] = field(default_factory=dict)  # steps begun and not ended
    done: dict[str, None] = field(default_factory=dict)
    why: str = ""
    is_interrupted: bool = False  # by a signal, Ctrl-C for one

    def hear(self, event: "DagsterEvent") -> None:
        """Take one event in."""
        step = event.step_key or ""
        match event.event_type_value:
            case "ASSET_MATERIALIZATION_PLANNED":
                self.planned[event.asset_materialization_planned_data.asset_key.to_user_string()] = step
            case "ASSET_MATERIALIZATION":
                self.made[event.step_materialization_data.materialization.asset_key.to_user_string()] = None
            case "ASSET_CHECK_EVALUATION":
                self.checks.append(_check(event))
            case "STEP_START":
                self.running[step] = None
            case "STEP_SUCCESS":
                self.running.pop(step, None)
                self.done[step] = None
            case "STEP_FAILURE":
                self.running.pop(step, None)
                self.broken[step] = _failure(event)
            case "PIPELINE_FAILURE":
                self.why = event.message or ""
                data = event.event_specific_data  # none where another process failed the run
                error = data.error if isinstance(data, JobFailureData) else None
                self.is_interrupted = error is not None and error.cls_name in INTERRUPTED


def _check(event: "DagsterEvent") -> dict[str, Any]:
    found = event.asset_check_evaluation_data
    meta = {name: value.value for name, value in found.metadata.items() if name in ("owner", "status", "message")}
    status = meta.get("status")
    known = status in (OK, FAILED, "insufficient_data")
    return {
        "asset": found.asset_key.to_user_string(),
        "name": found.check_name,
        "status": status if known else (OK if found.passed else FAILED),
        "severity": found.severity.value.lower(),
        "group": str(meta.get("owner") or ""),
        "message": masked(str(meta.get("message") or found.description or "")),
    }


def _failure(event: "DagsterEvent") -> tuple[list[str], str]:
    """The nodes that a failure names, and the first line of what it says."""
    data = event.step_failure_data
    given = data.user_failure_data
    nodes = given.metadata["on"].value if given and "on" in given.metadata else []
    error = data.error
    while error is not None and error.cause is not None and "Error" in (error.cause.cls_name or ""):
        error = error.cause
    text = (given and given.description) or (error and error.message) or "the step ended without an error"
    return [str(node) for node in nodes] if isinstance(nodes, list) else [], masked(text.strip().split("\n")[0])


def observations(collected: Collected, record: "RunRecord", graph: "Graph") -> list[Observation]:
    """What a finished run tells. A run that somebody cancelled broke nothing; what it evaluated counts."""
    run = record.dagster_run
    is_stopped = run.status == dg.DagsterRunStatus.CANCELED or STOPPED in run.tags
    ended = _instant(record.end_time or record.update_timestamp.timestamp())
    plain = Observation("", "", "", OK, ended, _day(run.tags, ended), run.run_id, clock=_clock(run.tags, ended))
    found = [replace(plain, source=CHECK, **check) for check in collected.checks]
    failing = {seen.asset for seen in found if seen.status == FAILED and seen.severity == "error"}
    broken: list[Observation] = []
    if run.status == dg.DagsterRunStatus.FAILURE and not is_stopped:
        broken = list(_broken(collected, failing, plain, graph))
    out = {seen.asset for seen in broken}
    made = [replace(plain, asset=a, source=STEP, name=MATERIALIZED) for a in collected.made if a not in out]
    looked = {step: _first(collected, step, graph) for step in sorted(collected.done.keys() & _checking(graph))}
    made += [replace(plain, asset=asset, source=STEP, name=_unlooked(step)) for step, asset in looked.items()]
    left: list[Observation] = []
    if not is_stopped:
        missing = sorted(collected.planned.keys() - collected.made.keys() - out)
        left = [replace(plain, asset=asset, source=NOT_RUN, name="planned", status=FAILED) for asset in missing]
    every = [replace(seen, event_id=n) for n, seen in enumerate((*found, *made, *broken, *left))]
    commands = graphs.Commands(graph)
    return [_with_command(seen, commands) for seen in every]


def _broken(collected: Collected, failing: set[str], plain: Observation, graph: "Graph") -> "list[Observation]":
    """Assets whose step failed, where no failed check of theirs says so already; of a killed run what it was at."""
    bad = replace(plain, source=STEP, name=MATERIALIZED, status=FAILED)
    found: dict[str, Observation] = {}
    for step, (nodes, said) in collected.broken.items():
        named = [asset for node in nodes if (asset := graphs.asset_of_node(graph, node))]
        if set(named) <= failing and (named or _is_about_checks(said)):
            continue
        name = _unlooked(step) if step in _checking(graph) and not named else MATERIALIZED
        for asset in [a for a in named if a not in failing] or [_first(collected, step, graph)]:
            found[asset] = replace(bad, asset=asset, name=name, message=said, kind="" if named else "platform")
    if not collected.broken:
        words = f"the run ended while this was being built: {masked(collected.why.split(chr(10))[0])}"
        for step in collected.running or {"": None}:
            asset = _first(collected, step, graph)
            name = _unlooked(step) if step in _checking(graph) else MATERIALIZED
            found[asset] = replace(bad, asset=asset, name=name, message=words, kind="platform")
    return list(found.values())


def _checking(graph: "Graph") -> set[str]:
    """Steps that make no asset and look at some: their failure ends when they succeed, nothing is materialized."""
    return {checks.node_def.name for checks in graph.checks}


def _unlooked(step: str) -> str:
    return f"{step} could not run"


def _is_about_checks(said: str) -> bool:
    """Dagster's own words where a blocking check failed a step: the check has told it."""
    return "asset check" in said.lower() and "fail" in said.lower()


def _first(collected: Collected, step: str, graph: "Graph") -> str:
    """The asset that a step was at: the first that it planned and did not make, in the order of the flow.

    Of a step without assets what its checks are on; without those the first of the graph: somebody has to look.
    """
    planned = [asset for asset, of in collected.planned.items() if of == step or not step]
    left = [asset for asset in planned if asset not in collected.made] or planned
    if not left:
        left = [
            key.asset_key.to_user_string()
            for checks in graph.checks
            if checks.node_def.name == step
            for key in checks.check_keys
        ]
    return min(left or graph.parents, key=lambda asset: (len(ancestors(asset, graph.parents)), asset))


def _with_command(seen: Observation, commands: graphs.Commands) -> Observation:
    if seen.status != FAILED or seen.source == NOT_RUN:
        return seen
    is_check = seen.source == CHECK
    command = commands.of_check(seen.asset, seen.name) if is_check else commands.of_step(seen.asset)
    return replace(seen, command=command)


def _clock(tags: Mapping[str, str], ended: datetime) -> datetime:
    return clock.resolve(tags[NOW]) if NOW in tags else ended


def _day(tags: Mapping[str, str], ended: datetime) -> datetime:
    """The day that a run is about: its last partition's, else its own."""
    return clock.resolve(tags[AS_OF]) if AS_OF in tags else midnight(_clock(tags, ended))


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC).replace(tzinfo=None)
