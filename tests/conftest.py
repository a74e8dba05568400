"""Shared fixtures: homes of their own, the small dbt project, and no usage statistics."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import small_project
from company import Small

if TYPE_CHECKING:
    from macro_harness import MacroHarness

os.environ.update(
    DO_NOT_TRACK="1",
    DAGSTER_DISABLE_TELEMETRY="1",
    DBT_SEND_ANONYMOUS_USAGE_STATS="false",
    MLFLOW_DISABLE_TELEMETRY="true",
    GIT_PYTHON_REFRESH="quiet",
)


# Files that take longest, longest first: workers take whole files in this order, so that none is left with a long one
# while the others are idle. The first makes the run that others copy, so the second wants none: it would wait for it. A
# file missing here comes later.
SLOWEST_FIRST = (
    "test_main_job",
    "test_monitoring_incremental",
    "test_drill",
    "test_main_job_killed",
    "test_drift_oracle",
    "test_dbt_project",
    "test_monitoring_refreshes",
    "test_drift_verdicts",
    "test_bring_your_own_data",
    "test_scoring",
    "test_worst_slices",
    "test_monitor_only",
    "test_parity_demo",
    "test_definitions",
    "test_monitor_only_log",
    "test_monitoring_metrics",
    "test_main_job_blocked",
    "test_bench_monitoring",
    "test_as_known_at_demo",
    "test_jobs",
    "test_drift_incremental",
    "test_recover",
    "test_dbt_in_process",
    "test_demo_truth",
    "test_without_demo",
)
PLACE = {name: place for place, name in enumerate(SLOWEST_FIRST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first. Tests marked long wait for `make soak`: the suite must end while people still look at it."""
    items.sort(key=lambda item: PLACE.get(item.path.stem, len(PLACE)))
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.property)
    if os.environ.get("BATON_LONG"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="long: make soak runs it, or BATON_LONG=1 make test"))


@pytest.fixture(scope="session")
def drift_macros(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[MacroHarness]":
    """The package's macros with the products of tests/drift_world.py, parsed once per test process."""
    from drift_world import products
    from macro_harness import MacroHarness

    with MacroHarness(tmp_path_factory.mktemp("drift"), products(), now="2026-01-09 06:00:00") as harness:
        yield harness


@pytest.fixture(scope="session")
def monitoring_macros(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[MacroHarness]":
    """The package's macros with the products of tests/monitoring_world.py, parsed once per test process."""
    from macro_harness import MacroHarness
    from monitoring_world import PLACEHOLDER, PRODUCTS

    with MacroHarness(tmp_path_factory.mktemp("monitoring"), PRODUCTS, now=PLACEHOLDER) as harness:
        yield harness


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder per test process: dbt parses it in part after the first time, Dagster's storage is made once."""
    return tmp_path_factory.mktemp("small")


@pytest.fixture
def small(small_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """The small dbt project as written in tests/small_project.py, in a home with one order and nothing published."""
    monkeypatch.setenv("BATON_DBT_PROJECT", str(small_folder / "project"))
    monkeypatch.setenv("BATON_HOME", str(small_folder / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(small_folder / "home" / "dagster"))
    monkeypatch.delenv("BATON_NOW", raising=False)
    return Small.create(small_project.write(small_folder / "project"), small_folder / "home")
