"""Monitoring as SQL: the package beside a hand-written script, beside Evidently and NannyML, at size, and refreshed.

    .venv/bin/python -m bench monitoring [--rows 1000000] [--rounds 3] [--case build peers large refresh] [--json FILE]

| case | what is compared | bar |
|---|---|---|
| build | the whole build from raw log to drift through dbt; `monitoring_by_hand` for the same columns | CPU <= 1.3x |
| peers | Evidently and NannyML; the same numbers as plain SQL; the package's tables | 4x to 40x, half the memory |
| large | 10 million predictions through the package | < 3 GiB |
| refresh | 10,000 predictions and 10,000 outcomes arrive on 1 million and on 10 million | SQL 150 ms, dbt 1.5 s, 1.3x |

Data are made (`monitoring_data`), every measured step is a process of its own, sides take turns, figures are medians
of CPU seconds (user and system, all threads). Start-up, parsing and loading of rows into pandas are in nobody's
figure. The peers live in an environment of their own, `bench/.venv-peers` (BATON_BENCH_PEERS names another), made
from `bench/peers/requirements.txt`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = Path(os.environ.get("BATON_BENCH_PEERS", HERE / ".venv-peers"))
BAR_BUILD, BAR_LARGE_MIB, BAR_DBT_SECONDS, BAR_SQL_SECONDS, BAR_GROWTH = 1.3, 3 * 1024, 1.5, 0.15, 1.3
# name: script, its case, what the package builds for it (models, options), the same numbers as SQL, bar
HOURLY = "performance_hourly,performance"
WORK: dict[str, tuple[str, str, tuple[str, ...], str, float]] = {
    "performance per day and slice, binned AUC": (
        "evidently", "performance", (HOURLY, "--windows=1d,whole"), "performance", 40.0),
    "performance per day and slice, exact AUC": (
        "evidently", "performance", (), "performance_exact", 4.0),
    "PSI of 15 columns, month against month": ("evidently", "psi", ("drift",), "psi", 40.0),
    "KS and chi-square of 15 columns, month against month": ("evidently", "ks_chi2", ("drift",), "ks_chi2", 6.0),
    "performance per day": (
        "nannyml", "performance", (HOURLY, "--windows=1d", "--no-slices"), "performance_daily",
        8.0),
    "drift per day": ("nannyml", "drift", ("drift",), "drift_daily", 4.0),
}  # fmt: skip
Found = dict[str, Any]


def main() -> int:
    """Measure what is asked for, print each table with its bars. Returns 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000, help="rows of the cases large and refresh")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--case",
        nargs="*",
        choices=("build", "peers", "large", "refresh"),
        default=["build", "peers", "large", "refresh"],
    )
    parser.add_argument("--keep", type=Path, help="a folder for the data, kept; else a temporary one")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        root = asked.keep or Path(folder)
        cases = {"build": build, "peers": peers, "large": large, "refresh": refresh}
        results = {case: cases[case](root, asked) for case in cases if case in asked.case}
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1))
    return int(any(not kept for result in results.values() for kept in result["kept"].values()))


def build(root: Path, asked: argparse.Namespace) -> Found:
    """From raw log to drift, the package and by hand in turns."""
    folder = prepared(root / str(asked.rows), asked.rows)
    spent: dict[str, list[Found]] = {"package": [], "by hand": []}
    for turn in range(asked.rounds):
        for side in ("by hand", "package") if turn % 2 else ("package", "by hand"):
            spent[side].append(side_step("ours" if side == "package" else "hand", folder))
    middle = {side: {key: median(found, key) for key in ("cpu", "wall", "peak_mib")} for side, found in spent.items()}
    print(
        f"\nwhole build, {asked.rows:,} predictions x 14 features\n{'':10} {'CPU s':>8} {'wall s':>8} {'peak MiB':>9}"
    )
    for side, figures in middle.items():
        print(f"{side:10} {figures['cpu']:8.2f} {figures['wall']:8.2f} {figures['peak_mib']:9.0f}")
    ratio = middle["package"]["cpu"] / middle["by hand"]["cpu"]
    print(f"package / by hand: CPU {ratio:.2f} (bar {BAR_BUILD})")
    each = side_step("ours", folder, "--each")
    print("CPU s by model, built one by one:", ", ".join(f"{name} {cpu:.2f}" for name, cpu in each["models"].items()))
    return {"figures": middle, "models": each["models"], "ratio": ratio, "kept": {"build": ratio <= BAR_BUILD}}


