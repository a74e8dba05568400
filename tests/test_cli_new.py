"""`baton new`: the monitoring of one more product is one line per table, and the graph loads with it."""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from forecasts_project import baton, overlay
from test_two_products import with_upsell

from ml.home import PROJECT_ROOT, Home
from orchestration.cli.main import cli
from orchestration.dbt.translator import GROUP
from orchestration.definitions import load_graph
from orchestration.monitoring_tables import TABLES, MonitoringTable

MACROS = PROJECT_ROOT / "dbt_project" / "baton" / "macros" / "monitoring"
DECISION = PROJECT_ROOT / "docs" / "decisions" / "0009-monitoring-as-sql.md"


@pytest.fixture
def forecasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Home, Path]:
    """An empty home and the forecasts' project without monitoring."""
    overlay(tmp_path / "project")
    return entered(tmp_path, monkeypatch)


def entered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Home, Path]:
    home = Home(folder / "home").ensure()
    monkeypatch.setenv("BATON_DBT_PROJECT", str(folder / "project"))
    monkeypatch.setenv("BATON_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    return home, folder / "project"


def written(project: Path, product: str) -> dict[str, str]:
    """The one-line models of a product by table."""
    folder = project / "models" / product
    found = {path.stem.removeprefix(f"{product}_"): path.read_text() for path in folder.glob(f"{product}_*.sql")}
    return {table: text for table, text in found.items() if table in {each.name for each in TABLES}}


@pytest.mark.parametrize("table", [each for each in TABLES if each.name != "decisions"], ids=lambda table: table.name)
def test_the_grain_that_is_written_is_the_one_that_the_demo_holds(table: MonitoringTable) -> None:
    """Of decisions the demo's own is per entity and period, the columns of which `baton new` cannot know."""
    name = f"churn_{table.name}"
    declared = yaml.safe_load((PROJECT_ROOT / "dbt_project" / "models" / "churn" / f"{name}.yml").read_text())
    (model,) = (each for each in declared["models"] if each["name"] == name)
    (grain,) = (test["baton.one_row_per"] for test in model["data_tests"] if "baton.one_row_per" in test)
    assert list(table.key) == grain["arguments"]["columns"]


def test_every_table_of_a_monitored_product_is_one_line_and_one_yml(forecasts: tuple[Home, Path]) -> None:
    home, project = forecasts
    said = baton("new", "nba")
    models = written(project, "nba")
    assert "no nba_worst_slices: it needs a window of days" in said
    assert "no nba_holdout: it needs holdout in the exposure" in said
    assert models["drift"] == "{{ baton.drift('nba', predictions=ref('nba_predictions')) }}\n"
    assert {"decisions", "outcomes", "performance"} <= set(models)
    assert models["decisions"] == "{{ baton.decisions('nba', predictions=ref('nba_predictions')) }}\n"
    for table, text in models.items():
        assert text.startswith(f"{{{{ baton.{table}('nba', ")
        assert text.endswith(") }}\n")
        assert text.count("\n") == 1
        assert f"models/nba/nba_{table}.sql" in said
        assert (project / f"models/nba/nba_{table}.yml").is_file()
    assert said.endswith("Next: baton run && baton status\n")
    specs = {key.to_user_string(): spec for key, spec in load_graph(home).specs.items()}
    assert {f"nba/{table}" for table in models} <= set(specs)
    assert (specs["nba/decisions"].metadata[GROUP], specs["nba/performance"].metadata[GROUP]) == (
        "analytics_engineering",
        "ml_engineering",
    )
    for table in models:
        promise = specs[f"nba/{table}"].freshness_policy
        assert promise is not None
        assert promise.fail_window.to_timedelta().days == 300  # as the outcome model's


def test_a_trained_product_gets_its_log_its_sets_and_what_only_training_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_upsell(tmp_path / "project", clock="wall")
    home, project = entered(tmp_path, monkeypatch)
    facts = json.loads(baton("new", "upsell", "--json"))
    assert facts["written"][0] == "models/upsell/upsell_log.yml"
    assert facts["kept"] == []
    models = written(project, "upsell")
    log, sets = "source('upsell', 'predictions')", "ref('upsell_scoring_set')"
    assert models["decisions"] == f"{{{{ baton.decisions('upsell', predictions={log}, scoring_set={sets}) }}}}\n"
    assert f"population={sets}" in models["performance"] + models.get("performance_hourly", "")
    specs = {key.to_user_string(): spec for key, spec in load_graph(home).specs.items()}
    assert {"upsell/predictions", "upsell/model", *(f"upsell/{table}" for table in models)} <= set(specs)
    deps = {dep.asset_key.to_user_string() for dep in specs["upsell/decisions"].deps}
    assert deps == {"upsell/predictions", "upsell/scoring_set"}


def test_what_exists_is_never_overwritten(forecasts: tuple[Home, Path]) -> None:
    _, project = forecasts
    baton("new", "nba")
    own = project / "models/nba/nba_outcomes.sql"
    own.write_text("-- ours\n" + own.read_text())
    (project / "models/nba/nba_performance.yml").unlink()
    facts = json.loads(baton("new", "nba", "--json"))
    assert facts["written"] == ["models/nba/nba_performance.yml"]
    assert "models/nba/nba_outcomes.sql" in facts["kept"]
    assert own.read_text().startswith("-- ours\n")
    assert "were there and stay as they are" in baton("new", "nba")


def test_a_product_nobody_declared_is_refused_with_those_there_are(forecasts: tuple[Home, Path]) -> None:
    said = CliRunner().invoke(cli, ["new", "nhl"])
    assert said.exit_code == 2
    assert "product is 'nhl'; declared are nba, nfl" in said.output


def test_without_a_log_there_is_nothing_to_monitor_and_nothing_is_written(forecasts: tuple[Home, Path]) -> None:
    _, project = forecasts
    (project / "models/nba/nba_predictions.sql").unlink()
    text = (project / "models/nba/nba.yml").read_text()
    (project / "models/nba/nba.yml").write_text("models:\n" + text[text.index("  - name: nba_results") :])
    exposures = project / "models/exposures.yml"
    exposures.write_text(exposures.read_text().replace("ref('nba_predictions'), ", ""))
    said = CliRunner().invoke(cli, ["new", "nba"])
    assert said.exit_code == 5
    assert "neither a model nba_predictions nor a source nba.predictions" in said.output
    assert "baton.external_predictions" in said.output
    assert written(project, "nba") == {}


def test_the_list_names_every_monitoring_table_and_calls_its_macro_rightly() -> None:
    """A macro that has landed and is not in the list would be missing from every new product."""
    documented = re.findall(r"^\| `(\w+)` \|", DECISION.read_text(), re.M)
    landed = {name for name in (*documented, "decisions", "outcomes") if (MACROS / f"{name}.sql").is_file()}
    assert landed == {table.name for table in TABLES}
    for table in TABLES:
        text = (MACROS / f"{table.name}.sql").read_text()
        declared = re.search(rf"macro {table.name}\((.*?)\)\s*-?%", text, re.S)
        assert declared is not None
        arguments = [argument.strip() for argument in declared[1].split(",")]
        required = {argument for argument in arguments[1:] if "=" not in argument}
        given = set(table.reads)
        assert required <= given - table.optional
        assert given <= {argument.split("=")[0] for argument in arguments[1:]}
        assert table.description.endswith(".")
        assert re.search(r"One row per [^.]*\.$", table.description)
