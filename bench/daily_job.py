"""The daily job against one bare script that does the same: same dbt selection, same `ml` functions, no Dagster.

Run: python -m bench.daily_job [--accounts 5000] [--rounds 3]. A home is rehearsed once and copied for each round; then
both sides do the following morning, in turns, in a process of their own. Prints wall and CPU seconds, the ratio (bar
1.3), and the time from the command line to the first SQL (bar 8 s on an idle machine of 2 cores).
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

BAR_RATIO, BAR_FIRST_SQL = 1.3, 8.0
FIRST_MORNING = datetime(2026, 11, 21, 6)
NEXT_MORNING = FIRST_MORNING + timedelta(days=1)


def main() -> None:
    """Prepare, measure in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=("job", "bare"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        {"job": run_job_side, "bare": run_bare_side}[chosen.side]()
        return
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        prepared = Path(folder) / "prepared"
        print(f"rehearsing {chosen.accounts} accounts ...", flush=True)
        prepare(prepared, chosen.accounts)
        found: dict[str, list[dict[str, Any]]] = {"job": [], "bare": []}
        for number in range(chosen.rounds):
            for side in ("bare", "job") if number % 2 else ("job", "bare"):
                found[side].append(measure(side, prepared, Path(folder) / f"{side}{number}"))
    report(found)


def report(found: dict[str, list[dict[str, Any]]]) -> None:
    """One line per side, then the two bars."""
    median = {
        side: {name: statistics.median(each[name] for each in rounds) for name in ("wall", "cpu")}
        for side, rounds in found.items()
    }
    for side, seconds in median.items():
        print(f"daily {side:<5} wall {seconds['wall']:6.2f} s   cpu {seconds['cpu']:6.2f} s")
    wall, cpu = (median["job"][name] / median["bare"][name] for name in ("wall", "cpu"))
    print(f"daily job / bare script: wall {wall:.2f}, cpu {cpu:.2f} (bar {BAR_RATIO})")
    print("seconds by step:", ", ".join(f"{name} {taken:.2f}" for name, taken in found["job"][-1]["steps"].items()))
    first = statistics.median(each["first_sql"] for each in found["job"])
    print(f"command line to first SQL: {first:.1f} s (bar {BAR_FIRST_SQL:.0f} s, idle)")


def measure(side: str, prepared: Path, home: Path) -> dict[str, Any]:
    """One morning of one side in a process of its own, on a fresh copy of the prepared home."""
    shutil.copytree(prepared, home)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "BATON_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.daily_job", "--side", side],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(home)
    if done.returncode:
        raise RuntimeError(f"the {side} side failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, **said}


def prepare(home: Path, accounts: int) -> None:
    """A rehearsed home, and the dbt selections of the two halves for the bare script."""
    os.environ |= {"BATON_HOME": str(home), "BATON_DEMO_ACCOUNTS": str(accounts)}
    from ml.home import Home
    from orchestration import launch

    outcome = launch.run_due(Home(home), FIRST_MORNING)
    if not outcome.success:
        raise RuntimeError(f"the rehearsal failed: {outcome.failed_steps}")
    usual = launch.run_job(
        Home(home), "daily", now=FIRST_MORNING, partition="2026-11-20"
    )  # incremental forms are known now
    if not usual.success:
        raise RuntimeError(f"the first daily run failed: {usual.failed_steps}")
    (home / "halves.json").write_text(json.dumps(halves(Home(home))))


def halves(home: Any) -> list[list[str]]:
    """dbt arguments of what stands above and below the predictions, tests included."""
    from orchestration.dbt.selection import UNIQUE_ID, select_arguments
    from orchestration.definitions import load_graph
    from orchestration.jobs import selections

    graph = load_graph(home)
    below = set(selections(graph)["monitor"].resolve(build_assets(graph)))
    every = {key: spec.metadata[UNIQUE_ID] for key, spec in graph.specs.items() if is_model(spec, UNIQUE_ID)}
    second = {unique_id for key, unique_id in every.items() if key in below}
    tests = {uid: props for uid, props in graph.manifest["nodes"].items() if props["resource_type"] == "test"}
    late = {uid for uid, props in tests.items() if second & set(props["depends_on"]["nodes"])}
    first = set(every.values()) - second
    return [
        select_arguments(graph.manifest, first, set(tests) - late),
        select_arguments(graph.manifest, second, late),
    ]


def build_assets(graph: Any) -> list[Any]:
    """What Dagster resolves a selection against."""
    import dagster as dg

    return [asset for asset in graph.assets if isinstance(asset, dg.AssetsDefinition)]


def is_model(spec: Any, unique_id: str) -> bool:
    """Whether dbt builds the asset."""
    return str(spec.metadata.get(unique_id, "")).startswith(("model.", "seed.", "snapshot."))


def run_job_side() -> None:
    """The daily job as the command line starts it."""
    began = process_start()
    from ml import clock
    from ml.home import Home
    from orchestration import launch

    first: list[float] = []

    def hear(event: launch.Progress) -> None:
        if event.kind == "asset" and not event.name.startswith("landing") and not first:
            first.append(time.time() - began)

    day = clock.partition_of(NEXT_MORNING)
    outcome = launch.run_job(Home.from_env(), "daily", now=NEXT_MORNING, partition=day, on_progress=hear)
    if not outcome.success:
        raise RuntimeError(f"{outcome.failed_steps}")
    print(json.dumps({"first_sql": first[0], "steps": dict(outcome.step_seconds)}))


def run_bare_side() -> None:
    """The same work as a script would do it: load, dbt, score, dbt; no graph, no record, no published copy."""
    from dbt.cli.main import dbtRunner

    from demo.landing import write_missing_days
    from ml import clock
    from ml.checks import prediction_checks
    from ml.home import PROJECT_ROOT, Home
    from ml.product import load_products
    from ml.scoring import score
    from ml.warehouse import open_warehouse
    from orchestration.sources.loader import load_table
    from orchestration.sources.spec import load_sources

    home, now, target = Home.from_env(), NEXT_MORNING, Home.from_env().root / "dbt" / "target"
    manifest = json.loads((target / "manifest.json").read_text())
    days = [clock.as_of(now)]
    write_missing_days(home, now)
    with open_warehouse(home) as con:
        for table in load_sources(manifest):
            load_table(con, table, home.landing, now)
    project = ["--project-dir", str(PROJECT_ROOT / "dbt_project"), "--profiles-dir", str(PROJECT_ROOT / "dbt_project")]
    quiet = ["--no-send-anonymous-usage-stats", "--log-level", "none", "--log-level-file", "none"]
    parsed = dbtRunner().invoke([*quiet, "parse", "--target-path", str(target), *project]).result
    variables = json.dumps({"now": clock.sql(now), "as_of_from": clock.sql(days[0]), "as_of_to": clock.sql(days[0])})
    first, second = json.loads((home.root / "halves.json").read_text())

    def build(selection: list[str]) -> None:
        arguments = ["build", *selection, "--vars", variables, "--target-path", str(target), *project]
        result = dbtRunner(manifest=parsed).invoke([*quiet, *arguments])
        if not result.success:
            raise RuntimeError(f"dbt failed: {result.exception or result.result}")

    build(first)
    for product in load_products(manifest).values():
        with open_warehouse(home) as con:
            score(con, product, as_of_days=days, now=now, home=home, run_id="bare")
            prediction_checks(con, product, as_of_days=days, now=now)
    build(second)
    print(json.dumps({"first_sql": 0.0}))


def process_start() -> float:
    """When this process began, by the system's clock: importing Python itself counts."""
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return time.time()
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))


if __name__ == "__main__":
    main()