def peers(root: Path, asked: argparse.Namespace) -> Found:
    """Each peer's work beside the package's tables and the same numbers as SQL."""
    folder = prepared(root / str(asked.rows), asked.rows)
    side_step("ours", folder, "--models=decisions,outcomes")
    side_step("export", folder)
    make_peers()
    print(f"\npeers, {asked.rows:,} predictions; CPU s and [peak MiB of the process]")
    print(f"{'work':53} {'peer':>15} {'same numbers in SQL':>24} {'the package, all it gives':>26}")
    done: dict[tuple[str, ...], Found] = {}
    found = {name: compare(name, folder, asked.rounds, done) for name in WORK}
    kept = {name: figures["ratio_sql"] >= WORK[name][4] for name, figures in found.items()}
    kept |= {
        f"{name}, memory": 2 * figures["sql_peak_mib"] <= figures["peer_peak_mib"] for name, figures in found.items()
    }
    return {"figures": found, "kept": kept}


def compare(name: str, folder: Path, rounds: int, done: dict[tuple[str, ...], Found]) -> Found:
    """One line of the table of peers. `done`: runs that two lines share."""
    script, case, models, same, bar = WORK[name]
    sides: dict[str, list[Found]] = {"peer": [], "sql": [], "package": []}
    for number in range(rounds):
        sides["peer"].append(once(done, (script, case, str(number)), lambda: peer(script, case, folder)))
        sides["sql"].append(side_step("same", folder, f"--work={same}"))
        if models:
            step = ("ours", folder, f"--models={models[0]}", *models[1:])
            sides["package"].append(once(done, (*models, str(number)), lambda step=step: side_step(*step)))
    figures: Found = {"differ": largest_difference(sides["peer"][0]["values"], sides["sql"][0]["values"])}
    for side, runs in sides.items():
        if runs:
            figures |= {f"{side}_cpu": median(runs, "cpu"), f"{side}_peak_mib": median(runs, "peak_mib")}
            figures[f"ratio_{side}"] = figures["peer_cpu"] / figures[f"{side}_cpu"]
    shown = {
        side: f"{figures[f'{side}_cpu']:7.2f} [{figures[f'{side}_peak_mib']:5.0f}] {figures[f'ratio_{side}']:6.1f}x"
        for side in sides
        if sides[side]
    }
    print(f"{name:53} {shown['peer'][:15]:>15} {shown['sql']:>24} {shown.get('package', ''):>26}", end="")
    print(f"  {script}, bar {bar:.0f}x; largest difference {figures['differ']}", flush=True)
    return figures


def large(root: Path, asked: argparse.Namespace) -> Found:
    """The whole build at size, within the memory that is promised."""
    folder = prepared(root / str(asked.large), asked.large)
    found = side_step("ours", folder, "--memory=2GiB")
    print(f"\nwhole build, {asked.large:,} predictions: CPU {found['cpu']:.1f} s, wall {found['wall']:.1f} s, ", end="")
    print(f"peak {found['peak_mib']:.0f} MiB (bar {BAR_LARGE_MIB})")
    return {"figures": found, "kept": {"large": found["peak_mib"] < BAR_LARGE_MIB}}


