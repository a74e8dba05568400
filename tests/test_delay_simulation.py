"""Simulated leads with a reporting delay: the trailing 3 hours, corrected, hold the final accuracy; naive does not.

The short form of `make soak` (tests/soak/test_delay.py), which has 200 instants and writes docs/reports/delay.md.
"""

import delay_worlds as worlds
import numpy as np
import pytest
from macro_harness import MacroHarness


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("worlds"), worlds.LEAD_PRODUCTS, now=worlds.PLACEHOLDER) as harness:
        yield harness


def test_the_interval_holds_the_final_accuracy_where_naive_is_far_off(macros):
    world = worlds.leads_world(np.random.default_rng(0), 240, worlds.ONE, 0.2)
    found = worlds.summary(worlds.trailing_accuracy(macros, world, ["pooled"], 10))
    assert found["coverage"] >= 0.85  # of 10; 95 % is for the long form to tell
    assert abs(found["error"]) <= found["half_width"] / 10**0.5
    assert found["naive_error"] < -2.5


def test_pooling_two_campaigns_with_other_delays_fails_and_strata_mend_it(macros):
    world = worlds.leads_world(np.random.default_rng(2), 240, worlds.TWO, 0.5)
    rows = worlds.trailing_accuracy(macros, world, ["pooled", "stratified"], 10)
    pooled, stratified = (worlds.summary(rows[rows["product"] == name]) for name in ("pooled", "stratified"))
    assert pooled["error"] > 3
    assert pooled["coverage"] < 0.7
    assert abs(stratified["error"]) <= stratified["half_width"] / 10**0.5  # what the mean of 10 may be off
    assert stratified["coverage"] >= 0.85
    statuses = {row["stratum"]: row["status"] for row in macros.query("select distinct stratum, status from delay")}
    assert statuses == {"all": "score_correlates", "campaign=fast": "ok", "campaign=slow": "ok"}
    assert macros.query(macros.render("test_delay_independent_of_score", "delay", "stratified")) == []
    failure = macros.query(macros.render("test_delay_independent_of_score", "delay", "pooled"))[0]
    assert failure["message"].startswith("score and delay correlate by -0.")
    assert "add a column that explains the delay to outcome.delay_by" in failure["message"]
