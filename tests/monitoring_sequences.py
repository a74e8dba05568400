"""Sequences of steps in a world, and what must hold after each build of its tables."""

import math
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from macro_harness import MacroHarness
from monitoring_builds import Built
from monitoring_world import ACCOUNTS, DAY_0, TABLES

COMPARED = (
    "prediction_id", "score", "predicted_label", "model_version", "plan", "saved_usd", "state", "outcome_at",
    "outcome_known_at", "matures_at", "outcome_label", "is_restated", "restated_at",
)  # fmt: skip

days = st.integers(0, 14) | st.integers(0, 42).map(lambda third: third / 3)
scores = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.75, 1.0])
lags = st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0])
steps = st.one_of(
    st.tuples(
        st.just("predict"),
        days,
        st.dictionaries(st.sampled_from(ACCOUNTS), scores, min_size=1),
        st.integers(1, 2),
        st.booleans(),
    ),
    st.tuples(
        st.just("predict"),
        days,
        st.fixed_dictionaries(dict.fromkeys(ACCOUNTS, scores)),
        st.integers(1, 2),
        st.just(False),
    ),
    st.tuples(
        *(st.just("predict"), days, st.dictionaries(st.sampled_from(ACCOUNTS), scores, min_size=1)),
        *(st.just(3), st.just(False), st.sampled_from([None, 0.0, 1.0, 1.5, 3.0])),
    ),
    st.tuples(
        *(st.just("deliver"), days, st.dictionaries(st.sampled_from(ACCOUNTS), scores, min_size=1)), st.integers(1, 4)
    ),
    st.tuples(st.just("shadow"), days),
    st.tuples(
        st.just("happen"), st.sampled_from(ACCOUNTS), st.integers(0, 60).map(lambda q: q / 4), lags, st.none() | lags
    ),
    st.tuples(st.just("retract"), st.integers(0, 5), lags),
    st.tuples(st.just("now"), st.integers(0, 80).map(lambda q: q / 4)),
    st.tuples(st.just("die"), st.integers(0, len(TABLES) - 1)),
    st.tuples(st.just("refresh"), st.integers(0, 2)),
)


def apply(world: Built, step: tuple[Any, ...]) -> None:
    if step[0] == "now":
        world.now = DAY_0 + timedelta(days=step[1])
    else:
        getattr(world, step[0])(*step[1:])


def follow(macros: MacroHarness, product: str, sequence: list[Any], tables: tuple[str, ...] = TABLES) -> None:
    """Build after each batch of steps; every table equals its rebuild, and in the end the oracle. A build that died is
    followed by another."""
    world = Built(macros, product, tables)
    for number, batch in enumerate(sequence):
        for step in batch:
            apply(world, step)
        world.load()
        world.build()
        if world.until < len(tables):
            world.until = len(tables)
            if number < len(sequence) - 1:
                continue
            world.build()
        world.rebuild()
        for table in tables:
            assert world.rows(table) == world.rows(f"{table}_rebuilt"), table
    check_decisions_and_outcomes(world)
    if tables == TABLES:
        check_performance(world)


def check_decisions_and_outcomes(world: Built) -> None:
    decided = world.decided()
    found = {
        (r["account_id"], r["period"]): r
        for r in world.macros.query("from decisions join outcomes using (decision_key, account_id, as_of)")
    }
    assert found.keys() == decided.keys()
    for key, row in decided.items():
        for column in COMPARED:
            assert found[key][column] == row[column], (key, column)
    labels = world.macros.render("with_labels", "decisions", "events", world.product)
    labelled = world.macros.query(world.at_now(labels))
    assert {(r["account_id"], r["period"]): r["outcome_label"] for r in labelled} == {
        key: row["outcome_label"] for key, row in decided.items() if row["outcome_label"] is not None
    }


def check_performance(world: Built) -> None:
    performance = world.performance()
    windows = {
        tuple(r[c] for c in ("window_kind", "window_end", "slice_name", "slice_value", "model_version", "basis")): r
        for r in world.rows("performance")
    }
    assert windows.keys() == performance.keys()
    for key, row in performance.items():
        for column, value in row.items():
            assert same(windows[key][column], value, column), (key, column, windows[key][column], value)


def same(found: Any, expected: Any, column: str) -> bool:
    """To 1e-9; squares of money are added up in units of 1e-4, so ends of its intervals are good to 1e-5."""
    if isinstance(expected, float) and isinstance(found, int | float):
        money = column.startswith("value") and column.endswith(("_low", "_high"))
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-5 if money else 1e-8)
    return bool(found == expected)
