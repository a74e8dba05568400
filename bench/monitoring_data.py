# ruff: noqa: E501  SQL reads better in its own line breaks
"""Made data for the monitoring benchmark: a prediction log with its features, the scored population and outcome events.

Everything is a hash of the row's number, so the same rows come out for any number of threads. `rows` decisions of rows / 3
leads over 90 days (or of fewer leads over more days), each lead once per period of 30 days. 10 % of the decisions stand elsewhere in their period than on its
first day, so that some leads appear twice in a window of 28 days. On top of that 3 % of the log are scores of a challenger
(role shadow) and 2 % are leads scored again the next day, which decide nothing. Outcomes come late (2 days on average; some after the
horizon of 7 days), become known later still, and 5 % of them never arrive. Two versions; f3, f4 and c2 drift, f6 and c1 have nulls.
"""

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from ml.features import Feature
from ml.ids import bucket_sql, prediction_id_sql
from ml.ops_tables import ensure_ops
from ml.reference import rows as reference_rows
from ml.reference import write as write_reference

if TYPE_CHECKING:
    import duckdb
    import numpy as np

FIRST, DAYS = datetime(2025, 1, 1), 90
LAST = FIRST + timedelta(days=DAYS)  # as_of of the last daily run
NOW = LAST + timedelta(hours=6)
SECOND_VERSION = FIRST + timedelta(days=50)
REFERENCE_END = FIRST + timedelta(days=30)
NUMBERS, CATEGORIES, SLICES = (
    tuple(f"f{k}" for k in range(11)),
    ("c0", "c1", "c2"),
    ("region", "channel", "tier"),
)
PRODUCT: dict[str, Any] = {
    "entity": "lead_id",
    "outcome": {"model": "events", "horizon": "7 days", "grace": "2 days"},
    "decide": {"per": "30 days", "policy": "first"},
    "slices": list(SLICES),
    "value": {"currency": "USD", "tp": "gain_usd", "fp": -10, "fn": 0, "tn": 0},
    "train": {},
    "monitor": {"windows": ["1d", "28d"]},
}

ID = prediction_id_sql("lead_id", "as_of", "made", "champion").replace("champion|", "' || role || '|")
_MACROS = """
create or replace temp macro u(i, s) as ((hash(i * 4096 + s) >> 11)::double + 0.5) / 9007199254740992.0;
create or replace temp macro normal(i, s) as sqrt(-2 * ln(u(i, s))) * cos(2 * pi() * u(i, s + 1000));
create or replace temp macro sigmoid(x) as 1 / (1 + exp(-x));
create or replace temp macro exponential(i, s) as -ln(u(i, s));
"""


@dataclass(frozen=True)
class Shape:
    """How many decisions over how many days (periods of 30), and whether a lead is scored with its day's batch at midnight or at any second of the day."""

    rows: int
    stream: bool = False
    days: int = DAYS

    @property
    def first(self) -> datetime:
        """A longer history begins earlier and ends on the same day."""
        return LAST - timedelta(days=self.days)


def make(con: "duckdb.DuckDBPyConnection", shape: Shape) -> None:
    """Fill schema raw (predictions, prediction_features, scoring_set, events) and `ops.model_reference`.

    A stream has neither features nor reference: what is refreshed does not read them.
    """
    con.execute("create schema if not exists raw")
    con.execute(_MACROS)
    con.execute(_plan(shape))
    con.execute(f"create table raw.predictions as {log('plan')}")
    if not shape.stream:
        con.execute(f"create table raw.prediction_features as {features('plan')}")
    con.execute(f"create table raw.scoring_set as {scoring_set('plan')}")
    con.execute(
        f"create table raw.events as select *, row_number() over () as arrived "
        f"from ({events('plan')} order by valid_from, lead_id)"
    )
    con.execute("drop table plan")
    if not shape.stream:
        _reference(con)


