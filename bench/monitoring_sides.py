"""One measured step of the monitoring benchmark, in a process of its own so that its peak memory is its own.

    python bench/monitoring_sides.py STEP --folder FOLDER [--rows N] ...

Prints one JSON line: CPU and wall seconds of the work, peak memory of the process, and what else the step has to say.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parent))
from monitoring_data import LAST, NOW, PRODUCT, Shape, make
from monitoring_project import Project, cpu_seconds, peak_mib

MODELS = ("decisions", "outcomes", "performance_hourly", "performance", "calibration", "drift")
JOINED = """
select d.as_of, d.as_of::date as day, d.region, d.channel, d.tier, d.score, d.predicted_label, o.outcome_label as label,
    f.* exclude (prediction_id)
from decisions as d join outcomes as o using (decision_key) join raw.prediction_features as f using (prediction_id)
where o.outcome_label is not null order by d.as_of"""


def connect(path: Path, memory: str = "4GiB") -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(str(path))
    con.execute(f"set threads = 2; set memory_limit = '{memory}'; set TimeZone = 'UTC'")
    return con


def prepare(asked: argparse.Namespace) -> dict[str, Any]:
    """The raw tables, and the reference."""
    with connect(asked.folder / "prepared.duckdb") as con:
        make(con, Shape(asked.rows, asked.stream, asked.days))
    return {"mib": (asked.folder / "prepared.duckdb").stat().st_size / 2**20}


def ours(asked: argparse.Namespace) -> dict[str, Any]:
    """The package's models through dbt in this process, from raw log to drift, without start-up and parsing."""
    models = tuple(asked.models.split(",")) if asked.models else MODELS
    product = PRODUCT | ({"monitor": {"windows": asked.windows.split(",")}} if asked.windows else {})
    product |= {"slices": []} if asked.no_slices else {}
    path = asked.folder / "package.duckdb"
    if not path.exists():
        shutil.copy(asked.folder / "prepared.duckdb", path)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        project = Project(
            Path(folder),
            path,
            product,
            sorted({*models, *(MODELS[:3] if len(models) < 3 else ())}),
            str(NOW),
            memory=asked.memory,
        )
        if asked.each:
            spent = [project.build(model, full=True) for model in models]
            return {
                "cpu": sum(each.cpu for each in spent), "wall": sum(each.wall for each in spent),
                "peak_mib": peak_mib(),
                "models": {model: each.cpu for model, each in zip(models, spent, strict=True)},
            }  # fmt: skip
        spent = project.build(*models, full=True)
    return {"cpu": spent.cpu, "wall": spent.wall, "peak_mib": peak_mib(), "models": spent.models}


def hand(asked: argparse.Namespace) -> dict[str, Any]:
    """The hand-written script on a copy of the same raw tables."""
    import monitoring_by_hand

    path = asked.folder / "by_hand.duckdb"
    if not path.exists():
        shutil.copy(asked.folder / "prepared.duckdb", path)
    cpu, wall = cpu_seconds(), time.perf_counter()
    with connect(path) as con:  # closing ends the writing, as it does for dbt
        monitoring_by_hand.build(con)
    return {"cpu": cpu_seconds() - cpu, "wall": time.perf_counter() - wall, "peak_mib": peak_mib()}


def export(asked: argparse.Namespace) -> dict[str, Any]:
    """The joined rows that peers and the SQL of the same work both get: matured decisions with label and features."""
    (asked.folder / "rows").mkdir(exist_ok=True)
    with connect(asked.folder / "package.duckdb") as con:
        con.execute(f"create or replace table joined as {JOINED}")
        con.execute(
            "create or replace table reference as from joined "
            "where as_of < (select min(as_of) + interval 30 day from joined)"
        )
        con.execute(
            "create or replace table current as from joined "
            "where as_of >= (select max(as_of) - interval 29 day from joined)"
        )
        for name in ("joined", "reference", "current"):
            con.execute(f"copy {name} to '{asked.folder}/rows/{name}.parquet'")
        return {"rows": con.execute("select count(*) from joined").fetchall()[0][0]}


def same(asked: argparse.Namespace) -> dict[str, Any]:
    """One piece of a peer's work as SQL."""
    import monitoring_same_work as work

    todo = {
        "performance": lambda con: work.performance(con, exact=False),
        "performance_exact": lambda con: work.performance(con, exact=True),
        "performance_daily": work.performance_daily, "psi": work.psi, "ks_chi2": work.ks_chi2,
        "drift_daily": work.drift_daily,
    }[asked.work]  # fmt: skip
    with connect(asked.folder / "package.duckdb") as con:
        cpu, wall = cpu_seconds(), time.perf_counter()
        values = todo(con)
        return {
            "cpu": cpu_seconds() - cpu,
            "wall": time.perf_counter() - wall,
            "peak_mib": peak_mib(),
            "values": values,
        }


def refresh(asked: argparse.Namespace) -> dict[str, Any]:
    """Build once, then let 10,000 predictions and 10,000 outcomes arrive; refresh through dbt in a warm process."""
    from monitoring_refresh import arrive

    models = tuple(asked.models.split(",")) if asked.models else MODELS[:3]
    path = asked.folder / "package.duckdb"
    shutil.copy(asked.folder / "prepared.duckdb", path)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        project = Project(Path(folder), path, PRODUCT, models, str(NOW), memory=asked.memory)
        built = project.build(*models, full=True)
        found: list[dict[str, Any]] = []
        for batch in range(asked.rounds):
            with connect(path) as con:
                project.now = str(arrive(con, batch, LAST))
            spent = project.build(*models)
            found.append(
                {
                    "cpu": spent.cpu, "wall": spent.wall, "models": spent.models, "sql_cpu": spent.sql_cpu,
                    "sql_wall": spent.sql_wall,
                }
            )  # fmt: skip
    return {"built": {"cpu": built.cpu, "wall": built.wall}, "refreshes": found, "peak_mib": peak_mib()}


STEPS = {"prepare": prepare, "ours": ours, "hand": hand, "export": export, "same": same, "refresh": refresh}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--days", type=int, default=90, help="length of the history, in periods of 30 days")
    parser.add_argument("--models")
    parser.add_argument("--windows")
    parser.add_argument("--no-slices", action="store_true")
    parser.add_argument("--each", action="store_true", help="build the models one by one, for the CPU of each")
    parser.add_argument("--memory", default="4GiB")
    parser.add_argument("--work")
    asked = parser.parse_args()
    print(json.dumps(STEPS[asked.step](asked), default=str))


if __name__ == "__main__":
    main()
