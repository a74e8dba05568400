"""After any sequence of predictions, backfills, repeats, new versions: incremental = rebuild; alarms by an oracle."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from drift_world import load_reference, products, reference_rows
from how_many import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness

DAY_0 = datetime(2026, 1, 1)
PLACEHOLDER = "2001-01-01 00:00:00"  # rendered once; the real now is put in its place
COLUMNS = [{"name": "x", "kind": "number"}, {"name": "plan", "kind": "category"}]
VOLATILE = {"built_at", "evaluated_at", "predicted_at"}
K, OF = 2, 3


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    found = products(k=K, of=OF, windows=["1d", "3d"])
    for spec in found.values():
        spec["monitor"]["min_n"] = 3
    with MacroHarness(tmp_path_factory.mktemp("drift"), found, now=PLACEHOLDER) as harness:
        yield harness


class World:
    """A log that only grows, the table built from it step by step, and now."""

    def __init__(self, macros: MacroHarness, product: str):
        self.macros, self.product, self.run = macros, product, macros.connection.execute
        self.now, self.writes, self.ids = DAY_0 + timedelta(days=2, hours=6), 0, 0
        rng = np.random.default_rng(0)
        rows = [
            row
            for version in (1, 2)
            for name, values in (
                ("x", rng.normal(version, 1, 300)), ("plan", ["a", "b"] * 100), ("score", rng.random(100)),
            )
            for row in reference_rows(name, values, version)
        ]  # fmt: skip
        load_reference(macros, rows)
        self.run("drop table if exists drift")
        self.run(
            """create or replace table predictions (
                prediction_id bigint, account_id varchar, as_of timestamp, predicted_at timestamp, score double,
                role varchar, model_version integer)"""
        )
        self.run("create or replace table prediction_features (prediction_id bigint, x double, plan varchar)")

    def predict(self, day: float, n: int, far: bool, version: int, late: bool) -> None:
        """A batch; `late`: somebody else's log dates it before everything that is there. Baton's never does."""
        self.writes += 1
        at = DAY_0 + timedelta(days=day)
        moved = late and self.product == "watched"
        written = DAY_0 + (timedelta(hours=-self.writes) if moved else timedelta(days=50, seconds=self.writes))
        for i in range(n):
            self.ids += 1
            log = [self.ids, f"a{i}", at, written, (i % 10) / 10, "champion" if i % 7 else "shadow", version]
            self.run("insert into predictions values (?, ?, ?, ?, ?, ?, ?)", log)
            x, plan = (50.0 + i, "new") if far else (float(i % 5 - 1), "ab"[i % 2])
            self.run("insert into prediction_features values (?, ?, ?)", [self.ids, x, plan])
        if moved:  # and repeats what it has
            self.run("insert into predictions from (from predictions limit 2)")

    def sql(self, built: str | None) -> str:
        reference = ("model_reference", None) if self.product == "churn" else (None, "2026-01-03")
        sql = self.macros.render(
            "default__drift", self.product, "predictions", "prediction_features", *reference, COLUMNS, built
        )
        return sql.replace(PLACEHOLDER, self.now.isoformat(sep=" "))

    def build(self) -> None:
        """As dbt does: a table made from its predecessor."""
        built = "drift" if self.macros.query("from duckdb_tables() where table_name = 'drift'") else None
        self.run(f"create or replace table fresh as {self.sql(built)}")
        self.run("create or replace table drift as from fresh")

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [
            {k: v for k, v in row.items() if k not in VOLATILE}
            for row in self.macros.query(f"from {table} order by all")
        ]


batches = st.tuples(
    st.just("predict"),
    st.integers(0, 36).map(lambda q: q / 4),
    st.integers(1, 30),
    st.booleans(),
    st.integers(1, 2),
    st.booleans(),
)
steps = st.one_of(batches, batches, st.tuples(st.just("now"), st.integers(0, 40).map(lambda q: q / 4)))
DAILY = [(("predict", float(day), 20, day in (3, 4, 6), 1, False), ("now", day + 0.25)) for day in range(1, 7)]


@settings(max_examples=examples(2), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["churn", "watched"]), st.lists(st.lists(steps, min_size=1, max_size=3), min_size=1, max_size=4))
@example("churn", [list(day) for day in DAILY])
@example(
    "churn",
    [[("predict", 5.5, 20, False, 1, False), ("now", 5.75)], [("predict", 5.0, 9, True, 2, False)], [("now", 6.5)]],
)
@example("watched", [list(day) for day in DAILY] + [[("predict", 2.0, 9, True, 1, True)]])
def test_incremental_equals_rebuild_after_every_step(macros, product, rounds):
    world = World(macros, product)
    for steps_taken in rounds:
        for step in steps_taken:
            if step[0] == "now":
                world.now = max(world.now, DAY_0 + timedelta(days=step[1]))
            else:
                world.predict(*step[1:])
        world.build()
        world.run(f"create or replace table rebuilt as {world.sql(None)}")
        assert world.rows("drift") == world.rows("rebuilt")
        check_alarms(world.rows("drift"))


def check_alarms(rows: list[dict[str, Any]]) -> None:
    """On once k of the last `of` windows breach, off once none does; each version on its own."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["window_kind"], row["feature"], row["method"], row["model_version"]

    for _, group in groupby(sorted(rows, key=lambda r: (*key(r), r["window_end"])), key):
        seen: list[bool] = []
        alarm, run = False, 0
        for row in group:
            seen.append(row["is_breach"])
            last, run = sum(seen[-OF:]), run + 1 if row["is_breach"] else 0
            alarm = last >= K or (alarm and last > 0)
            assert (row["n_breaches"], row["n_consecutive"], row["is_alarm"]) == (last, run, alarm), row


