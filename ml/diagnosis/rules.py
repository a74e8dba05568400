"""The ordered tests. The first that finds something is the diagnosis; the order is that of the lineage, upstream first.

A rule is a function from evidence to a finding, to what it found sound, or to nothing where it had nothing to look at.
What stands further up explains what stands below it: a null spike makes features drift and performance fall, never the
other way round.
"""

import shlex
from collections.abc import Callable

from ml.diagnosis.evidence import Evidence
from ml.diagnosis.finding import Finding, Said, Sound
from ml.diagnosis.rules_model import (
    concept_drift,
    covariate_drift,
    scores_jumped,
    scores_off,
    scoring_incomplete,
    stale_model,
    train_serve_skew,
)
from ml.diagnosis.rules_platform import (
    champion_missing,
    disk_full,
    line,
    mlflow_down,
    step_failed,
    transform_changed,
    warehouse_locked,
)
from ml.diagnosis.rules_sources import (
    category_renamed,
    clock_shift,
    duplicate_load,
    file_unreadable,
    null_spike,
    schema_change,
    source_late,
    source_volume,
    unit_change,
)
from ml.diagnosis.verdict import KIND_OF, MOST_EVIDENCE, Cause, Diagnosis

Rule = Callable[[Evidence], Said]

RULES: tuple[Rule, ...] = (
    # the machine: nothing else can be judged
    disk_full,
    warehouse_locked,
    mlflow_down,
    # what the sources delivered
    file_unreadable,
    source_late,
    schema_change,
    duplicate_load,
    source_volume,
    clock_shift,
    null_spike,
    category_renamed,
    unit_change,
    # no SQL can take a version away
    champion_missing,
    # what the SQL made of it
    transform_changed,
    # what the model was given, and said
    step_failed,
    scoring_incomplete,
    train_serve_skew,
    # what came true of it
    concept_drift,
    scores_jumped,
    scores_off,
    covariate_drift,
    stale_model,
)


def diagnose(known: Evidence) -> Diagnosis:
    """The first finding of the rules, with what the rules before it ruled out; else benign or healthy."""
    sound: list[str] = []
    for rule in RULES:
        said = rule(known)
        if isinstance(said, Finding):
            return _diagnosis(known, said, tuple(sound))
        if isinstance(said, Sound):
            sound.append(f"{rule.__name__.replace('_', ' ')}: {said.text}")
    return _diagnosis(known, _no_fault(known), tuple(sound))


def _no_fault(known: Evidence) -> Finding:
    """Drift without harm, or nothing that explains what fails, or nothing at all."""
    asset, command = f"{known.product}/health", f"baton performance {shlex.quote(known.product)}"
    names = sorted({alarm.feature for alarm in known.drift})
    harmed = [error for error in known.errors if error.asset != f"{known.product}/drift"]
    if harmed:  # a broken floor is a promise that was not kept, whatever drifts beside it
        return Finding(Cause.HEALTHY, asset, 0.5, tuple(line(error) for error in harmed[:MOST_EVIDENCE]), command)
    if names:
        worst = max(known.drift, key=lambda alarm: alarm.value)
        most = f"{worst.method} of {worst.feature} {worst.value:.2f}, allowed {worst.threshold:.2f}"
        said = f"{', '.join(names[:5])} drift ({most})"
        harmless = "the scores do not, and nothing upstream is broken"
        unsteady = "the scores too, but not steadily, or not far and without harm, and nothing upstream is broken"
        harm = unsteady if {"score", "raw_score"} & set(names) else harmless
        return Finding(Cause.BENIGN, asset, 0.8, (said, harm), command)
    return Finding(Cause.HEALTHY, asset, 0.9 if known.sources else 0.5, (), command)


def _diagnosis(known: Evidence, found: Finding, ruled_out: tuple[str, ...]) -> Diagnosis:
    return Diagnosis(
        product=known.product,
        cause=str(found.cause),
        kind=KIND_OF[found.cause],
        asset=found.asset,
        group=known.group_of(found.asset),
        confidence=found.confidence,
        since=found.since,
        evidence=found.evidence[:MOST_EVIDENCE],
        ruled_out=ruled_out,
        command=found.command,
    )
