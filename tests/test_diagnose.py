"""`baton diagnose` on a real home: what the run itself kept, and faults put into the raw tables of its last day."""

import json
from pathlib import Path

import demo_runs
import duckdb
import pytest
from click.testing import CliRunner, Result
from company import NOW

from ml.home import Home
from ml.product import load_products
from orchestration.cli.main import cli
from orchestration.dbt.manifest import ensure_manifest
from orchestration.diagnosis import of_home
from orchestration.outcome import FailedStep

LAST_DAY = "known_at >= timestamp '2026-11-20'"


def diagnose(home: Home, *arguments: str) -> Result:
    with demo_runs.inside(home):
        return CliRunner().invoke(cli, ["diagnose", "churn", *arguments])


def test_the_run_keeps_the_diagnosis_that_the_command_gives(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = demo_runs.first_run(tmp_path_factory).home
    kept = demo_runs.ask(home, "select diagnosis from churn.health order by day desc limit 1")[0][0]
    shown = diagnose(home, "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.output) == json.loads(kept)
    assert json.loads(kept)["kind"] == "none"
    assert demo_runs.ask(home, "select count(*) from ops.check_results where check_name = 'no_fault_is_diagnosed'") == [
        (1,)
    ]


def test_a_fault_of_the_last_day_is_named_with_owner_and_next_command(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = demo_runs.first_run(tmp_path_factory).copy(tmp_path)
    for fault, cause in (
        (f"update raw.usage_events set n_actions = n_actions * 60 where {LAST_DAY}", "unit change"),
        (f"update raw.usage_events set n_actions = null where {LAST_DAY}", "null spike"),
        (f"delete from raw.usage_events where {LAST_DAY} and row_id % 5 > 0", "source volume"),
    ):
        with duckdb.connect(str(home.warehouse)) as con:
            con.execute(fault)
        shown = diagnose(home)
        assert shown.exit_code == 1, shown.output
        head, *rest = shown.output.splitlines()
        assert head.startswith(f"churn: {cause} in raw/usage_events, since 2026-11-20")
        assert "data_engineering" in rest[1]
        assert rest[-2].split()[:3] == ["next", "baton", "sql"]
        assert rest[-1].split()[0] == "mend"


def test_where_no_run_made_a_warehouse_asking_makes_none(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    with demo_runs.inside(home):
        manifest = ensure_manifest(home).load()
        failure = FailedStep("r", "landing", "landing/raw", "PermissionError: landing")
        found = of_home(home, manifest, [load_products(manifest)["churn"]], NOW, [failure])["churn"]
    assert (found.cause, found.asset) == ("step_failed", "landing/raw")
    assert not home.warehouse.exists()


def test_no_run_and_no_such_product_say_the_way_out(tmp_path: Path) -> None:
    shown = diagnose(Home(tmp_path / "home").ensure())
    assert shown.exit_code == 3
    assert "baton run" in shown.output
    with demo_runs.inside(Home(tmp_path / "home")):
        shown = CliRunner().invoke(cli, ["diagnose", "chum"])
    assert shown.exit_code == 2
    assert "Next: baton diagnose churn" in shown.output