def _plan(shape: Shape) -> str:
    """One row per row of the log in the order of writing: decision number i, and kind 0 first, 1 shadow, 2 next day."""
    first = f"timestamp '{shape.first}'"
    periods = shape.days // 30
    leads = -(-shape.rows // periods)
    phase = f"(({bucket_sql('lead_id', 30, 'period|leads')} - date_diff('day', timestamp '1970-01-01', {first})) % 30 + 30) % 30"
    second = "to_microseconds((u(i, 5) * 86399e6)::bigint)" if shape.stream else "interval 0 second"
    return f"""
    create temp table plan as
    with leads as (select e, 'L' || e as lead_id, {phase} as phase from range({leads}) r(e)),
    decided as (
        select {periods} * e + p as i, lead_id, phase + 30 * p as start,
            case when u(3 * e + p, 1) < 0.1 then (u(3 * e + p, 2) * 27)::integer else 0 end as later
        from leads, range({periods}) q(p)
        where {periods} * e + p < {shape.rows}
    ),
    placed as (
        select i, lead_id, {first} + to_days(start::integer + case when start + later < {shape.days} then later else 0 end) + {second} as as_of
        from decided
    ),
    written as (
        select i, 0 as kind, lead_id, as_of from placed
        union all select i, 1, lead_id, as_of from placed where u(i, 3) < 0.03
        union all select i, 2, lead_id, as_of + interval 1 day from placed where u(i, 4) < 0.02 and as_of < timestamp '{LAST}' - interval 1 day
    )
    select *, if(kind = 1, 'shadow', 'champion') as role, as_of + {"interval 1 minute" if shape.stream else "interval 6 hour"} as predicted_at,
        date_diff('second', {first}, as_of) / {shape.days * 86400.0} as age
    from written
    order by predicted_at, i"""


def _drawn(plan: str) -> str:
    """The plan with every feature and what the score rests on."""
    moved = {3: "+ 0.4 * age", 4: "* (1 + 0.3 * age)"}
    numbers = ", ".join(f"normal(i, {10 + k}) {moved.get(k, '')} as f{k}" for k in range(11))
    categories = ", ".join(f"'v' || (u(i, {30 + k}) * u(i, {40 + k}) * {4 + 4 * k})::integer as c{k}" for k in range(3))
    return f"""
    select * replace (
            case when u(i, 51) >= 0.03 then f6 end as f6,
            case when u(i, 52) >= 0.01 then c1 end as c1,
            case when age > 0.8 and u(i, 53) < 0.02 then 'new' else c2 end as c2
        ),
        0.9 * f0 - 0.6 * f1 + 0.4 * f2 + case when c0 = 'v1' then 0.3 else 0 end - 0.8 as z
    from (select *, {numbers}, {categories} from {plan})"""


def log(plan: str) -> str:
    """The prediction log in the form that Baton writes."""
    version = f"case when as_of < timestamp '{SECOND_VERSION}' then 1 else 2 end"
    return f"""
    select {ID} as prediction_id, lead_id, as_of, predicted_at,
        predicted_at as known_at, score as raw_score, score, 0.5::double as threshold, (score >= 0.5)::integer as predicted_label,
        null::varchar as reasons, {version} as model_version, 'made' || {version} as model_fingerprint, role,
        u(i, 6) < 0.05 as is_holdout, 'batch' as origin, 'made' as spec_hash, 'made' as dagster_run_id, 'made' as mlflow_run_id
    from (select *, sigmoid(z + 0.7 * age * f5 + 0.1 * kind) as score from ({_drawn(plan)}))"""


def features(plan: str) -> str:
    """What each prediction was computed from."""
    return f"select {ID} as prediction_id, {', '.join((*NUMBERS, *CATEGORIES))} from ({_drawn(plan)})"


def scoring_set(plan: str) -> str:
    """Everybody who should have been scored, with slices and the amount at stake."""
    return f"""
    select lead_id, as_of, 'r' || (u(i, 60) * 6)::integer as region, 'ch' || (u(i, 61) * u(i, 62) * 5)::integer as channel,
        't' || (u(i, 63) * 3)::integer as tier, round(20 + 80 * u(i, 64), 2) as gain_usd
    from {plan} where role = 'champion'"""


def events(plan: str) -> str:
    """Outcome events as versions: half a percent is withdrawn again; 5 % never arrive."""
    return f"""
    select lead_id, event_at, known as valid_from,
        case when u(i, 73) < 0.005 then known + interval 3 day else timestamp '9999-12-31' end as valid_to
    from (
        select i, lead_id, event_at, event_at + to_microseconds((exponential(i, 72) * 21600e6)::bigint) as known
        from (
            select i, lead_id, as_of + to_microseconds((exponential(i, 71) * 2 * 86400e6)::bigint) as event_at
            from ({_drawn(plan)}) where kind = 0 and u(i, 70) < sigmoid(z) and u(i, 74) >= 0.05
        )
    )
    where known < timestamp '{NOW}'"""


@dataclass(frozen=True)
class Recorded:
    """A model whose scores are those of the log, for `ml.reference`: calibrated as they are."""

    score: "np.ndarray[Any, Any]"
    calibrator: None = None

    @property
    def raw(self) -> "np.ndarray[Any, Any]":
        return self.score

    def scores(self, _rows: Any) -> "Recorded":
        return self

    def margins(self, _rows: Any) -> "np.ndarray[Any, Any]":
        import numpy as np

        return np.log(self.score / (1 - self.score))

    def calibrated(self, margins: Any) -> "np.ndarray[Any, Any]":
        import numpy as np

        return 1 / (1 + np.exp(-margins))


def _reference(con: "duckdb.DuckDBPyConnection") -> None:
    """Both versions were trained on the first 30 days (at most 200,000 rows of them)."""
    names = [*NUMBERS, *CATEGORIES]
    frame = con.execute(
        f"select {', '.join(names)}, score from raw.prediction_features join raw.predictions using (prediction_id) "
        f"where as_of < timestamp '{REFERENCE_END}' order by hash(prediction_id) limit 200000"
    ).df()
    kinds = tuple(Feature(name, "DOUBLE", "number", True) for name in NUMBERS)
    kinds += tuple(Feature(name, "VARCHAR", "category", True) for name in CATEGORIES)
    ensure_ops(con)
    for version in (1, 2):
        found = list(reference_rows(frame, kinds, frame, Recorded(frame["score"].to_numpy())))  # type: ignore[arg-type]
        write_reference(con, "leads", version, f"made{version}", found)
