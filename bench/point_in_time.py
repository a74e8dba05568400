"""Point-in-time joins: the macros of the `baton` package beside the best hand-written DuckDB SQL.

    .venv/bin/python bench/point_in_time.py [--rows 1000000] [--spine 1000000] [--runs 5] [--case latest] [--json FILE]

One process makes its own data (hash-based, no files): five logs of `rows` rows over 100,000 entities in 90 days, 3 % of
them known up to five days late, and `spine` (entity, as_of). Then the shape of the demo: 5,000 accounts with 400 daily
usage rows, 4,000 accounts x 120 days of as_of, windows of 7, 28 and 90 days. Forms to compare run alternately; figures
are medians of CPU seconds (user + system, all threads) and wall seconds. Results of equal semantics are checked equal.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import point_in_time_sql as sql
from macro_harness import MacroHarness

BAR = 1.3  # CPU of the macros over the best hand-written form of the same semantics
Times = dict[str, tuple[float, float]]  # form: (CPU seconds, wall seconds)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def alternate(con: duckdb.DuckDBPyConnection, forms: dict[str, list[str]], runs: int) -> Times:
    """Median (CPU, wall) seconds of each form, a list of statements, run in turns; one more run first to warm up."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
    for turn in range(runs + 1):
        for name, statements in forms.items():
            cpu, wall = cpu_seconds(), time.perf_counter()
            for statement in statements:
                con.execute(statement).fetchall()
            if turn:
                spent[name].append((cpu_seconds() - cpu, time.perf_counter() - wall))
    return {
        name: (statistics.median(c for c, _ in pairs), statistics.median(w for _, w in pairs))
        for name, pairs in spent.items()
    }


