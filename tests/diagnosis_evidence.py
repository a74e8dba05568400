"""Evidence of a product in order, to be broken one piece at a time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ml.diagnosis.evidence import Champion, ColumnDays, Evidence, Load, Matured, Parity, Source, TableDays
from ml.diagnosis.profile import last_days

DAY = datetime(2026, 11, 21)
DAYS = last_days(DAY)
N = len(DAYS)


def broken(values: Sequence[Any], *newest: Any) -> tuple[Any, ...]:
    """The series with its newest values replaced."""
    return (*values[: len(values) - len(newest)], *newest)


def usage() -> Source:
    """A source with a number, a category, and 29 loads."""
    n = tuple(700 + 10 * (day % 7) for day in range(N))
    web = tuple({"web": 0.5 + day % 3 / 100, "mobile": 0.5 - day % 3 / 100} for day in range(N))
    return Source(
        TableDays(
            asset="raw/usage",
            group="data_engineering",
            days=DAYS,
            rows=n,
            again=tuple(day % 4 for day in range(N)),
            future=(0,) * N,
            lag_hours=tuple(0.1 + day % 3 / 50 for day in range(N)),
            hour=tuple(16 + day % 4 / 10 for day in range(N)),
            values=(
                ColumnDays("n_actions", "number", (0.0,) * N, tuple(6.0 - 3 * (day % 7 > 4) for day in range(N))),
                ColumnDays("channel", "category", (0.0,) * N, (), web),
            ),
        ),
        tuple(Load(day, 1, rows) for day, rows in zip(DAYS, n, strict=True)),
    )


def sound() -> Evidence:
    """Nothing is wrong."""
    week = timedelta(days=7)
    features = ColumnDays("actions_7d", "number", (0.0,) * N, tuple(6 + day % 5 / 10 for day in range(N)))
    scores = (
        ColumnDays("score", "number", (0.0,) * N, tuple(0.03 + day % 3 / 1000 for day in range(N))),
        ColumnDays("model_version", "number", (0.0,) * N, (1.0,) * N),
    )
    return Evidence(
        product="churn",
        owner="ml_engineering",
        day=DAY,
        sources=(usage(), replace(usage(), table=replace(usage().table, asset="raw/lost"), is_outcome=True)),
        features=TableDays("churn/scoring_set", "", DAYS, (400,) * N, values=(features,)),
        scores=TableDays("churn/predictions", "", DAYS, (400,) * N, values=scores),
        recent=Matured(DAY - 2 * week, DAY - week, 340, 12, 11.0, 0.78, 0.8, 0.4, 0.7),
        before=Matured(DAY - 9 * week, DAY - 2 * week, 2000, 70, 66.0, 0.79, 0.8, 0.4, 0.7),
        parity=(Parity(DAY - timedelta(days=1), 8000, 8000), Parity(DAY, 8000, 8000)),
        champion=Champion(1, 30, 180),
        population=400,
        scored=400,
        groups={
            "raw/usage": "data_engineering",
            "raw/lost": "data_engineering",
            "features/usage": "analytics_engineering",
        },
    )


def with_source(known: Evidence, position: int = 0, loads: Any = None, **changes: Any) -> Evidence:
    """The evidence with fields of one source's table, or its loads, replaced."""
    source = known.sources[position]
    changed = replace(
        source, table=replace(source.table, **changes), loads=loads if loads is not None else source.loads
    )
    return replace(known, sources=(*known.sources[:position], changed, *known.sources[position + 1 :]))


def with_column(known: Evidence, name: str, **changes: Any) -> Evidence:
    """The evidence with one column of the first source replaced."""
    values = known.sources[0].table.values
    return with_source(known, values=tuple(replace(c, **changes) if c.name == name else c for c in values))
