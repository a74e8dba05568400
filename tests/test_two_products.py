"""Two products in one project: each is trained when it is due, and archives do not share a clock with the living."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import demo_runs
import pytest
import yaml
from demo_runs import NOW, ask

from ml import clock
from ml.home import PROJECT_ROOT, Home
from orchestration import jobs, launch
from orchestration.dbt.manifest import ensure_manifest
from orchestration.definitions import build
from orchestration.graph import Graph, MixedClocks

DAY = timedelta(days=1)
SETS = ("training_set", "scoring_set")


def with_upsell(project: Path, clock: str) -> None:
    """The demo's project and a second product `upsell` that reads churn's sets under names of its own."""
    shutil.copytree(
        PROJECT_ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages")
    )
    folder = project / "models" / "upsell"
    folder.mkdir()
    for name in SETS:
        (folder / f"upsell_{name}.sql").write_text(f"select * from {{{{ ref('churn_{name}') }}}}")
    fresh = {"warn_after": "8 days", "fail_after": "15 days", "column": "label_known_at"}
    models: list[dict[str, object]] = [
        {"name": f"upsell_{name}", "description": "As churn's. One row per account and day."} for name in SETS
    ]
    models[0]["config"] = {"meta": {"freshness": fresh}}
    exposures = yaml.safe_load((project / "models" / "exposures.yml").read_text())["exposures"]
    exposure = next(each for each in exposures if each["name"] == "churn")
    exposure |= {"name": "upsell", "depends_on": ["ref('churn_events')", *(f"ref('upsell_{name}')" for name in SETS)]}
    exposure["config"]["meta"]["product"]["clock"] = clock
    exposure["config"]["meta"]["product"].pop("metrics")  # they read churn's sets
    exposure["config"]["meta"]["product"]["train"]["rehearse"] = "30 days"
    (folder / "upsell.yml").write_text(yaml.safe_dump({"models": models, "exposures": [exposure]}))
    settings = yaml.safe_load((project / "dbt_project.yml").read_text())
    settings["models"]["baton_demo"]["upsell"] = {**settings["models"]["baton_demo"]["churn"], "+schema": "upsell"}
    (project / "dbt_project.yml").write_text(yaml.safe_dump(settings))


def graph_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: str) -> Graph:
    with_upsell(tmp_path / "project", clock)
    monkeypatch.setenv("BATON_DBT_PROJECT", str(tmp_path / "project"))
    monkeypatch.setenv("BATON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    return Graph(ensure_manifest(Home(tmp_path / "home").ensure()))


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_a_retraining_of_one_product_leaves_the_others_model_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = graph_of(tmp_path, monkeypatch, clock="wall")
    keys = jobs.keys_for(graph, "retrain", ["churn"])
    assert keys is not None
    assert dg.AssetKey(["churn", "model"]) in keys
    assert dg.AssetKey(["upsell", "model"]) not in keys
    assert jobs.keys_for(graph, "retrain", ["churn", "upsell"]) is None
    steps = build(graph).resolve_job_def("retrain").get_subset(asset_selection=keys).graph.nodes
    assert {"churn_model"} == {step.name for step in steps if step.name.endswith("_model")}


def test_an_archive_and_a_living_product_do_not_share_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MixedClocks, match=r"churn: wall, upsell: data.*BATON_HOME"):
        graph_of(tmp_path, monkeypatch, clock="data").products  # noqa: B018  (the property raises)


def scored(home: Home, product: str) -> dict[datetime, int]:
    """Predictions by as_of."""
    return dict(ask(home, f"select as_of, count(*) from {product}.predictions where role = 'champion' group by as_of"))


@pytest.mark.long
def test_a_second_product_rehearses_while_the_first_makes_up_for_what_it_missed(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Churn ran until NOW, then nobody ran for two days; the third morning finds a new product in the project."""
    home = demo_runs.first_run(tmp_path_factory).copy(tmp_path)
    before, morning = scored(home, "churn"), NOW + 3 * DAY
    with_upsell(tmp_path / "project", "wall")
    with demo_runs.inside(home), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATON_DBT_PROJECT", str(tmp_path / "project"))
        first = launch.run_due(home, morning)
        assert first.success, first.failed_steps
        assert [job.job for job in first.jobs] == ["rehearse"]
        churn, today = scored(home, "churn"), clock.as_of(morning)
        assert sorted(set(churn) - set(before)) == [today - 2 * DAY, today - DAY, today]
        assert {day: churn[day] for day in before} == before
        upsell = scored(home, "upsell")
        assert sorted(upsell) == [today - day * DAY for day in range(30, -1, -1)]
        assert ask(home, "select count(*) from ops.model_versions where product = 'upsell'") == [(2,)]
        second = launch.run_due(home, morning + DAY)
        assert second.success, second.failed_steps
        assert [job.job for job in second.jobs] == ["daily"]
        assert set(scored(home, "churn")) - set(churn) == {today + DAY}
        assert set(scored(home, "upsell")) - set(upsell) == {today + DAY}
