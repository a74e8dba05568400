"""The pager's process is gone by SIGKILL at any line: no page is lost, and none is a second page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.home import PROJECT_ROOT

EVERY = 30  # of some 500 lines; the rest is for the long run


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_line_it_goes_on_as_if_nothing_had_happened(every: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(PROJECT_ROOT / "tests" / "pager_kills.py"), str(tmp_path), str(every)],
        env={**os.environ, "PYTHONPATH": f"{PROJECT_ROOT}{os.pathsep}{PROJECT_ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *faults, kills = done.stdout.splitlines()
    assert faults == []
    assert int(kills) > 400 / every
