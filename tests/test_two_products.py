"""Two products in one project: each is trained when it is due, and archives do not share a clock with the living."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ml.home import PROJECT_ROOT, Home
from orchestration import jobs
from orchestration.dbt.manifest import ensure_manifest
from orchestration.definitions import build
from orchestration.graph import Graph, MixedClocks

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
    models = [{"name": f"upsell_{name}", "description": "As churn's. One row per account and day."} for name in SETS]
    exposures = yaml.safe_load((project / "models" / "exposures.yml").read_text())["exposures"]
    exposure = next(each for each in exposures if each["name"] == "churn")
    exposure |= {"name": "upsell", "depends_on": ["ref('churn_events')", *(f"ref('upsell_{name}')" for name in SETS)]}
    exposure["config"]["meta"]["product"]["clock"] = clock
    exposure["config"]["meta"]["product"].pop("metrics")  # they read churn's sets
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