def check_equal(con: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    """Raises if two result tables differ in a row or its multiplicity (floats rounded to 6 digits)."""
    columns = con.execute(f"select column_name, column_type from (describe {one})").fetchall()
    rounded = ", ".join(f"round({name}, 6)" if kind == "DOUBLE" else name for name, kind in columns)
    differ = f"(select {rounded} from {one} except all select {rounded} from {other})"
    sizes = con.execute(f"select (select count(*) from {one}), (select count(*) from {other}), count(*) from {differ}")
    found = sizes.fetchall()[0]
    if found[0] != found[1] or found[2]:
        raise SystemExit(f"{one} and {other} differ: {found[0]} and {found[1]} rows, {found[2]} of them not equal")


def report(title: str, times: Times, base: str | None = None, bar: str | None = None) -> None:
    """Print a table; `base` is the form others are divided by, `bar` the form that must stay below BAR."""
    print(f"\n{title}\n{'form':58} {'CPU s':>8} {'wall s':>8} {'CPU ratio':>10}")
    for name, (cpu, wall) in times.items():
        ratio = f"{cpu / times[base][0]:10.2f}" if base else ""
        verdict = f"  bar {BAR}" if name == bar else ""
        print(f"{name:58} {cpu:8.3f} {wall:8.3f} {ratio}{verdict}")


def latest(con: duckdb.DuckDBPyConnection, macros: MacroHarness, runs: int) -> dict[str, Times]:
    versions = {k: macros.render("state_versions", f"log_{k}", "entity_id", [f"x{k}", f"y{k}"]) for k in range(5)}
    build = {
        "macro state_versions": [sql.table(f"versions_{k}", select) for k, select in versions.items()],
        "hand-written, two clocks": [sql.table(f"scd2_{k}", sql.two_clock_intervals(k)) for k in range(5)],
        "hand-written, one clock": [sql.table(f"one_clock_{k}", sql.one_clock_intervals(k)) for k in range(5)],
    }
    built = alternate(con, build, max(1, runs // 2))
    report("Build 5 version tables", built, "hand-written, two clocks", "macro state_versions")
    chain, spine = [], "spine"
    for k in range(5):
        columns = [f"x{k}", f"y{k}"]
        chain.append(f"s{k} as ({macros.render('latest_as_of', spine, f'versions_{k}', 'entity_id', columns)})")
        spine = f"s{k}"
    joins = {
        "macro latest_as_of x 5": [sql.table("by_macro", f"with {', '.join(chain)} select * from {spine}")],
        "hand-written SCD2, two clocks": [sql.table("by_hand", sql.interval_joins("scd2"))],
        "hand-written SCD2, one clock (ignores lateness)": [sql.table("r", sql.interval_joins("one_clock"))],
    }
    # Apart from the others: the form that ran right after them measured 0.2 s slower.
    asof = {
        "hand-written ASOF, two clocks": [sql.table("r", sql.asof_joins("scd2", "valid_from"))],
        "hand-written ASOF, one clock (ignores lateness)": [sql.table("r", sql.asof_joins("log", "event_at"))],
    }
    joined = alternate(con, joins, runs) | alternate(con, asof, runs)
    check_equal(con, "by_macro", "by_hand")
    report("Latest values from 5 tables", joined, "hand-written SCD2, two clocks", "macro latest_as_of x 5")
    names = list(zip(build, joins, strict=False))[:2]
    total = {f"{a} + join": (built[a][0] + joined[b][0], built[a][1] + joined[b][1]) for a, b in names}
    report("Build and join together", total, f"{names[1][0]} + join", f"{names[0][0]} + join")
    return {"build": built, "latest": joined, "total": total}


def trailing(con: duckdb.DuckDBPyConnection, macros: MacroHarness, runs: int) -> Times:
    con.execute(sql.table("events_0", macros.render("event_versions", "log_0", "entity_id", "row_id", ["x0", "y0"])))
    windows = {"30 days": {"x_30d": "sum(x0)", "n_30d": "count(x0)"}}
    macro = macros.render("window_as_of", "spine", "events_0", "entity_id", windows)
    portable = macros.render("window_as_of", "spine", "events_0", "entity_id", windows, portable=True)
    forms = {
        "macro window_as_of": [sql.table("by_macro", macro)],
        "macro window_as_of, portable form": [sql.table("by_default", portable)],
        "hand-written range join, two clocks": [sql.table("by_hand", sql.trailing("events_0", sql.KNOWN))],
        "hand-written range join, one clock (ignores lateness)": [sql.table("r", sql.trailing("log_0", ""))],
    }
    times = alternate(con, forms, runs)
    check_equal(con, "by_macro", "by_hand")
    check_equal(con, "by_macro", "by_default")
    report("Trailing 30 days, sum and count", times, "hand-written range join, two clocks", "macro window_as_of")
    return times


def demo_shape(con: duckdb.DuckDBPyConnection, macros: MacroHarness, runs: int) -> Times:
    con.execute("drop table if exists by_macro; drop table if exists by_hand; drop table if exists by_default")
    for statement in sql.demo_tables():
        con.execute(statement)
    log = ("usage_log", "account_id", "usage_id", ["n_actions", "active_users"])
    windows = {
        f"{days} days": {
            f"actions_{days}d": "sum(n_actions)",
            f"n_{days}d": "count(*)",
            f"last_{days}d": "max(event_at)",
        }
        for days in (7, 28, 90)
    }
    places = ("demo_spine", "usage_versions", "account_id", windows)
    forms = {
        "macro event_versions, 2 million rows": [sql.table("usage_versions", macros.render("event_versions", *log))],
        "macro event_versions, portable form": [
            sql.table("portable_versions", macros.render("event_versions", *log, portable=True))
        ],
        "macro window_as_of, 3 windows": [sql.table("by_macro", macros.render("window_as_of", *places))],
        "macro window_as_of, portable form": [
            sql.table("by_default", macros.render("window_as_of", *places, portable=True))
        ],
        "hand-written range joins, grouped by (account, as_of)": [sql.table("by_hand", sql.demo_windows())],
    }
    times = alternate(con, forms, runs)
    check_equal(con, "usage_versions", "portable_versions")
    check_equal(con, "by_macro", "by_hand")
    check_equal(con, "by_macro", "by_default")
    report("Shape of the demo: 480,000 spine rows, 7, 28 and 90 days", times)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"rows": 1_000_000, "spine": 1_000_000, "runs": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--case", choices=["latest", "trailing", "demo"], nargs="*", help="default: all of them")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    cases = options.case or ["latest", "trailing", "demo"]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, MacroHarness(Path(folder)) as macros, duckdb.connect() as con:
        con.execute("set threads = 2; set memory_limit = '4GiB'; set preserve_insertion_order = false")
        for statement in sql.feature_tables(options.rows, options.spine):
            con.execute(statement)
        if "latest" in cases:
            results |= latest(con, macros, options.runs)
        if "trailing" in cases:
            results["trailing"] = trailing(con, macros, options.runs)
        if "demo" in cases:
            results["demo"] = demo_shape(con, macros, max(1, options.runs // 2))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of the process {peak:,.0f} MiB, DuckDB {duckdb.__version__}, 2 threads, limit 4 GiB")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
