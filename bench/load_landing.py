"""Loading landing files: seconds, rows per second and peak memory of the loader, with DuckDB's memory limit at 1 GiB.

    .venv/bin/python bench/load_landing.py [--lines 10000000] [--files 1] [--gzip] [--json FILE]

Makes `lines` JSON lines of six columns (about 147 bytes each) in `files` files in a temporary folder, loads them into a
fresh warehouse file, and prints beside it what DuckDB's own `read_json` needs for the same files into a table, with
neither line numbers nor checks, nor anything kept of what it cannot read.
"""

import argparse
import gzip
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

sys.path.insert(0, str(Path(__file__).parents[1]))
from orchestration.sources import Column, LoadReport, SourceTable, load_table

NOW = datetime(2026, 11, 21, 6)
TYPES = {"usage_id": "VARCHAR", "account_id": "VARCHAR", "n_actions": "BIGINT", "minutes": "DOUBLE"}
TABLE = SourceTable(
    schema="raw",
    name="usage",
    path="usage/*",
    format="jsonl",
    key=("usage_id",),
    columns=(*(Column(*column) for column in TYPES.items()), Column("written_at", "TIMESTAMP")),
    written_at="written_at",
)


def write_files(landing: Path, n_lines: int, n_files: int, compressed: bool) -> int:
    """Landing files with `n_lines` lines in all; returns their bytes."""
    (landing / "usage").mkdir()
    opened: Callable[..., Any] = gzip.open if compressed else open
    for i in range(n_files):
        path = landing / "usage" / f"{i:05d}.jsonl{'.gz' if compressed else ''}"
        with opened(path, "wt") as stream:
            stream.writelines(map(line, range(i * n_lines // n_files, (i + 1) * n_lines // n_files)))
    return sum(path.stat().st_size for path in (landing / "usage").iterdir())


def line(i: int) -> str:
    instant = (datetime(2026, 1, 1) + timedelta(seconds=i)).isoformat()
    return (
        f'{{"usage_id":"u{i:09d}","account_id":"a{i % 5000:05d}","n_actions":{i % 97},"minutes":{i % 1000 / 7:.2f},'
        f'"event_at":"{instant}","written_at":"{instant}"}}\n'
    )


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result, wall seconds and CPU seconds of `work`."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def read_json(con: duckdb.DuckDBPyConnection, landing: Path) -> None:
    columns = {**TYPES, "event_at": "TIMESTAMP", "written_at": "TIMESTAMP"}
    con.execute(
        f"create table bare as from read_json('{landing}/usage/*', format = 'newline_delimited', columns = {columns})"
    )


def measure(n_lines: int, n_files: int, compressed: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        landing = Path(folder) / "landing"
        landing.mkdir()
        n_bytes = write_files(landing, n_lines, n_files, compressed)
        with duckdb.connect(f"{folder}/warehouse.duckdb") as con:
            con.execute("set memory_limit = '1GiB'")
            report, seconds, cpu = timed(lambda: load_table(con, TABLE, landing, NOW))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            _, again, _ = timed(lambda: load_table(con, TABLE, landing, NOW))
            _, bare, bare_cpu = timed(lambda: read_json(con, landing))
        check(report, n_lines)
    return {
        "lines": n_lines,
        "files": n_files,
        "file_mib": n_bytes / 2**20,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "rows_per_second": n_lines / seconds,
        "ms_per_file": seconds / n_files * 1000,
        "peak_rss_mib": peak,
        "seconds_nothing_new": again,
        "read_json_seconds": bare,
        "read_json_cpu_seconds": bare_cpu,
    }


def check(report: LoadReport, n_lines: int) -> None:
    if (report.rows_new, report.rows_rejected, report.files_failed) != (n_lines, 0, ()):
        raise SystemExit(f"loaded something else than {n_lines} lines: {report}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the loader on JSON lines it makes itself.")
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    figures = measure(arguments.lines, arguments.files, arguments.gzip)
    for name, value in figures.items():
        print(f"{name:>22} {value:>14,.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
