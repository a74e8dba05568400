"""The three one-line models in a dbt project of their own: built day by day, with the product changed in between."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt.adapters.factory import FACTORY
from dbt.cli.main import dbtRunner
from monitoring_builds import HOURLY_KEY, VOLATILE

PACKAGE = Path(__file__).parents[1] / "dbt_project" / "baton"
DAY_0 = datetime(2025, 3, 1)
MODELS = {
    "decisions": "predictions=source('raw', 'predictions'), scoring_set=source('raw', 'scoring')",
    "outcomes": "decisions=ref('decisions'), events=source('raw', 'events')",
    "performance_hourly": "decisions=ref('decisions'), outcomes=ref('outcomes')",
    "delay": "decisions=ref('decisions'), outcomes=ref('outcomes')",
    "performance": (
        "hourly=ref('performance_hourly'), decisions=ref('decisions'), outcomes=ref('outcomes'), "
        "population=source('raw', 'scoring'), delay=ref('delay')"
    ),
}
TESTS = """
models:
  - name: decisions
    data_tests:
      - baton.one_row_per: {arguments: {columns: [decision_key]}}
  - name: performance
    data_tests:
      - baton.within_floors: {arguments: {product: churn}}
      - baton.enough_data: {arguments: {product: churn}, config: {severity: warn}}
"""


class Project:
    """A dbt project in `folder` with one product; `spec` may be changed between builds."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / "warehouse.duckdb"
        self.spec: dict[str, Any] = {
            "entity": "account_id",
            "outcome": {"model": "events", "horizon": "6 days", "grace": "1 day"},
            "decide": {"per": "5 days", "policy": "first"},
            "slices": ["plan"],
            "value": {"currency": "USD", "tp": "saved_usd", "fp": -10, "fn": -120, "tn": 0},
            "monitor": {
                "windows": ["1d", "7d"],
                "min_n": 5,
                "floors": [{"metric": "accuracy", "window": "7d", "at_least": 0.99}],
            },
        }
        duck = {"type": "duckdb", "path": str(self.path), "threads": 1, "settings": {"TimeZone": "UTC"}}
        self.write(
            "dbt_project.yml", {"name": "monitored", "version": "1.0", "config-version": 2, "profile": "monitored"}
        )
        self.write("packages.yml", {"packages": [{"local": str(PACKAGE)}]})
        self.write("profiles.yml", {"monitored": {"target": "duckdb", "outputs": {"duckdb": duck}}})
        tables = [{"name": name} for name in ("predictions", "scoring", "events")]
        self.write("models/sources.yml", {"sources": [{"name": "raw", "schema": "main", "tables": tables}]})
        self.write("models/tests.yml", yaml.safe_load(TESTS))
        for name, arguments in MODELS.items():
            (folder / f"models/{name}.sql").write_text(f"{{{{ baton.{name}('churn', {arguments}) }}}}\n")
        self.query(
            """create table predictions (
                prediction_id bigint, account_id varchar, as_of timestamp, predicted_at timestamp, known_at timestamp,
                score double, threshold double, predicted_label integer, model_version integer,
                is_holdout boolean, role varchar)"""
        )
        self.query(
            """create table scoring (
                account_id varchar, as_of timestamp, plan varchar, country varchar, saved_usd double)"""
        )
        self.query(
            """create table events (
                account_id varchar, event_at timestamp, valid_from timestamp, valid_to timestamp, arrived bigint)"""
        )

    def write(self, name: str, content: Any) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(yaml.safe_dump(content))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(sql).fetchall()

    def live(self, first: int, last: int) -> None:
        """Score 12 accounts on each day and let a third of them churn, known a day later."""
        span = f"range({first}, {last + 1}) as days(d), range(12) as accounts(a)"
        as_of = f"timestamp '{DAY_0}' + to_days(d::integer)"
        self.query(
            f"""insert into predictions
            select 100 * d + a, 'a' || a, {as_of}, {as_of} + interval 6 hour, {as_of} + interval 6 hour,
                (a * 7 + d * 3) % 10 / 10.0, 0.5, null, 1 + d // 10, false, 'champion'
            from {span}"""
        )
        self.query(
            f"""insert into scoring
            select 'a' || a, {as_of}, ['x', 'y', 'z'][1 + (a % 3)::integer], ['US', 'DE'][1 + (a % 2)::integer],
                10.0 * a
            from {span}"""
        )
        self.query(
            f"""insert into events
            select 'a' || a, {as_of} + interval 5 hour, {as_of} + interval 29 hour, timestamp '9999-12-31', 100 * d + a
            from {span} where a % 3 = 0 and d % 6 = a % 6"""
        )

    def build(self, day: int, *arguments: str) -> dict[str, Any]:
        """`dbt build` at 06:00 of a day: result per node name."""
        exposure = {"name": "churn", "type": "ml", "owner": {"name": "ml"}, "config": {"meta": {"product": self.spec}}}
        self.write("models/exposures.yml", {"exposures": [exposure]})
        now = str(DAY_0 + timedelta(days=day, hours=6))
        return self.dbt("build", "--vars", yaml.safe_dump({"now": now}), *arguments)

    def dbt(self, *command: str) -> dict[str, Any]:
        flags = ["--quiet", "--no-send-anonymous-usage-stats", "--log-level-file", "none"]
        places = ["--project-dir", str(self.folder), "--profiles-dir", str(self.folder)]
        outcome = dbtRunner().invoke([*flags, *command, *places])
        for adapter in FACTORY.adapters.values():
            adapter.connections.close_all_connections()
        if outcome.exception:
            raise outcome.exception
        return {result.node.name: result for result in outcome.result or ()}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows without volatile columns, in a fixed order; those of performance_hourly added up over batches."""
        with duckdb.connect(str(self.path)) as connection:
            cursor = connection.execute(f"from {table}")
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        kept = [{k: row[k] for k in sorted(row) if k not in VOLATILE} for row in rows]
        return sorted(added_up(kept) if table == "performance_hourly" else kept, key=repr)


def added_up(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per cell of performance_hourly; a cell that everything was taken off is none."""
    cells: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        cell = cells.setdefault(tuple(row[name] for name in HOURLY_KEY), dict.fromkeys(row))
        for name, value in row.items():
            adds = name not in (*HOURLY_KEY, "spec_hash") and value is not None
            cell[name] = (cell[name] or 0) + value if adds else value
    sums = [name for name in rows[0] if name not in (*HOURLY_KEY, "spec_hash")]
    return [cell for cell in cells.values() if any(cell[name] for name in sums)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("monitored"))
    project.dbt("deps")
    return project


