"""Refreshes that die, come twice or build anew in between; refreshes in portable SQL: equal to a rebuild."""

import pytest
from how_many import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitoring_builds import VOLATILE, Built
from monitoring_sequences import apply, follow, steps
from monitoring_world import PRODUCTS, TABLES

OF_THE_ENGINE = {"content", "entity_hash"}  # hashes
REFRESHED = {
    "twice between two readings, the second of which sees only the last": [
        [("predict", 1, {"a": 0.9, "b": 0.2}, 1, False), ("now", 2)],
        [("happen", "a", 1.5, 0.0, None), ("die", 2)],
        [("retract", 0, 0.25), ("now", 3), ("die", 2)],
        [("now", 9)],
    ],
    "built anew in between, with something new": [
        [("predict", 1, {"a": 0.9, "b": 0.2}, 1, False), ("now", 2)],
        [("predict", 2, {"c": 0.9}, 1, False), ("refresh", 0)],
        [("happen", "c", 2.5, 0.0, None), ("refresh", 1), ("now", 4)],
        [("predict", 4, {"d": 0.9}, 1, False), ("refresh", 2), ("now", 9)],
    ],
    "known before the last now, arrived after it": [
        [("predict", 1, {"a": 0.9, "b": 0.2}, 1, False), ("now", 9)],
        [("happen", "a", 2.0, 0.0, None), ("predict", 8, {"c": 0.4}, 1, False)],
        [("happen", "b", 8.0, 0.0, None), ("now", 10)],
    ],
}


@pytest.fixture(scope="module")
def macros(monitoring_macros):
    return monitoring_macros


@pytest.mark.parametrize("product", ["first", "daily", "trained", "trained_latest"])
@pytest.mark.parametrize("sequence", REFRESHED.values(), ids=REFRESHED)
def test_known_sequences_of_refreshes(macros, product, sequence):
    follow(macros, product, sequence, TABLES[:-1])


@pytest.mark.parametrize("product", PRODUCTS)
@settings(max_examples=examples(3), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(st.lists(steps, min_size=1, max_size=6), min_size=2, max_size=5))
def test_refreshes_equal_rebuild(macros, product, sequence):
    """Without performance, whose planning takes most of the time: more sequences."""
    follow(macros, product, sequence, TABLES[:-1])


@pytest.mark.parametrize("product", PRODUCTS)
@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(steps, min_size=6, max_size=12))
def test_portable_sql_gives_the_same_rows(macros, product, batch):
    """Refreshed by portable SQL, in two runs; built anew by the other."""
    world = Built(macros, product)
    for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
        for step in half:
            apply(world, step)
        world.until = len(TABLES)
        world.load()
        world.build(portable=True)
    world.rebuild()
    for table in TABLES:
        assert world.rows(table, VOLATILE | OF_THE_ENGINE) == world.rows(
            f"{table}_rebuilt", VOLATILE | OF_THE_ENGINE
        ), table
