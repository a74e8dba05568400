"""Whole runs on a small demo company: the first run made once per test session, copies of its home, runs that die."""

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml.home import PROJECT_ROOT, Home
from orchestration import launch
from orchestration.outcome import RunOutcome

NOW = datetime(2026, 11, 21, 6)
# As few accounts as still give both models a test cohort with both outcomes and churn events younger than promised.
COMPANY = {"BATON_DEMO_ACCOUNTS": "400", "BATON_DEMO_DAYS": "400", "BATON_DEMO_SEED": "7"}


def environment(home: Home) -> dict[str, str]:
    """What a shell would have set to work on `home`, and nothing that points elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "DAGSTER_HOME"))}
    return {**kept, **COMPANY, "BATON_HOME": str(home.root), "DAGSTER_HOME": str(home.dagster)}


def baton(home: Home, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command line on `home`."""
    command = [sys.executable, "-m", "orchestration.cli", *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT, env=environment(home), capture_output=True, text=True, check=False)


@contextmanager
def inside(home: Home) -> Iterator[None]:
    """This process's environment as a shell on `home` has it."""
    with pytest.MonkeyPatch.context() as patch:
        wanted = environment(home)
        for name in set(os.environ) - set(wanted):
            patch.delenv(name)
        for name, value in wanted.items():
            patch.setenv(name, value)
        yield


def run(home: Home, now: datetime) -> RunOutcome:
    """What is due on `home` at `now`, in this process."""
    with inside(home):
        return launch.run_due(home, now)


def ask(home: Home, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the live warehouse."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute(sql).fetchall()


def registered(home: Home) -> list[tuple[Any, ...]]:
    """Versions and runs as MLflow's own database has them."""
    with closing(sqlite3.connect(home.mlflow_db)) as con:
        versions = con.execute("select name, version, run_id from model_versions order by 1, 2").fetchall()
        return [*versions, *con.execute("select run_uuid from runs order by 1").fetchall()]


def shared(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """A folder that `build` fills, once for all test processes of the session."""
    base = factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder, lock = base / name, base / f"{name}.lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            build(folder)
            (folder / "complete").touch()
    assert (folder / "complete").exists(), f"{folder} was tried and failed; the first test that wanted it says why"
    return folder


@dataclass(frozen=True)
class FirstRun:
    """A home after its first run, and what the command line said at its end. Tests work on copies."""

    home: Home
    summary: dict[str, Any]

    def copy(self, folder: Path) -> Home:
        """A copy of the home below `folder`."""
        return copied(self.home, folder)


def copied(home: Home, folder: Path) -> Home:
    """A copy of `home` below `folder`."""
    shutil.copytree(home.root, folder / "home")
    return Home(folder / "home")


def first_run(factory: pytest.TempPathFactory) -> FirstRun:
    """The first run of the session's company, through the command line."""

    def build(folder: Path) -> None:
        done = baton(Home(folder / "home"), "run", "--now", NOW.isoformat(), "--json")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        (folder / "summary.json").write_text(done.stdout)

    folder = shared(factory, "first_run", build)
    return FirstRun(Home(folder / "home"), json.loads((folder / "summary.json").read_text()))


def day_after(factory: pytest.TempPathFactory) -> Home:
    """The home after the first run and an undisturbed, green run of the next morning."""

    def build(folder: Path) -> None:
        outcome = run(copied(first_run(factory).home, folder), NOW + timedelta(days=1))
        assert outcome.success, outcome.failed_steps
        assert [job.job for job in outcome.jobs] == ["daily"]
        stale = [check for check in outcome.checks if check.check == "data_is_fresh" and not check.passed]
        assert not stale, stale

    return Home(shared(factory, "day_after", build) / "home")


_DYING = """
import os, signal, sys, threading, time
from datetime import datetime
from pathlib import Path
from ml.home import Home
from orchestration.launch import run_due

now, after, touch = sys.argv[1:]
home, armed = Home.from_env(), threading.Event()

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def audit(event, args):
    if armed.is_set() and event in ("open", "os.rename", "shutil.copyfile") and touch in str(args):
        die()

def logged():
    log = Path(str(home.warehouse) + ".wal")
    while not (armed.is_set() and log.exists() and log.stat().st_size):
        time.sleep(0.002)
    die()

def hear(progress):
    if f"{progress.kind} {progress.name}" == after:
        if not touch:
            die()
        armed.set()

if touch == "committed":
    threading.Thread(target=logged, daemon=True).start()
else:
    sys.addaudithook(audit)
run_due(home, datetime.fromisoformat(now), hear)
"""


@dataclass(frozen=True)
class Moment:
    """When a run dies: after the progress event `after` ('step churn_model'), at the next touch of a path with `touch`.

    `touch` '': at the event itself; 'committed': at the first thing committed to the warehouse after it.
    """

    name: str
    after: str
    touch: str = ""


def run_that_dies(home: Home, now: datetime, moment: Moment) -> None:
    """`run_due` in a process of its own that is gone by SIGKILL at `moment`; fails the test if it lives on."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _DYING, now.isoformat(), moment.after, moment.touch],
        cwd=PROJECT_ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, f"{moment} did not come: {done.returncode}\n{done.stderr[-3000:]}"
