"""Performance as it was known at X: what the run at X wrote, and the same whenever it is asked later."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness
from test_as_known_at import FAR, PLACEHOLDER, PRODUCTS, Warehouse, delays, histories, logs, quarters

few = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("known"), PRODUCTS, now=PLACEHOLDER) as harness:
        yield harness


def printed(warehouse: Warehouse, now: datetime) -> list[dict[str, Any]]:
    """What a run at `now` writes, built from nothing on the tables of decisions and outcomes."""
    warehouse.printed(now)
    render, product = warehouse.macros.render, warehouse.product
    chain = {
        "hourly": render("default__performance_hourly", product, "decisions", "outcomes", None),
        "delay": render("default__delay", product, "decisions", "outcomes"),
        "performance": render("default__performance", product, "hourly", "decisions", "outcomes", None, "delay", None),
    }
    return warehouse.build({name: sql.replace(PLACEHOLDER, str(now)) for name, sql in chain.items()})["performance"]


def asked(warehouse: Warehouse, at: datetime) -> list[dict[str, Any]]:
    sql = warehouse.macros.render(
        "performance_as_known_at", warehouse.product, "predictions", "events", str(at), "scoring"
    )
    return warehouse.build({"performance": sql})["performance"]


@pytest.mark.parametrize("product", ["latest", "lapse"])
@few
@given(log=logs(), events=histories(), x=quarters, wait=delays | st.none())
def test_the_performance_of_x_asked_later_is_what_the_run_at_x_wrote(macros, product, log, events, x, wait):
    then = printed(Warehouse(macros, product, log, events, x), x)
    later = FAR if wait is None else x + wait
    assert asked(Warehouse(macros, product, log, events, later), x) == then
