"""Simulated worlds with a reporting delay, as tables of decisions and outcomes at any now. Shared by tests and soak."""

from datetime import datetime

import numpy as np
import pandas as pd
from macro_harness import MacroHarness

PLACEHOLDER = "2001-01-01 00:00:00"  # rendered once; the real now is put in its place
DAY_0 = datetime(2024, 1, 1)


def at(sql: str, now: datetime) -> str:
    """Rendered SQL on another clock."""
    return sql.replace(PLACEHOLDER, str(now))


def arrivals_world(
    rng: np.random.Generator, n_days: int, outcomes_per_day: float, weekdays_only: bool = False
) -> pd.DataFrame:
    """Decisions at each midnight, one in five with an outcome up to 14 days later, known after an exponential delay.

    With `weekdays_only` nothing becomes known on Saturdays and Sundays; it all comes on Monday.
    """
    per_day = rng.poisson(5 * outcomes_per_day, n_days)
    as_of = pd.Timestamp(DAY_0) + pd.to_timedelta(np.repeat(np.arange(n_days), per_day), unit="D")
    delay = np.where(rng.random(len(as_of)) < 0.2, np.minimum(rng.exponential(4, len(as_of)), 14), np.nan)
    known_at = as_of + pd.to_timedelta(np.round(delay * 86400), unit="s")
    if weekdays_only:
        late = known_at.day_of_week >= 5
        monday = known_at.normalize() + pd.to_timedelta(7 - known_at.day_of_week, unit="D") + pd.Timedelta(hours=9)
        known_at = known_at.where(~late, monday)
    return pd.DataFrame({"as_of": as_of, "known_at": known_at, "matures_at": as_of + pd.Timedelta(days=17)})


def load_arrivals(macros: MacroHarness, world: pd.DataFrame, now: datetime, dead_since: datetime | None = None) -> None:
    """Table `outcomes` as it stands at now, of the decisions of the last 260 days; nothing came since `dead_since`."""
    table = world[(world.as_of <= now) & (world.as_of > pd.Timestamp(now) - pd.Timedelta(days=260))]
    seen = table.known_at <= (now if dead_since is None else min(now, dead_since))
    closed = table.matures_at <= now
    state = np.where(closed, np.where(seen, "positive", "negative"), np.where(seen, "early_positive", "pending"))
    frame = pd.DataFrame({
        "decision_key": np.arange(len(table)).astype(str), "as_of": table.as_of, "matures_at": table.matures_at,
        "outcome_known_at": table.known_at.where(seen), "state": state, "score": 0.5,
        "outcome_label": pd.array(np.where(closed, seen.astype(int), 0), dtype="Int64"),
    })  # fmt: skip
    frame.loc[~closed, "outcome_label"] = pd.NA
    macros.connection.register("arriving", frame)
    macros.connection.execute("create or replace table outcomes as from arriving")
    macros.connection.unregister("arriving")


def alarms(macros: MacroHarness, product: str, now: datetime) -> list[dict[str, object]]:
    """Rows of the check at now, on a delay curve of the same now."""
    curve = macros.render("default__delay", product, "outcomes", "outcomes")
    macros.connection.execute(f"create or replace table delay as {at(curve, now)}")
    return macros.query(at(macros.render("test_outcomes_arriving", "outcomes", product, "delay"), now))


def days_until_noticed(
    macros: MacroHarness, product: str, world: pd.DataFrame, dead_since: datetime, limit: int = 28
) -> int | None:
    """How many days of silence it takes until the check fails."""
    for days in range(1, limit + 1):
        now = dead_since + pd.Timedelta(days=days, hours=6).to_pytimedelta()
        load_arrivals(macros, world, now, dead_since)
        if alarms(macros, product, now):
            return days
    return None


LEADS = {
    "entity": "lead_id",
    "outcome": {"horizon": "24 hours"},
    "decide": {"per": "entity"},
    "monitor": {"windows": ["3h"]},
}
LEAD_PRODUCTS = {"pooled": LEADS, "stratified": {**LEADS, "outcome": {"horizon": "24 hours", "delay_by": ["campaign"]}}}
ONE = {"web": (4.0, 0.1, 0.3)}
TWO = {"fast": (1.0, 0.3, 0.9), "slow": (10.0, 0.1, 0.7)}  # equally accurate at 0.5
HISTORY = 3 * 24  # hours of leads before the first instant, and the part of the log that an instant looks at


