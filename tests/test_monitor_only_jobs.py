"""Products without `train` in the graph: which jobs touch them, who answers for them, what the commands say."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner
from forecasts_project import baton, overlay
from overlay_homes import at

from ml.home import PROJECT_ROOT, Home
from orchestration import jobs
from orchestration.cli.main import cli
from orchestration.dbt.translator import GROUP
from orchestration.definitions import build, load_graph
from orchestration.launch import UnknownJob, run_job

NOW = datetime(2022, 6, 6)
SOURCE = {
    "name": "vendor",
    "schema": "vendor",
    "config": {
        "group": "data_engineering",
        "meta": {"freshness": {"warn_after": "26 hours", "fail_after": "30 hours", "column": "known_at"}},
    },
    "tables": [
        {
            "name": "churn_scores",
            "description": "Scores of a vendor. One row per prediction_id.",
            "config": {"meta": {"dagster": {"asset_key": ["vendor_churn", "predictions"]}}},
        }
    ],
}


@pytest.fixture(scope="module")
def forecasts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The forecasts' project with its monitoring; nothing has run."""
    folder = tmp_path_factory.mktemp("forecasts")
    overlay(folder / "project")
    home = Home(folder / "home").ensure()
    patch = at(home, folder / "project")
    for sport in ("nba", "nfl"):
        baton("new", sport)
    try:
        yield home
    finally:
        patch.undo()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("retrain",), "no product here declares `train`: their predictions are made elsewhere"),
        (("retrain", "nba"), "no product here declares `train`"),
        (("backfill", "2022-06-01", "2022-06-02", "--now", "2022-06-06"), "Baton scores no day"),
    ],
)
def test_what_needs_a_model_says_that_there_is_none(forecasts: Home, command: tuple[str, ...], said: str) -> None:
    told = CliRunner().invoke(cli, command)
    assert told.exit_code == 2
    assert said in told.output


def test_the_jobs_are_those_of_loading_and_monitoring(forecasts: Home) -> None:
    graph = load_graph(forecasts)
    assert set(jobs.selections(graph)) == {"load", "daily", "rehearse"}
    built = build(graph)
    assert [(each.name, each.default_status.value) for each in built.schedules or ()] == [("daily_schedule", "STOPPED")]
    assert {node.name for node in built.resolve_job_def("daily").graph.nodes} == {"raw", "dbt", "published"}
    with pytest.raises(UnknownJob, match="job is 'retrain'; this project has load, daily, rehearse"):
        run_job(forecasts, "retrain", now=NOW)


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_beside_a_trained_product_only_the_daily_job_touches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    shutil.copytree(
        PROJECT_ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages")
    )
    with_vendor(project)
    home = Home(tmp_path / "home").ensure()
    monkeypatch.setenv("BATON_DBT_PROJECT", str(project))
    monkeypatch.setenv("BATON_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    said = baton("new", "vendor_churn")
    assert (
        "source('vendor', 'churn_scores')" in (project / "models/vendor_churn/vendor_churn_decisions.sql").read_text()
    )
    assert "no vendor_churn_parity: it needs prediction_features, scoring_rows" in said
    graph = load_graph(home)
    assert [product.name for product in graph.trained] == ["churn"]
    own = {key for key in graph.specs if key.path[0] == "vendor_churn"}
    log = dg.AssetKey(["vendor_churn", "predictions"])
    assert {log, dg.AssetKey(["vendor_churn", "performance"])} <= own
    touched = {name: keys & own for name, keys in jobs.job_keys(graph).items()}
    assert {name for name, keys in touched.items() if keys} == {"daily", "rehearse"}
    assert touched["daily"] == own - {log}
    assert graph.specs[log].metadata[GROUP] == "data_engineering"
    built = build(graph)
    names = {node.name for node in built.resolve_job_def("daily").graph.nodes}
    assert "source_freshness" in names
    assert not {name for name in names if name.startswith("vendor_churn")}


def with_vendor(project: Path) -> None:
    """The demo's project, in which a vendor scores churn as well: an exposure without `train`, and its source."""
    exposures = yaml.safe_load((project / "models" / "exposures.yml").read_text())["exposures"]
    churn = next(each for each in exposures if each["name"] == "churn")
    exposure = churn | {
        "name": "vendor_churn",
        "depends_on": ["ref('churn_events')", "source('vendor', 'churn_scores')"],
    }
    product = exposure["config"]["meta"]["product"]
    for trained_only in ("train", "value", "holdout", "metrics"):
        product.pop(trained_only)
    product["slices"] = []
    (project / "models" / "vendor.yml").write_text(yaml.safe_dump({"sources": [SOURCE], "exposures": [exposure]}))


@pytest.mark.long
def test_a_log_that_is_a_seed_needs_no_source_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded from anywhere: somebody still answers for the published copy."""
    project = tmp_path / "project"
    overlay(project)
    shutil.rmtree(project / "models" / "sources")
    for sport in ("nba", "nfl"):
        (project / f"models/staging/staging_{sport}_games.sql").write_text("{{ games(ref('games')) }}")
    (project / "seeds").mkdir()
    (project / "seeds" / "games.csv").write_text(
        "event_at,season,team1,team2,prob1,prob1_outcome,known_at,row_id,is_deleted\n"
        "2022-06-01,2022,H,G,0.7,1,2022-06-03,1,false\n"
    )
    config = {"group": "data_engineering", "meta": {"freshness": {"fail_after": "300 days"}}}
    seed = {"name": "games", "description": "Games. One row per game.", "config": config}
    (project / "seeds" / "games.yml").write_text(yaml.safe_dump({"seeds": [seed]}))
    home = Home(tmp_path / "home").ensure()
    monkeypatch.setenv("BATON_DBT_PROJECT", str(project))
    monkeypatch.setenv("BATON_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    baton("new", "nba")
    graph = load_graph(home)
    assert graph.specs[dg.AssetKey(["published", "warehouse"])].metadata[GROUP] == "ml_engineering"
    assert set(jobs.selections(graph)) == {"daily", "rehearse"}
    said = CliRunner().invoke(cli, ["run", "--quiet"])
    assert said.exit_code == 3
    assert "no source declares meta.freshness.column" in said.output
    told = CliRunner().invoke(cli, ["run", "--quiet", "--now", "2022-06-10T06:00"])
    assert told.exit_code == 0, told.output
    assert "1 matured, 0 pending" in told.output
