"""The code location loads from a clean clone, quickly, and shows in Dagster what people need to see."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import small_project
from company import NOW, Small, live_graph

from ml.home import PROJECT_ROOT, Home
from orchestration import launch
from orchestration.dbt import manifest
from orchestration.dbt.manifest import ensure_manifest
from orchestration.definitions import build, load_graph
from orchestration.instance import get_instance
from orchestration.jobs import job_keys, schedules

GRAPH = live_graph()

_LOAD = """
import json, sys, time
import dagster, dagster_dbt
alone = time.process_time()
import orchestration.definitions
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.repository_definition.repository_definition import RepositoryDefinition
definitions = orchestration.definitions.defs()
definitions.get_repository_def()
heavy = [name for name in ("mlflow", "sklearn", "dbt.cli", "dbt.cli.main") if name in sys.modules]
print(json.dumps({"ratio": time.process_time() / alone, "heavy": heavy}))
"""


def python(*arguments: str, cwd: Path = PROJECT_ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_loading_with_a_warm_manifest_costs_little_and_imports_nothing_heavy() -> None:
    home = str(GRAPH.file.home.root)
    found = [json.loads(python("-c", _LOAD, BATON_HOME=home).stdout.splitlines()[-1]) for _ in range(2)]
    assert found[-1]["heavy"] == []
    assert min(each["ratio"] for each in found) < 2, found


def test_a_clean_clone_loads_without_a_manifest(tmp_path: Path) -> None:
    clone = tmp_path / "a clone with spaces"
    subprocess.run(["git", "clone", "-q", str(PROJECT_ROOT), str(clone)], check=True)
    environment = {"PYTHONPATH": str(clone), "DAGSTER_HOME": "", "VIRTUAL_ENV": str(Path(sys.executable).parent.parent)}
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "DAGSTER_HOME"))}
    dg_command = Path(sys.executable).parent / "dg"
    checked = subprocess.run(
        [dg_command, "check", "defs"],
        cwd=clone,
        env={**bare, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (clone / ".baton" / "dbt" / "target" / "manifest.json").is_file(), "it was this clone that loaded"
    validated = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=clone, env={**bare, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert validated.returncode == 0, validated.stdout + validated.stderr


def test_daily_is_scheduled_at_six_and_running() -> None:
    built = {job.name: job for job in build(GRAPH).get_repository_def().get_all_jobs()}
    assert {"load", "daily", "retrain", "backfill", "monitor", "rehearse"} <= set(built)
    found = {schedule.name: schedule for schedule in build(GRAPH).get_repository_def().schedule_defs}
    daily = next(schedule for name, schedule in found.items() if name.startswith("daily"))
    assert daily.cron_schedule == "0 6 * * *"
    assert daily.execution_timezone == "UTC"
    assert {schedule.default_status for schedule in found.values()} == {dg.DefaultScheduleStatus.RUNNING}
    assert schedules is not None


@pytest.mark.filterwarnings("ignore:Function `JobDefinition.run_request_for_partition`")  # Dagster's own builder
def test_the_tick_of_a_morning_asks_for_the_day_before(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    repository = build(GRAPH).get_repository_def()
    schedule = next(each for each in repository.schedule_defs if each.name.startswith("daily"))
    with (
        get_instance(Home(tmp_path)) as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 21, 6, tzinfo=UTC),
            repository_def=repository,
        ) as context,
    ):
        requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    assert [request.partition_key for request in requests] == ["2026-11-20"]


def test_retrain_waits_until_something_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime

    monkeypatch.setenv("BATON_HOME", str(tmp_path))
    repository = build(GRAPH).get_repository_def()
    with (
        get_instance(Home(tmp_path)) as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 21, 5, 30, tzinfo=UTC),
            repository_def=repository,
        ) as context,
    ):
        tick = repository.get_schedule_def("retrain_when_due").evaluate_tick(context)
    assert not tick.run_requests
    assert "make run" in (tick.skip_message or "")


def test_the_predictions_stand_between_two_halves_of_dbt() -> None:
    steps = build(GRAPH).resolve_job_def("daily").graph.node_dict
    assert set(steps) == {*("landing_raw", "raw", "source_freshness", "dbt", "dbt_2", "churn_predictions", "published")}
    backfill = build(GRAPH).resolve_job_def("backfill")
    assert set(backfill.graph.node_dict) == {"churn_predictions"}
    assert backfill.partitions_def is not None


def test_what_is_prepared_for_a_backfill_is_what_scoring_reads() -> None:
    keys = job_keys(GRAPH)["prepare"]
    assert dg.AssetKey(["churn", "scoring_set"]) in keys
    assert dg.AssetKey(["raw", "usage_events"]) in keys
    assert not {dg.AssetKey(["churn", table]) for table in ("training_set", "model", "predictions", "decisions")} & keys


def test_backfill_is_one_run_for_a_range() -> None:
    scored = next(
        asset for asset in GRAPH.assets if dg.AssetKey(["churn", "predictions"]) in getattr(asset, "keys", ())
    )
    assert isinstance(scored, dg.AssetsDefinition)
    assert scored.backfill_policy == dg.BackfillPolicy.single_run()


def test_every_step_that_opens_the_warehouse_is_in_the_pool() -> None:
    outside = [
        asset.node_def.name
        for asset in GRAPH.assets
        if isinstance(asset, dg.AssetsDefinition) and asset.computation and asset.op.pool != "warehouse"
    ]
    assert outside == ["landing_raw"]


def test_a_materialization_shows_rows_columns_lineage(small: Small) -> None:
    outcome = launch.run_job(small.home, "daily", now=NOW)
    with get_instance(small.home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["shop", "daily"]))
        assert event is not None
        assert event.run_id == outcome.run_id
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 1
    schema, lineage = metadata["dagster/column_schema"].value, metadata["dagster/column_lineage"].value
    assert [(column.name, column.type) for column in schema.columns] == [("day", "DATE"), ("takings", "DOUBLE")]
    wanted = {dg.TableColumnDep(dg.AssetKey(["staging", "orders"]), "amount")}
    assert set(lineage.deps_by_column["takings"]) == wanted


def test_remembered_lineage_is_the_derived_one(small: Small) -> None:
    def lineage() -> dict[str, set[object]]:
        launch.run_job(small.home, "daily", now=NOW)
        with get_instance(small.home) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey(["shop", "daily"]))
            assert event is not None
            assert event.asset_materialization is not None
            found = event.asset_materialization.metadata["dagster/column_lineage"].value.deps_by_column
        return {column: set(deps) for column, deps in found.items()}

    memory = small.home.root / "dbt" / "column_lineage.json"
    memory.unlink(missing_ok=True)
    derived = lineage()
    assert memory.is_file()
    assert lineage() == derived


def test_a_changed_product_changes_the_code_version_of_its_models() -> None:
    from orchestration.dbt.translator import Translator

    changed = json.loads(json.dumps(dict(GRAPH.manifest)))
    exposure = next(each for each in changed["exposures"].values() if each["name"] == "churn")
    exposure["config"]["meta"]["product"]["holdout"] = 0.4
    uid = next(uid for uid in changed["nodes"] if uid.endswith(".churn_scoring_set"))
    before, after = (Translator(m).get_code_version(m["nodes"][uid]) for m in (GRAPH.manifest, changed))
    assert before != after
    other = next(uid for uid in changed["nodes"] if uid.endswith(".staging_accounts"))
    before, after = (Translator(m).get_code_version(m["nodes"][other]) for m in (GRAPH.manifest, changed))
    assert before == after


def with_package(small: Small) -> None:
    (small.project / "pack").mkdir(exist_ok=True)
    (small.project / "pack" / "dbt_project.yml").write_text('name: pack\nversion: "1.0"\nconfig-version: 2\n')
    (small.project / "packages.yml").write_text("packages:\n  - local: pack\n")


def test_a_project_that_has_moved_gets_its_packages_again(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = small_project.write(tmp_path / "first")
    there = Small(first, Home(tmp_path / "home"))
    with_package(there)
    monkeypatch.setenv("BATON_DBT_PROJECT", str(first))
    ensure_manifest(there.home)
    assert (first / "dbt_packages" / "pack").resolve() == first / "pack"
    moved = first.rename(tmp_path / "moved")
    monkeypatch.setenv("BATON_DBT_PROJECT", str(moved))
    found = ensure_manifest(there.home)
    assert not found.fresh
    assert (moved / "dbt_packages" / "pack").resolve() == moved / "pack"


def test_a_read_only_checkout_is_run_through_links(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_package(small)
    before = {path: path.stat().st_mtime_ns for path in small.project.rglob("*")}
    home = Small.create(small.project, tmp_path / "home").home
    writable = os.access
    monkeypatch.setenv("BATON_HOME", str(home.root))
    monkeypatch.setattr(manifest.os, "access", lambda path, mode: Path(path) != small.project and writable(path, mode))
    assert launch.run_job(home, "daily", now=NOW).success
    assert {path: path.stat().st_mtime_ns for path in small.project.rglob("*")} == before
    (small.project / "packages.yml").unlink()


def test_the_gate_passes_on_the_live_graph() -> None:
    assert load_graph(GRAPH.file.home).specs
