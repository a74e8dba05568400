"""The nested parameters of a product's exposure: one frozen type each, and its reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from ml.clock import DAY
from ml.spec import Field

CANDIDATES = ("logistic_regression", "hist_gradient_boosting")
SELECTION_METRICS = ("value", "roc_auc", "average_precision", "log_loss", "brier")
# The same list as the SQL macro `baton.floor_metrics`.
FLOOR_METRICS = (
    *("accuracy", "precision", "recall", "f1", "balanced_accuracy", "roc_auc", "average_precision", "ks"),
    "log_loss",
    *("brier", "value", "value_per_decision", "value_lift", "ece", "coverage"),
)
MONEY = ("value", "value_per_decision", "value_lift")
# The same list as `baton.floor_bases`; naive is kept to show a bias and judges nothing.
BASES = ("matured", "delay_corrected", "estimated")
NOT_JUDGED = ("brier_reliability", "brier_resolution", "naive")
# The window `whole`: all of the history, longer than any other.
WHOLE = timedelta.max
Policy = Literal["first", "latest"]
Positive = Literal["event", "absence"]
Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class Outcome:
    """What is predicted: an event of `model` (or its absence) within `horizon` of as_of, written by `grace` later."""

    model: str
    positive: Positive
    horizon: timedelta
    grace: timedelta
    delay_by: tuple[str, ...]


@dataclass(frozen=True)
class Decide:
    """Which prediction counts: one per entity and `per` (None: once ever), the first or the latest."""

    per: timedelta | None
    policy: Policy


@dataclass(frozen=True)
class Value:
    """Money per decision by cell of the confusion table; a cell is a number or the name of an amount column."""

    currency: str
    tp: float | str
    fp: float | str
    fn: float | str
    tn: float | str

    @property
    def amounts(self) -> tuple[str, ...]:
        """Amount columns the cells name, sorted."""
        return tuple(sorted({cell for cell in (self.tp, self.fp, self.fn, self.tn) if isinstance(cell, str)}))


@dataclass(frozen=True)
class Split:
    """Lengths of the newest parts of the history that fitting never sees."""

    validation: timedelta
    test: timedelta


@dataclass(frozen=True)
class Promote:
    """A challenger must win `margin` per decision on at least so many matured rows and positives."""

    margin: float
    min_matured: int
    min_positives: int


@dataclass(frozen=True)
class Train:
    """How a version is made: candidates with estimator parameters, the metric that picks, the split, the cadence.

    `rehearse`: how far back the first run starts predicting, so that it has matured decisions to show.
    """

    candidates: Mapping[str, Mapping[str, Any]]
    metric: str
    split: Split
    cadence: timedelta
    rehearse: timedelta
    promote: Promote


@dataclass(frozen=True)
class Floor:
    """Bounds a performance number must keep, None for no bound; judged on at least `min_n` matured decisions."""

    metric: str
    window: timedelta
    basis: str
    at_least: float | None
    at_most: float | None
    severity: Severity
    min_n: int


@dataclass(frozen=True)
class Drift:
    """False discovery rate `q`; an alarm of `severity` when `k` of the last `of` windows of one length breach.

    reference_until: predictions up to here are the reference, where no training gives one; None: there is none.
    """

    q: float
    k: int
    of: int
    windows: tuple[timedelta, ...]
    severity: Severity
    reference_until: datetime | None


@dataclass(frozen=True)
class Delay:
    """How delay-corrected numbers are made.

    `min_share`: decisions of an age at which fewer of the positives are seen leave the estimate as too fresh.
    `min_positives`: a stratum with fewer positives in closed cohorts has no delay curve yet.
    """

    min_share: float
    min_positives: int


@dataclass(frozen=True)
class Monitor:
    """Trailing windows of performance, floors to hold in them, how drift is judged and how delay is corrected.

    `min_n`: fewer matured decisions than this are too little to judge.
    """

    windows: tuple[timedelta, ...]
    min_n: int
    floors: tuple[Floor, ...]
    drift: Drift
    delay: Delay


def read_outcome(spec: Field) -> Outcome:
    """`outcome` of an exposure; grace is 0 where it does not say, and the event is the positive answer."""
    spec.mapping(("model", "positive", "horizon", "grace", "delay_by"))
    return Outcome(
        model=spec.get("model").text(),
        positive=cast(Positive, spec.get("positive", "event").one_of(("event", "absence"))),
        horizon=spec.get("horizon").duration(),
        grace=spec.get("grace", "0 days").duration(),
        delay_by=spec.get("delay_by", []).tuple_of(Field.text),
    )


def read_decide(spec: Field, outcome: Outcome) -> Decide:
    """`per: entity` is once ever; without `per` a decision lasts one horizon."""
    spec.mapping(("per", "policy"))
    per = spec.get("per", None)
    policy = spec.get("policy", "first").one_of(("first", "latest"))
    if per.value == "entity":
        return Decide(None, cast(Policy, policy))
    return Decide(outcome.horizon if per.absent else per.duration(), cast(Policy, policy))


def read_value(spec: Field) -> Value:
    """`value` of an exposure: all four cells must be there."""
    spec.mapping(("currency", "tp", "fp", "fn", "tn"))

    def cell(name: str) -> float | str:
        field = spec.get(name)
        if isinstance(field.value, str) and field.value.isidentifier():
            return field.value
        if isinstance(field.value, bool) or not isinstance(field.value, int | float):
            field.fail("a number, or the name of an amount column of the training and scoring sets")
        return float(field.value)

    return Value(spec.get("currency", "USD").text(), cell("tp"), cell("fp"), cell("fn"), cell("tn"))


def read_train(spec: Field) -> Train:
    """`train` of an exposure; every field has a default."""
    spec.mapping(("candidates", "metric", "split", "cadence", "rehearse", "promote"))
    candidates = spec.get("candidates", {name: {} for name in CANDIDATES})
    if not candidates.mapping(CANDIDATES):
        candidates.fail(f"at least one of {', '.join(CANDIDATES)}")
    split, promote = spec.get("split", {}), spec.get("promote", {})
    split.mapping(("validation", "test"))
    promote.mapping(("margin", "min_matured", "min_positives"))
    return Train(
        candidates={name: dict(candidates.get(name, {}).mapping()) for name in sorted(candidates.value)},
        metric=spec.get("metric", "value").one_of(SELECTION_METRICS),
        split=Split(split.get("validation", "60 days").duration(), split.get("test", "60 days").duration()),
        cadence=spec.get("cadence", "7 days").duration(),
        rehearse=spec.get("rehearse", "120 days").duration(),
        promote=Promote(
            margin=promote.get("margin", 0).number(),
            min_matured=promote.get("min_matured", 500).whole(),
            min_positives=promote.get("min_positives", 50).whole(),
        ),
    )


def read_monitor(spec: Field) -> Monitor:
    """`monitor` of an exposure; every field has a default."""
    spec.mapping(("windows", "min_n", "floors", "drift", "delay"))
    drift, delay = spec.get("drift", {}), spec.get("delay", {})
    until = drift.get("reference_until", None)
    drift.mapping(("q", "k", "of", "windows", "severity", "reference_until"))
    delay.mapping(("min_share", "min_positives"))
    windows = spec.get("windows", ["1d", "7d", "28d"])
    lengths, min_n = windows.tuple_of(_window), spec.get("min_n", 30).whole(1)
    of = drift.get("of", 3).whole(1)
    k = drift.get("k", 2).whole(1)
    if k > of:
        drift.get("k", 2).fail(f"a whole number from 1 to {of} (drift.of)")
    return Monitor(
        windows=lengths,
        min_n=min_n,
        floors=spec.get("floors", []).tuple_of(lambda floor: _floor(floor, lengths, windows, min_n)),
        drift=Drift(
            q=drift.get("q", 0.01).number(1e-12, 0.999),
            k=k,
            of=of,
            windows=drift.get("windows", ["1d"]).tuple_of(_whole_days),
            severity=cast(Severity, drift.get("severity", "warn").one_of(("error", "warn"))),
            reference_until=None if until.absent else until.instant(),
        ),
        delay=Delay(delay.get("min_share", 0.05).number(0.001, 1), delay.get("min_positives", 30).whole(1)),
    )


def _whole_days(spec: Field) -> timedelta:
    length = spec.duration()
    if not length or length % DAY:
        spec.fail("whole days or weeks: '28d'")
    return length


def _window(spec: Field) -> timedelta:
    if spec.value == "whole":
        return WHOLE
    length = spec.duration()
    if not length or length % timedelta(hours=1):
        spec.fail("full hours, whole days or weeks, or whole: '3h', '28d', 'whole'")
    return length


def _judged(spec: Field, allowed: tuple[str, ...]) -> str:
    if spec.value in NOT_JUDGED:
        spec.fail(f"{' or '.join(allowed)}; {spec.value} is not judged")
    return spec.one_of(allowed)


def _floor(spec: Field, lengths: tuple[timedelta, ...], windows: Field, min_n: int) -> Floor:
    spec.mapping(("metric", "window", "basis", "at_least", "at_most", "severity", "min_n"))
    bounds = [None if spec.get(name).absent else spec.get(name).number() for name in ("at_least", "at_most")]
    if bounds == [None, None]:
        spec.fail("at_least, at_most or both")
    window = WHOLE if spec.get("window").value == "whole" else spec.get("window").duration()
    if window not in lengths:
        spec.get("window").fail(f"one of monitor.windows: {', '.join(map(str, windows.value))}")
    return Floor(
        metric=_judged(spec.get("metric"), FLOOR_METRICS),
        window=window,
        basis=_judged(spec.get("basis", "matured"), BASES),
        at_least=bounds[0],
        at_most=bounds[1],
        severity=cast(Severity, spec.get("severity", "error").one_of(("error", "warn"))),
        min_n=spec.get("min_n", min_n).whole(1),
    )
