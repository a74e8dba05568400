"""Dying anywhere and starting again ends in the same tables as a load nobody disturbed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landing_files import EVENTS, NOW, event, state, write

from orchestration.sources import load_table

ROOT = Path(__file__).resolve().parent.parent


def fill(landing: Path, n_files: int) -> None:
    for i in range(n_files):
        bad = [{"n": i}] if i % 3 == 0 else []
        write(
            landing,
            f"{i:03d}.jsonl",
            [event(f"{i}-{j}", written_at=f"2026-10-{1 + i % 28:02d}") for j in range(20)] + bad,
        )


class Dies(Exception):
    """The power went out."""


class DyingConnection:
    """A connection that breaks off before its n-th statement."""

    def __init__(self, con: duckdb.DuckDBPyConnection, n: int) -> None:
        self.con, self.left = con, n

    def execute(self, *args):
        self.left -= 1
        if self.left < 0 and args[0] != "rollback":
            raise Dies
        return self.con.execute(*args)

    def __getattr__(self, name):
        return getattr(self.con, name)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    landing = tmp_path_factory.mktemp("landing")
    fill(landing, 2)
    con = duckdb.connect()
    load_table(con, EVENTS, landing, NOW)
    yield landing, state(con)
    con.close()


def test_an_exception_before_any_statement_changes_nothing(undisturbed):
    landing, expected = undisturbed
    n, finished = 0, False
    while not finished:
        con = duckdb.connect()
        try:
            load_table(DyingConnection(con, n), EVENTS, landing, NOW)
            finished = True
        except Dies:
            load_table(con, EVENTS, landing, NOW + timedelta(days=1))
        assert state(con) == expected, f"died before statement {n}"
        con.close()
        n += 1
    assert n > 15


LOAD = """
import sys, json, duckdb
from datetime import datetime
from pathlib import Path
from landing_files import EVENTS, NOW
from orchestration.sources import load_table
con = duckdb.connect(sys.argv[1])
print("ready", flush=True)
load_table(con, EVENTS, Path(sys.argv[2]), NOW)
"""


def test_killed_at_random_moments_and_started_again_ends_in_the_same_tables(tmp_path: Path):
    landing, database = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    fill(landing, 40)
    whole = duckdb.connect()
    load_table(whole, EVENTS, landing, NOW)
    random_moment, kills, code = random.Random(7), 0, None
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    while code != 0:
        command = [sys.executable, "-c", LOAD, str(database), str(landing)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=tmp_path) as process:
            assert process.stdout is not None
            process.stdout.readline()
            if kills < 4:
                time.sleep(random_moment.uniform(0, 0.4))
                process.send_signal(signal.SIGKILL)
            code = process.wait()
        kills += code != 0
    assert kills > 0
    with duckdb.connect(str(database)) as con:
        assert json.dumps(state(con), default=str) == json.dumps(state(whole), default=str)
    whole.close()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(st.just("load"), st.integers(0, 20)), max_size=4))
def test_any_sequence_of_loads_and_deaths_ends_in_the_same_tables(undisturbed, steps):
    landing, expected = undisturbed
    con = duckdb.connect()
    for step in steps:
        with suppress(Dies):
            load_table(con if step == "load" else DyingConnection(con, step), EVENTS, landing, NOW)
    load_table(con, EVENTS, landing, NOW)
    assert state(con) == expected
    con.close()
