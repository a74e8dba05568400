"""After any sequence of predictions, repeats, backfills, late or retracted outcomes: incremental = rebuild = oracle."""

import pytest
from how_many import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitoring_sequences import follow, steps
from monitoring_world import ACCOUNTS, PRODUCTS

EXAMPLES = examples(2)  # interleavings per product; each takes seconds
KNOWN = {
    "retracted before anybody looked: the decision stays negative but was restated": [
        [("predict", 1, {"a": 0.9}, 1, False), ("now", 13)],
        [("happen", "a", 2.0, 1.0, 8.0)],
    ],
    "a decision moves to an earlier day": [
        [("predict", 5, {"a": 0.9, "b": 0.1}, 1, False), ("now", 6.25)],
        [("predict", 4, {"a": 0.2}, 1, False)],
    ],
    "late, retracted, and a clock that goes back": [
        [("predict", 1, {"a": 0.9}, 1, False), ("happen", "a", 4.0, 8.0, None), ("now", 8)],
        [("now", 13)],
        [("retract", 0, 0.5)],
        [("now", 7)],
    ],
    "the same accounts every day": [
        [("predict", d, dict.fromkeys(ACCOUNTS, 0.25), 1, False) for d in range(6)],
        [("happen", "a", 3, 0, None), ("now", 12)],
    ],
    "another writer's batch comes late; a missed day is scored three days later": [
        [("predict", 5, {"a": 0.9, "b": 0.1}, 1, False), ("now", 6.25)],
        [("deliver", 4, {"a": 0.2, "b": 0.3}, 2), ("predict", 3, {"a": 0.7, "b": 0.7}, 1, False, 3.0)],
    ],
}


@pytest.fixture(scope="module")
def macros(monitoring_macros):
    return monitoring_macros


@pytest.mark.parametrize("product", PRODUCTS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=4))
def test_incremental_equals_rebuild_equals_brute_force(macros, product, sequence):
    follow(macros, product, sequence)


@pytest.mark.parametrize("product", ["first", "daily"])
@pytest.mark.parametrize("sequence", KNOWN.values(), ids=KNOWN)
def test_known_sequences(macros, product, sequence):
    follow(macros, product, sequence)