Campaigns = dict[str, tuple[float, float, float]]


def leads_world(rng: np.random.Generator, hours: int, campaigns: Campaigns, threshold: float) -> pd.DataFrame:
    """400 leads an hour; a campaign is (mean delay in hours, lowest score, highest score); scores mean what they say.

    A lead converts if its event comes within 24 hours; final is whether its predicted label was right.
    """
    n = 400 * hours
    names = np.array(list(campaigns))[rng.integers(0, len(campaigns), n)]
    delay, low, high = (np.array([campaigns[name][i] for name in campaigns]) for i in range(3))
    place = np.array([list(campaigns).index(name) for name in names])
    score = low[place] + (high - low)[place] * rng.random(n)
    hours_later = rng.exponential(delay[place])
    converts = (rng.random(n) < score) & (hours_later <= 24)
    as_of = pd.Timestamp(DAY_0) + pd.to_timedelta(np.sort(rng.integers(0, 3600 * hours, n)), unit="s")
    frame = pd.DataFrame({
        "decision_key": np.arange(n).astype(str), "lead_id": np.arange(n), "prediction_id": np.arange(n),
        "as_of": as_of, "score": score, "predicted_label": (score >= threshold).astype(int), "campaign": names,
        "model_version": 1,
        "event_at": as_of + pd.to_timedelta(np.ceil(3600 * hours_later), unit="s"),
    })  # fmt: skip
    frame["event_at"] = frame.event_at.where(converts)
    return frame.assign(final=converts == frame.predicted_label.astype(bool))


def trailing_accuracy(macros: MacroHarness, world: pd.DataFrame, products: list[str], n_instants: int) -> pd.DataFrame:
    """At random full hours: the 3 h window that ends now by each product, its final accuracy, and the naive one."""
    macros.connection.register("frame", world)
    macros.connection.execute("create or replace table world as from frame")
    last = int((world.as_of.max() - pd.Timestamp(DAY_0)) / pd.Timedelta(hours=1))
    hours = np.random.default_rng(n_instants).choice(np.arange(HISTORY, last), n_instants, replace=False)
    return pd.concat([at_instant(macros, products, DAY_0 + pd.Timedelta(hours=int(h)).to_pytimedelta()) for h in hours])


def at_instant(macros: MacroHarness, products: list[str], now: datetime) -> pd.DataFrame:
    span = f"as_of <= timestamp '{now}' and as_of > timestamp '{now}' - interval {HISTORY} hour"
    macros.connection.execute(f"create or replace table decisions as from world where {span}")
    macros.connection.execute(
        f"""create or replace table events as
        select lead_id, event_at, event_at as valid_from, timestamp '9999-12-31' as valid_to
        from world where {span} and event_at is not null"""
    )
    build(macros, "outcomes", "default__outcomes", now, products[0], "decisions", "events", None)
    found = []
    for product in products:
        build(macros, "delay", "default__delay", now, product, "decisions", "outcomes")
        build(macros, "corrected", "performance_delay_corrected", now, product, "decisions", "outcomes", "delay")
        found += macros.query(
            f"""select '{product}' as product, accuracy, accuracy_low, accuracy_high, final, naive
            from corrected
            cross join (
                select
                    avg(cast(final as integer)) as final,
                    avg(cast((predicted_label = 1) = coalesce(event_at <= timestamp '{now}', false) as int)) as naive
                from world where as_of <= timestamp '{now}' and as_of > timestamp '{now}' - interval 3 hour
            ) as truth
            where window_end = timestamp '{now}' and slice_name = 'overall' and model_version = 'all'"""
        )
    return pd.DataFrame(found)


def build(macros: MacroHarness, table: str, macro: str, now: datetime, *arguments: str | None) -> None:
    macros.connection.execute(f"create or replace table {table} as {at(macros.render(macro, *arguments), now)}")


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """Mean errors in points, share of intervals that hold the final accuracy, and their mean half width in points."""
    return {
        "error": 100 * float((rows.accuracy - rows.final).mean()),
        "naive_error": 100 * float((rows.naive - rows.final).mean()),
        "coverage": float(((rows.accuracy_low <= rows.final) & (rows.final <= rows.accuracy_high)).mean()),
        "half_width": 50 * float((rows.accuracy_high - rows.accuracy_low).mean()),
    }
