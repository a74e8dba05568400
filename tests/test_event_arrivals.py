"""`arrived` of event_versions: who remembers how far it read finds every entity whose versions a later load changed."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness

DAY_0 = datetime(2025, 3, 1)
LOG = {
    "account_id": "varchar", "churn_id": "bigint", "reason": "varchar", "event_at": "timestamp",
    "known_at": "timestamp", "is_deleted": "boolean", "row_id": "bigint",
}  # fmt: skip
# Few values, so that rows repeat, correct and retract each other in the same instant and in any order.
rows = st.lists(
    st.tuples(
        *(st.sampled_from("ab"), st.integers(1, 2), st.sampled_from("xy")),
        *(st.integers(0, 2), st.integers(0, 2), st.booleans()),
    ),
    min_size=1,
    max_size=7,
)


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("arrivals")) as harness:
        yield harness


@pytest.mark.parametrize("portable", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=rows, data=st.data())
def test_a_change_is_found_by_its_arrival(macros, portable, log, data):
    loaded = data.draw(st.integers(0, len(log)))
    before, after = versions(macros, log[:loaded], portable), versions(macros, log, portable)
    touched = {account for account, *_, arrived in after if arrived > loaded}
    for account in "ab":
        if account not in touched:
            assert seen(before, account) == seen(after, account)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=rows)
def test_what_could_be_seen_is_the_same_without_it(macros, log):
    plain = versions(macros, log, False, arrived=None)
    for portable in (False, True):
        kept = versions(macros, log, portable)
        assert sorted(row[:-1] for row in kept if row[3] < row[4]) == sorted(plain)


def versions(macros: MacroHarness, log: list[tuple], portable: bool, arrived: str | None = "row_id") -> list[tuple]:
    """(account_id, reason, event_at, valid_from, valid_to, arrived) of a log whose rows were loaded in their order."""
    loaded = [
        (account, churn, reason, DAY_0 + timedelta(days=event), DAY_0 + timedelta(days=known), deleted, number)
        for number, (account, churn, reason, event, known, deleted) in enumerate(log, 1)
    ]
    macros.load("log", LOG, loaded)
    sql = macros.render(
        "event_versions", "log", "account_id", "churn_id", ["reason"], arrived=arrived, portable=portable
    )
    names = ("account_id", "reason", "event_at", "valid_from", "valid_to", *(["arrived"] if arrived else []))
    return [tuple(row[name] for name in names) for row in macros.query(sql)]


def seen(found: list[tuple], account: str) -> list[tuple]:
    """The versions of an account that are valid at some instant."""
    return sorted(row[1:5] for row in found if row[0] == account and row[3] < row[4])