def refresh(root: Path, asked: argparse.Namespace) -> Found:
    """The same arrivals on three histories: decisions, outcomes and performance_hourly.

    The longer one has as much per day as the short one. The denser one has ten times as much per day: more cohorts
    close per hour, and more rows lie where what is new may reach.
    """
    short = asked.large // 10
    histories = {"short": (short, 90), "longer": (asked.large, 900), "denser": (asked.large, 90)}
    found: Found = {}
    middle: dict[str, dict[str, float]] = {}
    for name, (rows, days) in histories.items():
        folder = prepared(root / f"{rows}_{days}_stream", rows, "--stream", f"--days={days}")
        found[name] = side_step("refresh", folder, f"--rounds={asked.rounds}")["refreshes"]
        middle[name] = {key: median(found[name], key) for key in ("wall", "cpu", "sql_wall", "sql_cpu")}
        print_refresh(f"{rows:,} in {days} days", middle[name], found[name])
    for name in ("longer", "denser"):
        growth = {key: middle[name][key] / middle["short"][key] for key in ("sql_wall", "sql_cpu")}
        bar = f"bar {BAR_GROWTH}" if name == "longer" else "no bar: more of it is new"
        print(f"{name} / short, SQL: wall {growth['sql_wall']:.2f} ({bar}), CPU {growth['sql_cpu']:.2f}")
    kept = {f"seconds, {name}": middle[name]["wall"] <= BAR_DBT_SECONDS for name in ("longer", "denser")}
    kept |= {f"SQL, {name}": middle[name]["sql_wall"] <= BAR_SQL_SECONDS for name in ("longer", "denser")}
    kept["growth"] = middle["longer"]["sql_wall"] / middle["short"]["sql_wall"] <= BAR_GROWTH
    return {"figures": found, "kept": kept}


def print_refresh(history: str, spent: dict[str, float], rounds: list[Found]) -> None:
    """One history: its medians beside their bars, and each model's."""
    print(f"\nrefresh on {history}: through dbt wall {spent['wall']:.2f} s (bar {BAR_DBT_SECONDS} s), ", end="")
    print(f"CPU {spent['cpu']:.2f} s; SQL wall {1000 * spent['sql_wall']:.0f} ms ", end="")
    print(f"(bar {1000 * BAR_SQL_SECONDS:.0f} ms), CPU {1000 * spent['sql_cpu']:.0f} ms; seconds by model:")
    for name in rounds[0]["models"]:
        print(f"{name:20} {statistics.median(each['models'][name] for each in rounds):8.2f}")


def prepared(folder: Path, rows: int, *options: str) -> Path:
    """The folder with its raw tables, made once."""
    if not (folder / "prepared.duckdb").exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"making {rows:,} predictions ...", flush=True)
        side_step("prepare", folder, f"--rows={rows}", *options)
    return folder


def side_step(step: str, folder: Path, *options: str) -> Found:
    """A step of `monitoring_sides` in a process of its own."""
    return run([sys.executable, str(HERE / "monitoring_sides.py"), step, "--folder", str(folder), *options])


def peer(script: str, case: str, folder: Path) -> Found:
    """A peer's script in the peers' environment."""
    return run(
        [
            str(PEERS / "bin" / "python"),
            str(HERE / "peers" / f"run_{script}.py"),
            "--rows",
            str(folder / "rows"),
            "--case",
            case,
        ]
    )


def run(command: list[str]) -> Found:
    """What a process says in its last line. Raises RuntimeError with its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    found: Found = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def make_peers() -> None:
    """The peers' environment, where it is missing."""
    if not (PEERS / "bin" / "python").exists():
        print(f"installing the peers into {PEERS} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        requirements = str(HERE / "peers" / "requirements.txt")
        subprocess.run(
            [str(PEERS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", requirements],
            check=True,
        )


def once(done: dict[tuple[str, ...], Found], key: tuple[str, ...], work: Any) -> Found:
    """Peers need minutes, and two rows of the table may share a run."""
    if key not in done:
        done[key] = work()
    return done[key]


def median(found: list[Found], key: str) -> float:
    return statistics.median(each[key] for each in found)


def largest_difference(one: Found, other: Found) -> str:
    """Over numbers both sides have under the same key; lists position by position."""
    pairs = [(one[key], other[key]) for key in one if key in other]
    flat = [pair for a, b in pairs for pair in (zip(a, b, strict=False) if isinstance(a, list) else [(a, b)])]
    numbers = [abs(a - b) for a, b in flat if a is not None and b is not None]
    return f"{max(numbers):.1e} over {len(numbers)}" if numbers else "nothing in common"


if __name__ == "__main__":
    sys.exit(main())
