"""A number as it was known at X: what the run at X saw, and the same whenever it is asked later."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from dbt_common.exceptions import CompilationError
from how_many import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness
from monitoring_world import LOG, SCORING

DAY_0 = datetime(2025, 3, 1)
PLACEHOLDER = "2001-01-01 00:00:00"  # rendered once; the real now is put in its place
FAR = DAY_0 + timedelta(days=100)
SPEC = {
    "entity": "account_id", "outcome": {"horizon": "4 days", "grace": "1 day"}, "slices": ["plan"],
    "value": {"currency": "USD", "tp": "saved_usd", "fp": -10, "fn": -120, "tn": 0},
    "monitor": {"windows": ["1d", "5d"], "min_n": 2},
}  # fmt: skip
PRODUCTS = {
    "first": {**SPEC, "decide": {"per": "3 days", "policy": "first"}},
    "latest": {**SPEC, "decide": {"per": "3 days", "policy": "latest"}},
    "lapse": {**SPEC, "decide": {"per": "entity"}, "outcome": {**SPEC["outcome"], "positive": "absence"}},
}
RAW = {
    "account_id": "varchar", "churn_id": "integer", "event_at": "timestamp", "known_at": "timestamp",
    "row_id": "bigint", "is_deleted": "boolean",
}  # fmt: skip
ACCOUNTS = "abcd"
VOLATILE = {"built_at"}
Row = dict[str, Any]
quick = settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("known"), PRODUCTS, now=PLACEHOLDER) as harness:
        yield harness


class Warehouse:
    """The warehouse at one instant: of all rows there will ever be, those that had arrived."""

    def __init__(self, macros: MacroHarness, product: str, log: list[Row], events: list[Row], at: datetime):
        self.macros, self.product = macros, product
        arrived = [row for row in log if row["arrived"] <= at]
        macros.load("predictions", LOG, [[row[name] for name in LOG] for row in arrived])
        days = sorted({(row["account_id"], row["as_of"]) for row in log})
        macros.load("scoring", SCORING, [(a, t, "xyz"[t.day % 3], 10.0 * t.day) for a, t in days])
        macros.load("raw", RAW, [[row[name] for name in RAW] for row in events if row["arrived"] <= at])
        versions = macros.render("event_versions", "raw", "account_id", "churn_id", [])
        macros.connection.execute(f"create or replace table events as {versions}")

    def printed(self, now: datetime) -> dict[str, list[Row]]:
        """What a run at `now` writes, built from nothing."""
        render = self.macros.render
        chain = {
            "decisions": render("default__decisions", self.product, "predictions", "scoring", None),
            "outcomes": render("default__outcomes", self.product, "decisions", "events", None),
        }
        return self.build({name: sql.replace(PLACEHOLDER, str(now)) for name, sql in chain.items()})

    def as_known_at(self, at: datetime) -> dict[str, list[Row]]:
        """The public macros, asked now."""
        render, known_at = self.macros.render, str(at)
        return self.build(
            {
                "decisions": render("decisions_as_known_at", self.product, "predictions", known_at, "scoring"),
                "outcomes": render("outcomes_as_known_at", self.product, "decisions", "events", known_at),
            }
        )

    def build(self, chain: dict[str, str]) -> dict[str, list[Row]]:
        found = {}
        for name, sql in chain.items():
            self.macros.connection.execute(f"create or replace table {name} as {sql}")
            rows = self.macros.query(f"from {name}")
            found[name] = sorted(({k: v for k, v in row.items() if k not in VOLATILE} for row in rows), key=repr)
        return found


quarters = st.integers(0, 80).map(lambda q: DAY_0 + timedelta(hours=6 * q))
delays = st.sampled_from([0, 6, 12, 24, 72, 200]).map(lambda hours: timedelta(hours=hours))


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    """Batches in time, late, by a later version; known_at may be missing where another writer keeps the log."""
    rows = []
    batch = st.tuples(st.integers(0, 12), st.sets(st.sampled_from(ACCOUNTS), min_size=1), delays)
    for n, (day, who, late) in enumerate(draw(st.lists(batch, min_size=1, max_size=6))):
        as_of, foreign = DAY_0 + timedelta(days=day), draw(st.booleans())
        arrived = as_of + timedelta(hours=6) + late
        for account in sorted(who):
            score = draw(st.sampled_from([0.1, 0.5, 0.9]))
            rows.append({
                "prediction_id": 100 * n + ACCOUNTS.index(account), "account_id": account, "as_of": as_of,
                "predicted_at": arrived if foreign else DAY_0 + timedelta(days=50, seconds=n),
                "known_at": None if foreign else arrived, "score": score, "threshold": 0.5,
                "predicted_label": int(score >= 0.5), "model_version": 1 + n % 2, "is_holdout": False,
                "role": "champion", "arrived": arrived,
            })  # fmt: skip
    return rows


@st.composite
def histories(draw: st.DrawFn, lag: timedelta = timedelta(0)) -> list[Row]:
    """Outcome rows in the order they arrive: late, corrected, retracted, repeated; with a lag dated back."""
    rows: list[Row] = []
    row = st.tuples(
        st.sampled_from(ACCOUNTS), st.integers(1, 4), quarters, delays, st.sampled_from([False] * 2 + [True])
    )
    for row_id, (account, key, event_at, late, deleted) in enumerate(draw(st.lists(row, max_size=8))):
        arrived = event_at + late
        back = timedelta(seconds=draw(st.integers(0, int(lag.total_seconds())))) if lag else timedelta(0)
        rows.append({
            "account_id": account, "churn_id": key, "event_at": event_at, "known_at": arrived - back, "row_id": row_id,
            "is_deleted": deleted, "arrived": arrived,
        })  # fmt: skip
    return rows


@pytest.mark.parametrize("product", PRODUCTS)
@quick
@given(log=logs(), events=histories(), x=quarters, waits=st.lists(delays, min_size=1, max_size=3))
def test_the_number_of_x_asked_at_any_later_time_is_what_the_run_at_x_saw(macros, product, log, events, x, waits):
    then = Warehouse(macros, product, log, events, x).printed(x)
    assert Warehouse(macros, product, log, events, x).as_known_at(x) == then
    for wait in [*waits, FAR - x]:
        assert Warehouse(macros, product, log, events, x + wait).as_known_at(x) == then


LAG = timedelta(hours=24)


def late_by_the_lag() -> tuple[list[Row], list[Row]]:
    """An outcome loaded six hours after X = 48 h and dated back before it: at X nobody could see it."""
    log = {
        "prediction_id": 1, "account_id": "a", "as_of": DAY_0, "predicted_at": DAY_0, "known_at": DAY_0, "score": 0.9,
        "threshold": 0.5, "predicted_label": 1, "model_version": 1, "is_holdout": False, "role": "champion",
        "arrived": DAY_0,
    }  # fmt: skip
    event = {
        "account_id": "a", "churn_id": 1, "event_at": DAY_0 + timedelta(hours=30),
        "known_at": DAY_0 + timedelta(hours=36), "row_id": 1, "is_deleted": False,
        "arrived": DAY_0 + timedelta(hours=54),
    }  # fmt: skip
    return [log], [event]


@quick
@given(logs(), histories(lag=LAG), quarters, st.lists(delays, min_size=1, max_size=3))
@example(*late_by_the_lag(), DAY_0 + timedelta(hours=48), [timedelta(hours=12)])
def test_with_a_load_lag_the_number_of_x_is_final_once_the_lag_has_passed(macros, log, events, x, waits):
    final = Warehouse(macros, "first", log, events, x + LAG).as_known_at(x)
    for wait in [*waits, FAR - x]:
        assert Warehouse(macros, "first", log, events, x + LAG + wait).as_known_at(x) == final


def test_before_the_lag_has_passed_it_is_not(macros):
    log, events = late_by_the_lag()
    x = DAY_0 + timedelta(hours=48)
    early, late = (Warehouse(macros, "first", log, events, x + wait).as_known_at(x) for wait in (timedelta(0), LAG))
    assert [row["state"] for row in early["outcomes"]] == ["pending"]
    assert [row["state"] for row in late["outcomes"]] == ["early_positive"]


@pytest.mark.parametrize("bad", ["2025-03-01", "yesterday", "2025-03-01 00:00:00'; drop table x --", None])
def test_anything_but_an_instant_is_refused(macros, bad):
    with pytest.raises(CompilationError, match="allowed is an instant in UTC"):
        macros.render("outcomes_as_known_at", "first", "decisions", "events", bad)
