"""The demo company can be taken away without a change elsewhere: a copy of the project that has no demo/."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from company import Small

from ml.home import PROJECT_ROOT

PARTS = ("orchestration", "ml", "dbt_project", "pyproject.toml", "workspace.yaml")
NOT_COPIED = shutil.ignore_patterns("target", "logs", "dbt_packages", "__pycache__")

# The environment the tests run in has the whole project installed; here only what lies in the copy may be found.
_ALONE = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]
from importlib.util import find_spec
import orchestration
assert orchestration.__file__.startswith(sys.argv[1]), orchestration.__file__
assert find_spec("demo") is None
"""
_LOAD = "from orchestration.definitions import load_graph; print(len(load_graph().specs))"
_BATON = "from orchestration.cli.main import cli; cli(sys.argv[2:], prog_name='baton')"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without demo/."""
    folder = tmp_path_factory.mktemp("bare")
    for name in PARTS:
        part = PROJECT_ROOT / name
        copy = shutil.copytree if part.is_dir() else shutil.copyfile
        copy(part, folder / name, **({"ignore": NOT_COPIED} if part.is_dir() else {}))  # type: ignore[operator]
    return folder


def python(bare: Path, code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ALONE + code, str(bare), *arguments],
        cwd=bare, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_definitions_of_the_whole_project_load(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BATON_DBT_PROJECT", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert int(python(bare, _LOAD, BATON_HOME=str(bare / "home"))) > 20


def test_another_project_runs_and_tells_its_status(bare: Path, small: Small) -> None:
    summary = json.loads(python(bare, _BATON, "run", "--now", "2026-11-21T06:00", "--json"))
    assert summary["success"]
    assert [job["job"] for job in summary["jobs"]] == ["daily"]
    status = json.loads(python(bare, _BATON, "status", "--now", "2026-11-21T06:00", "--json"))
    assert status["failed_runs"] == []
    assert "demo" not in python(bare, _BATON, "--help")
