"""`make run` killed with SIGKILL at ten random moments, each time run again: the tables of an undisturbed run."""

import os
import platform
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

from warehouse_diff import OF_THE_DISK, VOLATILE, differences

from ml.home import PROJECT_ROOT, Home

NOW = datetime(2026, 11, 21, 6)
KILLS = int(os.environ.get("BATON_SOAK_KILLS", "10"))
ACCOUNTS = os.environ.get("BATON_SOAK_ACCOUNTS", "500")
SEED = int(os.environ.get("BATON_SOAK_SEED", "20261121"))
UNLIKE = VOLATILE | OF_THE_DISK
REPORT = PROJECT_ROOT / "docs" / "reports" / "kills.md"


def make_run(home: Home, log: Path) -> "subprocess.Popen[bytes]":
    """`make run` as a shell would start it, in a process group of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "DAGSTER_", "MAKE"))}
    with log.open("ab") as told:
        return subprocess.Popen(
            ["make", "run", f"ARGS=--now {NOW.isoformat()}"],
            cwd=PROJECT_ROOT,
            env={**kept, "BATON_HOME": str(home.root), "BATON_DEMO_ACCOUNTS": ACCOUNTS},
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def whole(home: Home, log: Path) -> float:
    """Seconds of a `make run` that nobody disturbs; it must be green."""
    began = time.monotonic()
    assert make_run(home, log).wait() == 0, log.read_text()[-3000:]
    return time.monotonic() - began


def killed(home: Home, log: Path, after: float) -> bool:
    """Start `make run` and kill its whole group `after` seconds; False if it had ended by then."""
    process = make_run(home, log)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def steps(home: Home) -> str:
    """Where the killed run stood: the newest event of Dagster's log that names a step."""
    runs = sorted((home.dagster / "history" / "runs").glob("*.db"), key=lambda path: path.stat().st_mtime)
    runs = [path for path in runs if path.stem != "index"]
    if not runs:
        return "before the first step"
    with closing(sqlite3.connect(runs[-1])) as con:
        rows = con.execute(
            "select step_key, dagster_event_type from event_logs where step_key is not null "
            "and dagster_event_type <> 'ASSET_MATERIALIZATION_PLANNED' order by id desc limit 1"
        ).fetchall()
    return f"{rows[0][0]}, after {rows[0][1].lower()}" if rows else "before the first step"


def test_a_run_killed_at_a_random_moment_and_run_again_ends_in_the_same_tables(tmp_path: Path) -> None:
    draw, lines, wrong = random.Random(SEED), [], []
    undisturbed = Home(tmp_path / "undisturbed")
    seconds = whole(undisturbed, tmp_path / "undisturbed.log")
    while len(lines) < KILLS:
        number, moment = len(lines) + 1, draw.uniform(0, seconds)
        home, log = Home(tmp_path / f"killed {number}"), tmp_path / f"{number}.log"
        if not killed(home, log, moment):  # it was faster than the undisturbed one: another moment
            shutil.rmtree(home.root)
            continue
        stood, again = steps(home), whole(home, log)
        found = [
            *differences(undisturbed.warehouse, home.warehouse, volatile=UNLIKE),
            *differences(undisturbed.published_warehouse, home.published_warehouse, volatile=UNLIKE),
        ]
        wrong += found
        lines.append(f"| {number} | {moment:.1f} s | {stood} | {again:.0f} s | {'; '.join(found) or 'none'} |")
        shutil.rmtree(home.root)
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(report(seconds, lines))
    assert not wrong


def report(seconds: float, lines: list[str]) -> str:
    """The report as it is committed."""
    return f"""# `make run` killed with SIGKILL at random moments

{len(lines)} fresh homes of {ACCOUNTS} accounts and 400 days, `make run` at {NOW:%Y-%m-%d %H:%M} UTC. Each process group
was killed once, at a moment drawn evenly from the {seconds:.0f} s of an undisturbed run (seed {SEED}), and run again.
All tables of the warehouse and of its published copy were compared with those of the undisturbed run, apart from schema
`ops` and the columns {", ".join(sorted(UNLIKE))}.
Made by `make soak` ({platform.machine()}, {os.cpu_count()} cores).

| kill | after | where the run stood | the next run took | tables that differ |
|---|---|---|---|---|
{chr(10).join(lines)}
"""
