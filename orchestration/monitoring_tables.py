"""The monitoring tables a product can have: the one list that `baton new` writes from. Each table is one entry."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MonitoringTable:
    """Model PRODUCT_`name`, one call of the macro `baton.name`.

    reads: macro argument to what it is given: a table of the product ('decisions' is the model PRODUCT_decisions or the
    source PRODUCT.decisions), `events` (the outcome model), `scoring_rows` (the scoring set's SQL as a macro of its
    days), `metric_models` (the models of the product's business metrics) or a table of another schema
    ('ops.model_reference'). A table is written where all of it exists.
    optional: arguments that are left out where what they name does not exist.
    only: 'slices', 'holdout', 'metrics': written where the product declares some; 'reference': where it trains, or says
    until when its own log is what to compare with.
    description: ends with the grain, `key`. fresh: the column that shows the data's age, on the run's clock.
    of_the_model: the exposure's owner answers for it, else the group that makes the outcomes.
    tests: further data tests; '{product}' is filled in.
    """

    name: str
    reads: Mapping[str, str]
    description: str
    key: tuple[str, ...]
    fresh: str
    of_the_model: bool = True
    optional: frozenset[str] = frozenset()
    only: str | None = None
    tests: tuple[Mapping[str, object], ...] = field(default=())


def _test(name: str, macro: str, severity: str = "error", **arguments: object) -> Mapping[str, object]:
    config = {} if severity == "error" else {"config": {"severity": severity}}
    return {f"baton.{macro}": {"name": name, "arguments": arguments, **config}}


HEALTH_OF = ("parity", "performance", "worst_slices", "calibration", "drift", "outcomes", "delay")

TABLES = (  # in the order in which they read each other
    MonitoringTable(
        "decisions",
        {"predictions": "predictions", "scoring_set": "scoring_set"},
        "The predictions that count, one per entity and period. One row per decision_key.",
        key=("decision_key",),
        fresh="as_of",
        of_the_model=False,
        optional=frozenset({"scoring_set"}),
    ),
    MonitoringTable(
        "outcomes",
        {"decisions": "decisions", "events": "events"},
        "What is known now about the outcome of each decision. One row per decision_key.",
        key=("decision_key",),
        fresh="as_of",
        of_the_model=False,
    ),
    MonitoringTable(
        "performance_hourly",
        {"decisions": "decisions", "outcomes": "outcomes"},
        "Sums of decisions and their outcomes that every window is added up from. "
        "One row per hour, slice_name, slice_value, model_version, kind, part, calibration_bin, predicted_label, "
        "seen_label, score_bin and batch; a number is the sum over its batches.",
        key=(
            *("hour", "slice_name", "slice_value", "model_version", "kind", "part", "calibration_bin"),
            *("predicted_label", "seen_label", "score_bin", "batch"),
        ),
        fresh="hour",
    ),
    MonitoringTable(
        "delay",
        {"decisions": "decisions", "outcomes": "outcomes"},
        "How long outcomes take to arrive, from closed cohorts. One row per stratum and age.",
        key=("stratum", "age_seconds"),
        fresh="evaluated_at",
    ),
    MonitoringTable(
        "performance",
        {
            "hourly": "performance_hourly",
            "decisions": "decisions",
            "outcomes": "outcomes",
            "population": "scoring_set",
            "delay": "delay",
        },
        "How good the decisions of each window were, with 95 % intervals. "
        "One row per window_kind, window_end, slice_name, slice_value, model_version and basis.",
        key=("window_kind", "window_end", "slice_name", "slice_value", "model_version", "basis"),
        fresh="window_end",
        optional=frozenset({"population", "delay"}),
        tests=(
            _test("within_the_floors_of_the_exposure", "within_floors", product="{product}", level="error"),
            _test("within_the_warning_floors", "within_floors", "warn", product="{product}", level="warn"),
            _test("enough_data_for_the_floors", "enough_data", "warn", product="{product}"),
        ),
    ),
    MonitoringTable(
        "calibration",
        {"hourly": "performance_hourly", "decisions": "decisions", "outcomes": "outcomes"},
        "Predicted against realised rate of matured decisions in ten bins, with 95 % intervals. "
        "One row per window_kind, window_end, model_version and bin.",
        key=("window_kind", "window_end", "model_version", "bin"),
        fresh="evaluated_at",
    ),
    MonitoringTable(
        "holdout",
        {"decisions": "decisions", "outcomes": "outcomes"},
        "Does acting help: acted decisions against held-out ones, with 95 % intervals. "
        "One row per window_kind and window_end.",
        key=("window_kind", "window_end"),
        fresh="evaluated_at",
        only="holdout",
    ),
    MonitoringTable(
        "worst_slices",
        {"decisions": "decisions", "outcomes": "outcomes"},
        "Which slice explains how much of a change since the window before. "
        "One row per window_kind, window_end, metric, slice_name and slice_value.",
        key=("window_kind", "window_end", "metric", "slice_name", "slice_value"),
        fresh="evaluated_at",
        only="slices",
    ),
    MonitoringTable(
        "metrics",
        {"relations": "metric_models"},
        "Business metrics that need no model, with 95 % intervals. "
        "One row per window_kind, window_end, slice_name, slice_value and metric.",
        key=("window_kind", "window_end", "slice_name", "slice_value", "metric"),
        fresh="evaluated_at",
        of_the_model=False,
        only="metrics",
    ),
    MonitoringTable(
        "parity",
        {
            "predictions": "predictions",
            "features": "prediction_features",
            "replay": "scoring_rows",
            "reference": "ops.model_reference",
        },
        "Whether what was scored is what the same query gives today. One row per window_end and feature.",
        key=("window_end", "feature"),
        fresh="window_end",
        optional=frozenset({"reference"}),
        tests=(
            _test(
                "scored_as_the_same_query_says_today", "train_serve_parity", "warn", product="{product}", at_least=1.0
            ),
        ),
    ),
    MonitoringTable(
        "drift",
        {"predictions": "predictions", "features": "prediction_features", "reference": "ops.model_reference"},
        "Is what the model sees still what it was trained on. One row per window_kind, window_end, feature and method.",
        key=("window_kind", "window_end", "feature", "method"),
        fresh="evaluated_at",
        only="reference",
        optional=frozenset({"features", "reference"}),
    ),
    MonitoringTable(
        "health",
        {
            "population": "scoring_set",
            "predictions": "predictions",
            **{table: table for table in HEALTH_OF},
        },
        "What was known at the end of each day's run: the worst status of each kind, in the words of the check. "
        "One row per day.",
        key=("day",),
        fresh="day",
        optional=frozenset({"population", "predictions", *HEALTH_OF}),
    ),
)
