"""Memory and speed of scoring: 1 and 10 million rows of one day through `ml.scoring.score`, a process each.

    .venv/bin/python bench/scoring.py [--rows 1000000 10000000] [--candidate logistic_regression] [--keep FOLDER]

Prints rows per second, CPU seconds and the peak resident size, and the ratio of the peaks of last and first size. The
data is made in another process before, so a peak holds scoring and nothing else. Promise: ratio <= 1.25.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CUT = datetime(2026, 11, 2)
FEATURES = 14
LIMIT = 1.25


def product(candidate: str) -> Any:
    from ml.product import load_products

    models = ("churn_training_set", "churn_scoring_set", "churn_events")
    parameters = {
        "entity": "account_id",
        "outcome": {"model": "churn_events", "horizon": "30 days"},
        "value": {"tp": 100, "fp": -10, "fn": 0, "tn": 0},
        "holdout": 0.05,
        "train": {"candidates": {candidate: {}}, "split": {"validation": "30 days", "test": "30 days"}},
    }
    exposure = {
        "name": "churn",
        "type": "ml",
        "original_file_path": "bench",
        "depends_on": {"nodes": list(models)},
        "config": {"meta": {"product": parameters}},
    }
    nodes = {name: {"name": name, "columns": {}} for name in models}
    return load_products({"exposures": {"e": exposure}, "nodes": nodes})["churn"]


def columns(seed: str) -> str:
    numbers = ", ".join(
        f"(hash(i * {FEATURES + 3} + {k} + {seed}) % 100000) / 1000.0 as x{k}" for k in range(FEATURES - 2)
    )
    return f"{numbers}, 'c' || hash(i * 7) % 12 as region, 'p' || hash(i * 11) % 4 as plan"


def prepare(home: Any, rows: int, candidate: str) -> None:
    """A trained version and a scoring set of `rows` rows in the home's warehouse."""
    from ml.training import train
    from ml.warehouse import open_warehouse

    with open_warehouse(home) as con:
        con.execute("create schema churn")
        con.execute(
            "create table churn.training_set as select 'A' || i as account_id, "
            f"timestamp '2026-01-05' + to_days((7 * w)::integer) as as_of, {columns('w * 1000003')}, "
            "(x0 + x1 + hash(i * 31 + w) % 100 > 150)::integer as outcome_label, "
            "as_of + interval 30 days as label_known_at from range(300) a(i), range(38) b(w)"
        )
        con.execute(
            f"create table churn.scoring_set as select 'A' || i as account_id, timestamp '{CUT}' as as_of, "
            f"{columns('5')} from range({rows}) a(i)"
        )
        train(con, product(candidate), cut=CUT, now=CUT, home=home, tags={})


def measure(home: Any, rows: int, candidate: str) -> dict[str, float]:
    from ml.scoring import score
    from ml.warehouse import open_warehouse

    with open_warehouse(home) as con:
        wall, cpu = time.perf_counter(), time.process_time()
        result = score(con, product(candidate), as_of_days=[CUT], now=CUT, home=home, run_id="bench")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert result.scored == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    return {"rows": rows, "wall_s": wall, "cpu_s": cpu, "rows_per_s": rows / wall, "peak_mib": peak}


def step(name: str, folder: Path, rows: int, candidate: str) -> str:
    command = [
        sys.executable,
        __file__,
        "--step",
        name,
        "--keep",
        str(folder),
        "--candidate",
        candidate,
        "--rows",
        str(rows),
    ]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--candidate", default="logistic_regression")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--step", choices=["prepare", "measure"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        from ml.home import Home

        home = Home(asked.keep).ensure()
        found = {"prepare": prepare, "measure": measure}[asked.step](home, asked.rows[0], asked.candidate)
        print(json.dumps(found))
        return 0
    peaks = []
    for rows in asked.rows:
        with tempfile.TemporaryDirectory(dir=asked.keep) as folder:
            step("prepare", Path(folder), rows, asked.candidate)
            found = json.loads(step("measure", Path(folder), rows, asked.candidate).splitlines()[-1])
        peaks.append(found["peak_mib"])
        print(
            f"{asked.candidate}, {rows:>10,} rows: {found['rows_per_s']:>9,.0f} rows/s by wall, "
            f"{found['cpu_s']:6.1f} CPU s, peak {found['peak_mib']:,.0f} MiB"
        )
    print(f"peak ratio {peaks[-1] / peaks[0]:.2f}, promised at most {LIMIT}")
    return 0 if peaks[-1] <= LIMIT * peaks[0] else 1


if __name__ == "__main__":
    sys.exit(main())
