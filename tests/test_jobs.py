"""What starting a job does, on the small project."""

import contextlib
import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import small_project
from company import NOW, Small, live_graph
from sqlalchemy import NullPool, create_engine

from ml import clock
from ml.home import Home
from orchestration import jobs, launch
from orchestration.definitions import build, load_graph
from orchestration.graph import Graph
from orchestration.instance import SETTINGS, get_instance, lacking, prepare
from orchestration.outcome import Progress
from orchestration.run_info import AS_OF, MissingPartition, read
from orchestration.run_info import NOW as NOW_TAG
from orchestration.storage import relax_commits

WRITTEN_BEFORE = """# Written by Baton at every start; change orchestration/instance.py instead.
telemetry:
  enabled: false
nux:
  enabled: false         # no sign-up dialog in front of the page
concurrency:
  pools:
    default_limit: 1     # DuckDB has one writer: every step that opens the warehouse is in the pool `warehouse`
    granularity: op
  runs:
    max_concurrent_runs: 4
freshness:
  enabled: true
"""

_HOLD = """
import duckdb, sys, time
con = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def test_an_unknown_job_says_what_there_is(small: Small) -> None:
    with pytest.raises(launch.UnknownJob, match="daily"):
        launch.run_job(small.home, "weekly", now=NOW)


def test_progress_is_told_in_the_order_things_happen(small: Small) -> None:
    heard: list[Progress] = []
    outcome = launch.run_due(small.home, NOW, heard.append)
    assert outcome.success
    kinds = [(event.kind, event.name) for event in heard]
    assert kinds[0] == ("phase", "starting Dagster")
    assert kinds.index(("job", "daily")) < kinds.index(("step", "dbt")) < kinds.index(("asset", "staging/orders"))
    assert kinds.index(("asset", "shop/best")) < kinds.index(("step", "published"))
    assert kinds[-1] == ("job_done", "daily")
    assert outcome.seconds_to_first_sql is not None
    assert set(outcome.jobs[0].step_seconds) == {"dbt", "published"}


def test_the_run_stores_its_now(small: Small) -> None:
    outcome = launch.run_job(small.home, "daily", now=NOW)
    with get_instance(small.home) as instance:
        run = instance.get_run_by_id(outcome.run_id)
        assert run is not None
        assert run.tags[NOW_TAG] == "2026-11-21 06:00:00"
        assert run.tags[AS_OF] == "2026-11-21 00:00:00"


def test_a_run_started_without_a_now_takes_batons_and_stores_it(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_NOW", "2026-11-21T05:00:00")
    job = build(load_graph(small.home)).resolve_job_def("daily")
    with get_instance(small.home) as instance:
        result = job.execute_in_process(instance=instance)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags[NOW_TAG] == "2026-11-21 05:00:00"


def test_a_step_waits_for_another_writer(small: Small) -> None:
    launch.run_job(small.home, "daily", now=NOW)  # loads and parses everything once
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(small.home.warehouse), "4"], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        holder.stdout.readline()
        began = time.monotonic()
        outcome = launch.run_job(small.home, "daily", now=NOW)
    assert outcome.success
    assert time.monotonic() - began > 2


def checks_of(graph: Graph) -> tuple[set[dg.AssetCheckKey], dict[str, set[dg.AssetCheckKey]]]:
    """Every check of the graph, and the checks that each job evaluates."""
    assets = [asset for asset in graph.assets if isinstance(asset, dg.AssetsDefinition)]
    defined = {key for each in [*assets, *graph.checks] for key in each.check_keys}
    definitions = build(graph)
    names = jobs.selections(graph)
    evaluated = {name: definitions.resolve_job_def(name).asset_layer.asset_graph.asset_check_keys for name in names}
    return defined, {name: set(keys) for name, keys in evaluated.items()}


def test_every_check_of_the_demo_is_in_a_job() -> None:
    defined, evaluated = checks_of(live_graph())
    assert defined == set().union(*evaluated.values())
    assert {key.asset_key.path[-1] for key in defined - evaluated["daily"]} <= {"model"}


SOURCE_TEST = """
        data_tests:
          - unique: {name: one_row_per_order, arguments: {column_name: order_id}}
