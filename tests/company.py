"""Helpers that tests of whole runs share: a home with data, other processes, what is true afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ml.home import PROJECT_ROOT, Home

NOW = datetime(2026, 11, 21, 6, 0)
LIVE_HOME = Home(PROJECT_ROOT / ".pytest_cache" / "baton")  # where this project's own dbt project is parsed once

_OPEN = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create or replace table main.probe as select 1')"

_RUN = """
import sys
from datetime import datetime
from ml.home import Home
from orchestration.launch import run_job
outcome = run_job(Home.from_env(), sys.argv[1], now=datetime.fromisoformat(sys.argv[2]))
print(outcome)
sys.exit(0 if outcome.success else 1)
"""


@dataclass(frozen=True)
class Small:
    """A home of the small project."""

    project: Path
    home: Home

    @classmethod
    def create(cls, project: Path, root: Path) -> "Small":
        """A home whose raw.orders has one order of the day before NOW."""
        small = cls(project, Home(root).ensure())
        for left in (small.home.warehouse, small.home.published_warehouse):
            left.unlink(missing_ok=True)
        small.orders((1, 2.5, "2026-11-20 10:00"))
        return small

    def orders(self, *rows: tuple[int, float, str]) -> None:
        """Replace raw.orders."""
        with duckdb.connect(str(self.home.warehouse)) as con:
            con.execute("create schema if not exists raw")
            con.execute("create or replace table raw.orders (order_id integer, amount double, known_at timestamp)")
            con.executemany("insert into raw.orders values (?, ?, ?)", [list(row) for row in rows])

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the live warehouse."""
        with duckdb.connect(str(self.home.warehouse)) as con:
            return con.execute(sql).fetchall()


def is_free(path: Path) -> bool:
    """Whether another process can open the warehouse for writing."""
    return subprocess.run([sys.executable, "-c", _OPEN, str(path)], capture_output=True, check=False).returncode == 0


def start_job(job: str, now: datetime, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """A run in a process of its own, in a process group of its own, with signals as a shell would give them."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _RUN, job, now.isoformat()],
        env={**os.environ, **environment},
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for(condition: Any, seconds: float = 60.0, every: float = 0.1) -> None:
    """Wait until `condition()` is true; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not become true within {seconds} s"
        time.sleep(every)


def live_graph() -> Any:
    """The graph of this project's own dbt project, before the gate; parsed once into a home under pytest's cache."""
    import warnings

    from orchestration.dbt.manifest import ensure_manifest
    from orchestration.graph import Graph

    before = {name: os.environ.pop(name, None) for name in ("BATON_DBT_PROJECT", "BATON_HOME")}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # beta notices of Dagster; definitions.py names them
            graph = Graph(ensure_manifest(LIVE_HOME))
            assert graph.specs
            assert graph.checks is not None
        return graph
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
