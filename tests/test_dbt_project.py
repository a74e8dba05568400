"""The demo company's dbt project, built by dbt alone: contracts, owners, scored days that stay, no personal data."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from demo_project import DAY, FIRST_SCORED, NOW, TODAY, Project

from ml.manifest import group_of, meta_of
from ml.product import load_products
from orchestration.dbt.roster import freshness_of, roster

SETS = ("churn_training_set", "churn_scoring_set")
VOLATILE = "built_at"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with Project.built(tmp_path_factory.mktemp("dbt project")) as made:
        yield made


@pytest.fixture(scope="module")
def manifest(project: Project) -> dict[str, Any]:
    return project.manifest()


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def test_dbt_build_alone_is_green(project: Project) -> None:
    statuses = project.first_build
    bad = {name: status for name, status in statuses.items() if status in ("error", "fail", "skipped")}
    assert not bad
    kinds = {name.split(".")[0] for name in statuses}
    assert {"model", "test", "unit_test"} <= kinds
    n_labels = project.query("select count(*), sum(outcome_label) from churn.training_set")[0]
    assert n_labels[0] > 200
    assert 0 < n_labels[1] < n_labels[0] / 4


def test_every_model_has_owner_backup_freshness_and_grain(
    models: dict[str, dict[str, Any]], manifest: dict[str, Any]
) -> None:
    groups = roster(manifest)
    lacking = []
    for name, model in models.items():
        group = groups.get(group_of(model) or "")
        freshness = freshness_of(meta_of(model), name)
        if group is None or group.backup not in groups or group.page is None or group.escalate_after is None:
            lacking.append(f"{name}: group")
        if freshness is None or not freshness.warn_after or freshness.column not in model["columns"]:
            lacking.append(f"{name}: freshness")
        if not re.search(r"One row per [^.]+\.$", model["description"]):
            lacking.append(f"{name}: grain")
        lacking += [f"{name}.{c['name']}: description" for c in model["columns"].values() if not c["description"]]
    assert not lacking


def test_the_yml_of_a_model_names_exactly_the_columns_the_table_has(
    project: Project, models: dict[str, dict[str, Any]]
) -> None:
    for model in models.values():
        found = project.query(f"select column_name from (describe {model['schema']}.{model['alias']})")
        assert set(model["columns"]) == {name for (name,) in found}, model["name"]


@pytest.mark.parametrize("name", SETS)
def test_the_sets_a_model_reads_have_an_enforced_contract(models: dict[str, dict[str, Any]], name: str) -> None:
    assert models[name]["config"]["contract"]["enforced"] is True
    assert all(column["data_type"] for column in models[name]["columns"].values())


def test_both_sets_have_the_same_features(models: dict[str, dict[str, Any]]) -> None:
    training, scoring = (
        {column["name"]: column["data_type"] for column in models[name]["columns"].values()} for name in SETS
    )
    assert training == scoring | {"outcome_label": "integer", "label_known_at": "timestamp"}


def test_names_of_tests_are_for_people_and_stay_on_one_side_of_the_log(manifest: dict[str, Any]) -> None:
    """The log splits dbt into two runs; tests are chosen by folder and name, so no name may stand on both sides."""
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{6,60}", test["name"]) for test in tests)
    below = _descendants(manifest, "source.baton_demo.churn.predictions")
    sides: dict[tuple[str, ...], set[bool]] = {}
    for test in tests:
        sides.setdefault(tuple(test["fqn"]), set()).add(test.get("attached_node") in below)
    assert [fqn for fqn, found in sides.items() if len(found) > 1] == []


def test_no_personal_column_leaves_staging(project: Project, manifest: dict[str, Any]) -> None:
    described = [*manifest["nodes"].values(), *manifest["sources"].values()]
    personal = {
        column["name"]
        for node in described
        for column in node.get("columns", {}).values()
        if column["meta"].get("pii") or column["config"].get("meta", {}).get("pii")
    }
    assert personal == {"company_name", "contact_name", "email"}
    found = project.query(
        "select schema_name, column_name from duckdb_columns() where schema_name in ('features', 'churn')"
    )
    assert personal.isdisjoint({column for _, column in found})
    assert len(found) > 100


def test_docs_show_exposures_groups_and_the_edge_from_scoring_set_to_predictions(project: Project) -> None:
    project.dbt("docs", "generate")
    manifest = project.manifest()
    assert (project.folder / "target" / "catalog.json").is_file()
    assert {e["name"]: e["owner"]["name"] for e in manifest["exposures"].values()} == {
        "churn": "ml_engineering",
        "customer_success_calls": "customer_success",
    }
    assert set(roster(manifest)) >= {"data_engineering", "analytics_engineering", "ml_engineering", "customer_success"}
    parents = manifest["parent_map"]["model.baton_demo.churn_decisions"]
    assert set(parents) == {"model.baton_demo.churn_scoring_set", "source.baton_demo.churn.predictions"}


def test_the_price_of_a_call_is_the_same_in_sql_and_in_the_exposure(project: Project, manifest: dict[str, Any]) -> None:
    value = load_products(manifest)["churn"].value
    wrong = project.query(
        f"select count(*) from churn.scoring_set where abs(saved_usd - (0.3 * 6 * mrr_usd + ({value.fp}))) > 0.011"
    )
    assert value.tp == "saved_usd"
    assert wrong == [(0,)]


def test_the_same_now_builds_the_same_tables(project: Project) -> None:
    before = _contents(project)
    project.dbt("build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    assert _contents(project) == before


def test_a_scored_day_stays_as_it_was(project: Project) -> None:
    """Later days, older days asked for, rows that come late, even a full refresh add days and change none."""
    first = dict(project.query("select as_of, count(*) from churn.scoring_set group by as_of"))
    assert sorted(first) == [FIRST_SCORED + n * DAY for n in range(51)]
    content = (
        "select sha256(string_agg(scored::varchar, '|' order by as_of, account_id)) from churn.scoring_set as scored"
    )
    before = project.query(f"{content} where as_of between '{FIRST_SCORED}' and '{TODAY}'")
    later = NOW + 2 * DAY
    project.query(
        "insert into raw.usage_events select * replace (usage_id || '-late' as usage_id, 1000 + n_actions as n_actions,"
        f" timestamp '{TODAY - 9 * DAY}' as event_at, timestamp '{later - DAY}' as known_at) "
        f"from raw.usage_events where event_at > timestamp '{TODAY - DAY}'"
    )
    project.dbt("run", "--select", "features", "churn_scoring_set", now=later)
    project.dbt(
        *("run", "--select", "churn_scoring_set", "--full-refresh"),
        now=later,
        as_of_from=FIRST_SCORED - 3 * DAY,
        as_of_to=FIRST_SCORED + DAY,
    )
    days = [day for (day,) in project.query("select distinct as_of from churn.scoring_set order by 1")]
    assert days == [FIRST_SCORED + n * DAY for n in range(-3, 53)]
    assert project.query(f"{content} where as_of between '{FIRST_SCORED}' and '{TODAY}'") == before
    newest = "select max(actions_per_seat_28d * n_seats) from churn.scoring_set where as_of = timestamp '{}'"
    late_rows_count = [project.query(newest.format(day))[0][0] for day in (TODAY, TODAY + 2 * DAY)]
    assert late_rows_count[1] > late_rows_count[0] + 900


def test_features_that_differ_between_the_sets_are_reported(project: Project) -> None:
    name = "features_are_the_same_in_training_and_scoring"
    test = f"test.baton_demo.{name}"
    project.dbt("run", "--select", "features", "churn_training_spine", "churn_training_set", now=NOW + 2 * DAY)
    n_shared = project.query("select count(*) from churn.training_set join churn.scoring_set using (account_id, as_of)")
    assert n_shared[0][0] > 100
    assert project.dbt("test", "--select", name)[test] == "pass"
    project.query("update churn.training_set set n_tickets_28d = n_tickets_28d + 1 where as_of >= '2026-10-05'")
    assert project.dbt("test", "--select", name)[test] == "warn"
    project.query("alter table churn.training_set rename n_tickets_28d to n_tickets_renamed")
    assert project.dbt("test", "--select", name)[test] == "pass", "a column of one set only is not compared"
    project.query("alter table churn.training_set rename n_tickets_renamed to n_tickets_28d")


def test_a_column_of_another_type_breaks_the_contract(project: Project) -> None:
    macro = project.folder / "macros" / "churn_features.sql"
    text = macro.read_text()
    macro.write_text(text.replace("cast(n_tickets_28d as integer)", "cast(n_tickets_28d as varchar)"))
    try:
        statuses = project.dbt("run", "--select", "churn_training_set")
    finally:
        macro.write_text(text)
    assert statuses == {"model.baton_demo.churn_training_set": "error"}


def _descendants(manifest: dict[str, Any], of: str) -> set[str]:
    found: set[str] = set()
    queue = [of]
    while queue:
        for child in manifest["child_map"].get(queue.pop(), []):
            if child not in found:
                found.add(child)
                queue.append(child)
    return found


def _contents(project: Project) -> dict[str, Any]:
    """A checksum per table of features and churn, without volatile columns; row order does not matter."""
    tables = project.query(
        "select schema_name, table_name from duckdb_tables() where schema_name in ('features', 'churn') order by all"
    )
    found = {}
    for schema, table in tables:
        columns = project.query(f"select column_name from (describe {schema}.{table})")
        kept = ", ".join(name for (name,) in columns if name != VOLATILE)
        found[f"{schema}.{table}"] = project.query(
            f"select count(*), bit_xor(hash(kept)) from (select {kept} from {schema}.{table}) as kept"
        )
    return found