"""


def test_a_dbt_test_on_a_table_that_others_load_is_run_and_stops_the_run(small: Small) -> None:
    described = '        description: "Orders as the shop wrote them. One row per order."\n'
    small_project.edit(small.project, "models/sources.yml", described, described + SOURCE_TEST.lstrip("\n"))
    wanted = dg.AssetCheckKey(dg.AssetKey(["raw", "orders"]), "one_row_per_order")
    defined, evaluated = checks_of(load_graph(small.home))
    assert wanted in defined
    assert defined == evaluated["daily"]
    outcome = launch.run_job(small.home, "daily", now=NOW)
    assert outcome.success
    assert [check.passed for check in outcome.checks if check.check == "one_row_per_order"] == [True]
    small.orders((1, 2.5, "2026-11-20 10:00"), (1, 2.5, "2026-11-20 11:00"))
    outcome = launch.run_job(small.home, "daily", now=NOW)
    assert not outcome.success
    assert "one_row_per_order" in outcome.failed_steps[0].message


def run_with(**tags: str) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="daily", tags=tags)


def test_partition_d_is_about_the_end_of_day_d(small: Small) -> None:
    info = read(run_with(**{"dagster/partition": "2026-11-20"}), NOW, small.home)
    assert info.as_of_days == [datetime(2026, 11, 21)]
    assert info.dbt_vars == {
        "now": "2026-11-21 06:00:00",
        "as_of_from": "2026-11-21 00:00:00",
        "as_of_to": "2026-11-21 00:00:00",
    }
    assert clock.partition_of(NOW) == "2026-11-20"


def test_a_range_is_inclusive(small: Small) -> None:
    tags = {"dagster/asset_partition_range_start": "2026-11-18", "dagster/asset_partition_range_end": "2026-11-20"}
    assert read(run_with(**tags), NOW, small.home).as_of_days == [
        datetime(2026, 11, 19),
        datetime(2026, 11, 20),
        datetime(2026, 11, 21),
    ]


def test_without_a_partition_there_is_no_day_to_score(small: Small) -> None:
    with pytest.raises(MissingPartition, match="--partition"):
        _ = read(run_with(), NOW, small.home).as_of_days


def test_a_rehearsal_cuts_only_the_products_it_names(small: Small) -> None:
    info = read(
        run_with(**{"baton/cuts": "2026-07-24 00:00:00,2026-09-22 00:00:00", "baton/product": "a,b"}), NOW, small.home
    )
    assert info.cuts_for("a") == [datetime(2026, 7, 24), datetime(2026, 9, 22)]
    assert info.cuts_for("c") == [datetime(2026, 11, 21)]


def test_only_a_rehearsal_of_a_product_plays_its_past(small: Small) -> None:
    rehearsal = read(run_with(**{"baton/reason": "rehearsal", "baton/product": "a,b"}), NOW, small.home)
    assert [rehearsal.rehearses(name) for name in ("a", "b", "c")] == [True, True, False]
    for tags in ({"baton/reason": "cadence", "baton/product": "a"}, {"baton/product": "a"}, {}):
        assert not read(run_with(**tags), NOW, small.home).rehearses("a")


def test_a_dagster_yaml_of_the_team_stays_and_one_of_ours_is_renewed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    settings = home.dagster / "dagster.yaml"
    prepare(home)
    assert settings.read_text() == SETTINGS
    theirs = SETTINGS.replace("max_concurrent_runs: 4", "max_concurrent_runs: 1")
    settings.write_text(theirs)
    with get_instance(home):
        assert settings.read_text() == theirs
    assert list(lacking(home)) == []
    settings.write_text("telemetry: {enabled: false}\n")
    assert [text.split(" ")[0] for text in lacking(home)] == ["concurrency.pools.default_limit"]
    settings.write_text(WRITTEN_BEFORE)
    prepare(home)
    assert settings.read_text() == SETTINGS


def test_where_the_team_chose_a_storage_the_command_line_uses_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    settings = SETTINGS + f"storage:\n  sqlite:\n    base_dir: {tmp_path / 'elsewhere'}\n"
    (home.dagster / "dagster.yaml").write_text(settings)
    with get_instance(home) as instance, dg.DagsterInstance.from_config(str(home.dagster)) as plain:
        assert type(instance.event_log_storage) is type(plain.event_log_storage)
    assert (tmp_path / "elsewhere").is_dir()


@pytest.mark.parametrize(("journal", "waits"), [("wal", 1), ("delete", 2)])
def test_storage_waits_for_the_disk_at_every_commit_only_without_a_write_ahead_log(
    tmp_path: Path, journal: str, waits: int
) -> None:
    file = tmp_path / "storage.db"
    with contextlib.closing(sqlite3.connect(file)) as con:
        con.execute(f"pragma journal_mode = {journal}")
        con.execute("create table t (x)")
    relax_commits()
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar() == waits


def test_other_processes_of_dagster_read_what_the_command_line_wrote(small: Small) -> None:
    outcome = launch.run_job(small.home, "daily", now=NOW)
    with dg.DagsterInstance.from_config(str(small.home.dagster)) as plain, get_instance(small.home) as kept:
        assert type(plain.event_log_storage) is not type(kept.event_log_storage)
        logs = [[entry.to_json() for entry in each.all_logs(outcome.run_id)] for each in (plain, kept)]
        assert logs[0] == logs[1]
        assert len(logs[0]) > 20
        check = dg.AssetCheckKey(dg.AssetKey(["staging", "orders"]), "data_is_fresh")
        found = plain.event_log_storage.get_latest_asset_check_execution_by_key([check])
        assert found[check].run_id == outcome.run_id


def test_a_failed_run_marks_what_is_published_as_stale_until_a_good_one(small: Small) -> None:
    assert launch.run_job(small.home, "daily", now=NOW).success
    note = small.home.published / "STALE.txt"
    assert not note.exists()
    before = small.home.published_warehouse.read_bytes()
    small.orders((1, -2.5, "2026-11-20 10:00"))
    assert not launch.run_job(small.home, "daily", now=NOW).success
    assert "daily failed" in note.read_text()
    assert "amount_is_not_negative" in note.read_text()
    assert small.home.published_warehouse.read_bytes() == before
    small.orders((1, 2.5, "2026-11-20 10:00"))
    assert launch.run_job(small.home, "daily", now=NOW).success
    assert not note.exists()


NAMES = (
    b"ann@exam",
    b"bob-",
    b"zoe-",
    b"kim-0170",
)  # the least and the greatest value of a column also stand alone, cut to 8 bytes


def test_personal_columns_are_null_in_the_copy_that_everybody_reads(small: Small) -> None:
    """The flag stands on the source; the live warehouse keeps the values."""
    columns = "    columns: [{name: email, config: {meta: {pii: true}}}]\n"
    described = 'description: "Orders as the shop wrote them. One row per order."\n'
    small_project.edit(small.project, "models/sources.yml", described, f"{described}    {columns}")
    with duckdb.connect(str(small.home.warehouse)) as con:
        con.execute("alter table raw.orders add column email varchar")
        con.execute("update raw.orders set email = 'ann@example.com'")
        con.execute("create table raw.rejects as select 'ann@example.com' as content, 'no key' as reason")
        con.execute("alter table raw.orders add column extra varchar")  # what no contract declares
        con.execute('update raw.orders set extra = \'{"phone": "kim-0170"}\'')
        # Names that were there before, in a table that has grown and shrunk: free blocks of the live file.
        for old in ("bob", "eve"):
            con.execute(
                f"create or replace table raw.gone as select '{old}-' || range || '@example.com' from range(50000)"
            )
            con.execute("checkpoint")
        con.execute("drop table raw.gone")
        con.execute("create table raw.people as select 'zoe-' || range || '@example.com' as email from range(50000)")
        con.execute("checkpoint")
    assert launch.run_job(small.home, "daily", now=NOW).success
    assert {name for name in NAMES if name in small.home.warehouse.read_bytes()} == set(NAMES)
    assert {name for name in NAMES if name in small.home.published_warehouse.read_bytes()} == set()
    asked = "select email, extra is null, amount, content, reason from raw.orders, raw.rejects"
    with duckdb.connect(str(small.home.published_warehouse), read_only=True) as con:
        assert con.execute(asked).fetchall() == [(None, True, 2.5, None, "no key")]
    assert small.query(asked) == [("ann@example.com", False, 2.5, "ann@example.com", "no key")]
