"""Performance and what is built beside it as known at X: what the run at X wrote, the same whenever asked later."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness
from test_as_known_at import DAY_0, FAR, PLACEHOLDER, PRODUCTS, Warehouse, delays, histories, logs, quarters

few = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("known"), PRODUCTS, now=PLACEHOLDER) as harness:
        yield harness


TABLES = ("performance", "calibration", "delay", "holdout", "worst_slices")


def printed(warehouse: Warehouse, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """What a run at `now` writes, built from nothing on the tables of decisions and outcomes."""
    warehouse.printed(now)
    render, product = warehouse.macros.render, warehouse.product
    both = ("decisions", "outcomes")
    chain = {
        "hourly": render("default__performance_hourly", product, *both, None),
        "delay": render("default__delay", product, *both),
        "performance": render("default__performance", product, "hourly", *both, None, "delay", None),
        "calibration": render("default__calibration", product, "hourly", *both),
        "holdout": render("default__holdout", product, *both),
        "worst_slices": render("default__worst_slices", product, *both, None),
    }
    found = warehouse.build({name: sql.replace(PLACEHOLDER, str(now)) for name, sql in chain.items()})
    return {name: found[name] for name in TABLES}


def asked(warehouse: Warehouse, at: datetime) -> dict[str, list[dict[str, Any]]]:
    given = (warehouse.product, "predictions", "events", str(at), "scoring")
    return warehouse.build({name: warehouse.macros.render(f"{name}_as_known_at", *given) for name in TABLES})


@pytest.mark.parametrize("product", ["latest", "lapse"])
@few
@given(log=logs(), events=histories(), x=quarters, wait=delays | st.none())
def test_the_numbers_of_x_asked_later_are_what_the_run_at_x_wrote(macros, product, log, events, x, wait):
    then = printed(Warehouse(macros, product, log, events, x), x)
    later = FAR if wait is None else x + wait
    assert asked(Warehouse(macros, product, log, events, later), x) == then


def test_what_comes_late_changes_the_tables_of_later_days_alone(macros):
    """Twenty accounts, some held out, some whose outcome is known after X: the run at X, asked again twice, stays."""
    log, events = busy()
    x = DAY_0 + timedelta(days=9)
    then = printed(Warehouse(macros, "latest", log, events, x), x)
    assert {name for name, rows in then.items() if not rows} == set()
    for wait in (timedelta(days=2), FAR - x):
        assert asked(Warehouse(macros, "latest", log, events, x + wait), x) == then
    later = printed(Warehouse(macros, "latest", log, events, FAR), x + timedelta(days=2))
    assert {name for name in TABLES if later[name] == then[name]} == set()


def busy() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Forty accounts scored on eight days; every third loses within days, which is known at once or a week later."""
    log, events = [], []
    for day in range(8):
        as_of = DAY_0 + timedelta(days=day)
        for n in range(40):
            score = (7 * n + day) % 40 / 40
            log.append({
                "prediction_id": 100 * day + n, "account_id": f"a{n}", "as_of": as_of, "known_at": as_of,
                "predicted_at": as_of, "score": score, "threshold": 0.5, "predicted_label": int(score >= 0.5),
                "model_version": 1 + day // 4, "is_holdout": n % 5 == 0, "role": "champion", "arrived": as_of,
            })  # fmt: skip
    for n in range(0, 40, 3):
        event_at = DAY_0 + timedelta(days=1 + n % 4, hours=5)
        known = event_at + timedelta(days=n % 2 * 7)
        events.append({
            "account_id": f"a{n}", "churn_id": n, "event_at": event_at, "known_at": known, "row_id": n,
            "is_deleted": False, "arrived": known,
        })  # fmt: skip
    return log, events
