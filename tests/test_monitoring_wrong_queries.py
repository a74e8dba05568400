"""Two accuracy queries that people write by hand, what they report, and what the macros report on the same rows."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from macro_harness import MacroHarness

DAY_0 = datetime(2025, 1, 1)
NOW = "2025-03-02 06:00:00"
FOREVER = datetime(9999, 12, 31)
PRODUCTS = {
    "lead_conversion": {
        "entity": "lead_id",
        "outcome": {"horizon": "30 days", "grace": "0 days"},
        "decide": {"per": "entity", "policy": "first"},
        "monitor": {"windows": ["1d", "90d"]},
    }
}
LOG = {
    "prediction_id": "bigint", "lead_id": "varchar", "as_of": "timestamp", "predicted_at": "timestamp",
    "score": "double", "threshold": "double", "predicted_label": "integer", "model_version": "integer",
    "is_holdout": "boolean", "role": "varchar", "known_at": "timestamp",
}  # fmt: skip
EVENTS = {"lead_id": "varchar", "event_at": "timestamp", "valid_from": "timestamp", "valid_to": "timestamp"}


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("wrong_queries"), PRODUCTS, now=NOW) as harness:
        yield harness


def monitored(
    macros,
    predictions: list[tuple[Any, ...]],
    events: list[tuple[str, datetime]],
    now: str = NOW,
    basis: str = "matured",
):
    """Performance rows (all versions) by (window_kind, window_end). predictions: (id, lead, as_of, label)."""
    log = [
        (i, lead, t, t + timedelta(seconds=i), label * 0.9, 0.5, label, 1, False, "champion", t)
        for i, lead, t, label in predictions
    ]
    macros.load("predictions", LOG, log)
    macros.load("events", EVENTS, [(lead, t, t, FOREVER) for lead, t in events])
    product = "lead_conversion"
    sources = {
        "decisions": ("predictions", None),
        "outcomes": ("decisions", "events"),
        "performance_hourly": ("decisions", "outcomes"),
    }
    for table, relations in sources.items():
        sql = macros.render(f"default__{table}", product, *relations, None).replace(NOW, now)
        macros.connection.execute(f"create or replace table {table} as {sql}")
    relations = ("performance_hourly", "decisions", "outcomes", None, None, None)
    sql = macros.render("default__performance", product, *relations)
    rows = [r for r in macros.query(sql.replace(NOW, now)) if r["model_version"] == "all" and r["basis"] == basis]
    return {(r["window_kind"], r["window_end"]): r for r in rows}


def test_counting_distinct_leads_over_repeated_predictions_hides_every_error(macros):
    """Ten leads decided wrongly; five are fired again with the other label. Counting leads calls half right."""
    predictions = [(i, f"lead {i}", DAY_0, 0) for i in range(10)]
    predictions += [(100 + i, f"lead {i}", DAY_0, 1) for i in range(5)]
    rows = monitored(macros, predictions, [(f"lead {i}", DAY_0 + timedelta(days=3)) for i in range(10)])
    wrong = macros.query(
        """select count(distinct case when predicted_label = 1 then lead_id end) / count(distinct lead_id) as accuracy
        from predictions inner join events using (lead_id)"""
    )
    assert wrong[0]["accuracy"] == 0.5
    assert rows[("1d", DAY_0)]["accuracy"] == 0.0
    assert rows[("1d", DAY_0)]["n"] == 10


def leads_with_delayed_outcomes(
    n_days: int, per_day: int = 50
) -> tuple[list[tuple[Any, ...]], list[tuple[str, datetime]]]:
    """One lead in five converts, 0 to 30 days after its day, evenly spread; the model always says no."""
    predictions, events = [], []
    for day in range(n_days):
        for i in range(per_day):
            lead = f"{day}/{i}"
            predictions.append((day * per_day + i, lead, DAY_0 + timedelta(days=day), 0))
            if i % 5 == 0:
                delay = 30 * ((i / 5 + 1 + day * 0.618) % (per_day / 5)) / (per_day / 5)
                events.append((lead, DAY_0 + timedelta(days=day) + timedelta(days=max(delay, 0.01))))
    return predictions, events


def test_counting_no_outcome_yet_as_negative_flatters_the_newest_day(macros):
    predictions, events = leads_with_delayed_outcomes(60)
    rows = monitored(macros, predictions, events)
    naive = macros.query(
        """select as_of, avg(case when event_at is null then 1.0 else 0.0 end) as accuracy
        from predictions
        left join (select * from events where event_at <= timestamp '2025-03-02 06:00:00') using (lead_id)
        group by as_of order by as_of"""
    )
    newest, oldest = naive[-1]["accuracy"], naive[0]["accuracy"]
    assert newest > 0.97
    assert oldest == pytest.approx(0.8)
    biased = monitored(macros, predictions, events, basis="naive")
    assert biased[("1d", naive[-1]["as_of"])]["accuracy"] == pytest.approx(newest)
    assert biased[("1d", DAY_0)]["accuracy"] == pytest.approx(0.8)
    today = rows[("1d", naive[-1]["as_of"])]
    assert (today["accuracy"], today["n_matured"], today["coverage"], today["status"]) == (
        None,
        0,
        0.0,
        "insufficient_data",
    )
    assert rows[("1d", DAY_0)]["accuracy"] == pytest.approx(0.8)


@pytest.mark.parametrize("age", [31, 36, 45, 60])
def test_the_matured_rate_is_true_at_every_now(macros, age):
    """A positive that is seen early must not enter before its cohort closes: it would bias the rate upwards."""
    predictions, events = leads_with_delayed_outcomes(60)
    now = DAY_0 + timedelta(days=age, hours=6)
    rows = monitored(macros, [p for p in predictions if p[2] <= now], events, now=now.isoformat(sep=" "))
    row = rows[("90d", DAY_0 + timedelta(days=age))]
    assert row["tp"] + row["fn"] == pytest.approx(0.2 * row["n_matured"])
    assert row["n_matured"] == 50 * (age - 30 + 1)
    assert row["n_early_positive"] > 0
