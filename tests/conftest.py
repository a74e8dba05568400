"""Shared fixtures: homes of their own, the small dbt project, and no usage statistics."""

import os
from pathlib import Path

import pytest
import small_project
from company import Small

os.environ.update(
    DO_NOT_TRACK="1",
    DAGSTER_DISABLE_TELEMETRY="1",
    DBT_SEND_ANONYMOUS_USAGE_STATS="false",
    MLFLOW_DISABLE_TELEMETRY="true",
    GIT_PYTHON_REFRESH="quiet",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked long wait for `make soak`: the suite that everybody runs must end while they still look at it."""
    if os.environ.get("BATON_LONG"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="long: make soak runs it, or BATON_LONG=1 make test"))


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