def test_days_add_up_and_a_changed_product_rebuilds_history(project):
    project.live(0, 14)
    results = project.build(14)
    assert {results[name].status for name in MODELS} == {"success"}
    first_hash = {row["spec_hash"] for row in project.rows("decisions")}

    project.live(15, 17)
    project.spec["slices"] = ["country"]
    project.spec["decide"] = {"per": "3 days", "policy": "latest"}
    project.build(17)
    incremental = {name: project.rows(name) for name in MODELS}
    assert {row["spec_hash"] for row in incremental["decisions"]}.isdisjoint(first_hash)
    assert "plan" not in incremental["decisions"][0]
    assert {row["slice_name"] for row in incremental["performance"]} == {"overall", "country"}
    project.build(17, "--full-refresh")
    for name in MODELS:
        assert incremental[name] == project.rows(name), name


def test_the_same_now_again_changes_no_row(project):
    """Rows that depend on now are written again, with the same numbers; all others are not touched."""
    kept = {name: "true" for name in MODELS if name != "delay"} | {"performance": "basis <> 'delay_corrected'"}
    queries = {name: f"select * from {name} where {rows} order by all" for name, rows in kept.items()}
    before = {name: project.query(query) for name, query in queries.items()}
    numbers = {name: project.rows(name) for name in MODELS}
    project.build(17)
    assert {name: project.query(query) for name, query in queries.items()} == before
    assert {name: project.rows(name) for name in MODELS} == numbers
    assert {row["basis"] for row in numbers["performance"]} == {"matured", "naive", "estimated", "delay_corrected"}


def test_a_broken_floor_fails_its_test_and_says_why(project):
    results = project.build(17, "--select", "test_type:data")
    floors = next(result for name, result in results.items() if "within_floors" in name)
    assert floors.status == "fail"
    (message,) = project.query(f"select message from ({floors.node.compiled_code})")[0]
    assert "breaks >= 0.99 in the 7d window ending" in message
    others = {name: result.status for name, result in results.items() if result is not floors}
    assert set(others.values()) == {"pass"}


def test_a_renamed_entity_computes_history_anew(tmp_path):
    """The tables as they are do not have its column."""
    project = Project(tmp_path)
    project.dbt("deps")
    project.live(0, 9)
    models = ("decisions", "outcomes", "performance_hourly")
    project.build(9, "--select", *models)
    for table in ("predictions", "scoring", "events"):
        project.query(f"alter table {table} rename account_id to client_id")
    project.spec["entity"] = "client_id"
    results = project.build(10, "--select", *models)
    assert {results[name].status for name in models} == {"success"}
    refreshed = {name: project.rows(name) for name in models}
    project.build(10, "--select", *models, "--full-refresh")
    for name in models:
        assert refreshed[name] == project.rows(name), name
