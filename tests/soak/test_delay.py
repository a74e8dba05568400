"""The golden simulations of delayed outcomes in full, through the SQL, and their report docs/reports/delay.md."""

import os
import platform
from datetime import timedelta

import delay_worlds as worlds
import numpy as np
import pytest
from macro_harness import MacroHarness

from ml.home import PROJECT_ROOT

REPORT = PROJECT_ROOT / "docs" / "reports" / "delay.md"
INSTANTS = int(os.environ.get("BATON_SOAK_INSTANTS", "200"))
WEEKS = int(os.environ.get("BATON_SOAK_WEEKS", "1000"))
ARRIVALS = {
    "lead": {"entity": "lead_id", "decide": {"per": "entity"}, "outcome": {"horizon": "14 days", "grace": "3 days"}}
}
FEEDS = ((3, False), (20, False), (20, True), (100, False))  # outcomes a day, nothing known on weekends


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    products = worlds.LEAD_PRODUCTS | ARRIVALS
    with MacroHarness(tmp_path_factory.mktemp("delay"), products, now=worlds.PLACEHOLDER) as harness:
        yield harness


@pytest.fixture(scope="module")
def report():
    """Lines by section; written once all sections are there."""
    lines: dict[str, list[str]] = {}
    yield lines
    if len(lines) == 3:
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(written(lines))


def test_trailing_three_hours(macros, report):
    world = worlds.leads_world(np.random.default_rng(0), 24 * 28, worlds.ONE, 0.2)
    found = worlds.summary(worlds.trailing_accuracy(macros, world, ["pooled"], INSTANTS))
    report["accuracy"] = [line("one delay, mean 4 h", "all leads", found)]
    assert found["coverage"] >= 0.90
    assert abs(found["error"]) <= 0.5
    assert abs(found["naive_error"]) >= 5 * abs(found["error"])


def test_strata(macros, report):
    world = worlds.leads_world(np.random.default_rng(2), 24 * 28, worlds.TWO, 0.5)
    rows = worlds.trailing_accuracy(macros, world, ["pooled", "stratified"], INSTANTS)
    pooled, stratified = (worlds.summary(rows[rows["product"] == name]) for name in ("pooled", "stratified"))
    report["strata"] = [
        line("two campaigns, 1 h and 10 h", "pooled (wrong)", pooled),
        line("two campaigns, 1 h and 10 h", "by campaign", stratified),
    ]
    assert pooled["error"] > 3
    assert pooled["coverage"] < 0.6
    assert stratified["coverage"] >= 0.90
    assert abs(stratified["error"]) <= 0.5


def test_a_thousand_healthy_weeks_and_dead_feeds(macros, report):
    """One run of the check a week, and 20 dead feeds, for each kind of feed."""
    rows = []
    for per_day, weekdays_only in FEEDS:
        rng = np.random.default_rng(per_day)
        world = worlds.arrivals_world(rng, 260 + 7 * (WEEKS // len(FEEDS)) + 40, per_day, weekdays_only)
        alarms = 0
        for week in range(WEEKS // len(FEEDS)):
            now = worlds.DAY_0 + timedelta(days=260 + 7 * week + week % 7, hours=6)
            worlds.load_arrivals(macros, world, now)
            alarms += bool(worlds.alarms(macros, "lead", now))
        deaths = [
            worlds.DAY_0 + timedelta(days=260 + int(day)) for day in rng.integers(0, 7 * (WEEKS // len(FEEDS)), 20)
        ]
        noticed = [worlds.days_until_noticed(macros, "lead", world, death) for death in deaths]
        assert None not in noticed
        rows.append((per_day, weekdays_only, WEEKS // len(FEEDS), alarms, int(np.median(noticed)), max(noticed)))
    report["arrivals"] = [
        f"| {n}{' on weekdays' if weekdays else ''} | {weeks} | {alarms} | {median} | {longest} |"
        for n, weekdays, weeks, alarms, median, longest in rows
    ]
    assert sum(row[3] for row in rows) <= 1


def line(world: str, basis: str, found: dict[str, float]) -> str:
    numbers = f"{found['error']:+.2f} | {100 * found['coverage']:.1f} % | {found['half_width']:.1f}"
    return f"| {world} | {basis} | {numbers} | {found['naive_error']:+.2f} |"


def written(lines: dict[str, list[str]]) -> str:
    """The report as it is committed."""
    accuracy = "\n".join(lines["accuracy"] + lines["strata"])
    return f"""# Delayed outcomes, simulated

Made by `make soak` ({platform.machine()}, {os.cpu_count()} cores) through the SQL of the package.

## Accuracy of the trailing 3 hours before its outcomes are known

400 leads an hour that convert within 24 hours or not at all, exponential delays, the curve from 2 days of closed
cohorts; {INSTANTS} random full hours of 25 days per world. Errors and half widths are in points of accuracy against the
final accuracy of the same leads; coverage is the share of 95 % intervals that hold it. The interval also speaks of
leads like these, so it covers the final accuracy of just these leads somewhat more often than 95 %.

| world | curve | mean error | coverage | half width | mean error of naive |
|---|---|---|---|---|---|
{accuracy}

Pooling two campaigns whose delays and scores differ fails, and `delay.status` says `score_correlates` there.

## Outcomes arriving

Decisions each midnight, one in five with an outcome, exponential delay of mean 4 days. Healthy weeks: one run of the
check a week. Dead feeds: 20 each, run every day from the day the feed died.

| outcomes a day | healthy weeks | alarms | days until noticed, median | longest |
|---|---|---|---|---|
{chr(10).join(lines["arrivals"])}
"""
