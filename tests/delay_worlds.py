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