def test_only_windows_with_new_predictions_are_computed(macros):
    world = World(macros, "churn")
    for day in range(1, 7):
        world.predict(float(day), 20, False, 1, False)
    world.now = DAY_0 + timedelta(days=6.25)
    world.build()
    world.predict(3.0, 5, False, 1, False)
    world.now += timedelta(days=1)
    world.build()
    new = world.macros.query(f"select distinct window_kind, window_end from drift where evaluated_at = '{world.now}'")
    ends = sorted((row["window_kind"], row["window_end"].day) for row in new)
    assert ends == [("1d", 4), ("3d", 4), ("3d", 5), ("3d", 6)]


def test_a_changed_q_computes_every_window_again(macros):
    world = World(macros, "churn")
    world.predict(1.0, 20, False, 1, False)
    world.build()
    before = world.rows("drift")
    world.run("update drift set spec_hash = 'other', value = 99")
    world.build()
    assert world.rows("drift") == before


def test_features_that_come_or_change_after_their_predictions_are_seen(macros):
    """Of a log from elsewhere: another load brings them, and corrects them; windows and reference follow."""
    world = World(macros, "watched")
    for day in range(1, 7):
        world.predict(float(day), 20, False, 1, False)
    world.now = DAY_0 + timedelta(days=6, hours=6)
    world.run("create or replace temp table held_back as from prediction_features where prediction_id > 80")
    world.run("delete from prediction_features where prediction_id > 80")
    changes = (
        "insert into prediction_features from held_back",
        "update prediction_features set x = 40 where prediction_id between 101 and 120",
        "update prediction_features set plan = 'c' where prediction_id = 2",  # the reference ends on the third day
    )
    world.build()
    for change in changes:
        before = world.rows("drift")
        world.run(change)
        world.build()
        world.run(f"create or replace table rebuilt as {world.sql(None)}")
        assert world.rows("drift") == world.rows("rebuilt"), change
        assert world.rows("drift") != before, change
    assert any(row["feature"] == "x" and row["is_breach"] for row in world.rows("drift"))
