"""The landing contract in a dbt source yml, as dbt itself hands it on; errors say where, what and what is allowed."""

import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from orchestration.sources import Column, SourceSpecError, load_sources

YML = """
sources:
  - name: crm
    schema: raw
    config: {meta: {landing: {writer: "demo.landing:write", format: csv, load_lag: 24 hours}}}
    tables:
      - name: accounts
        config:
          meta:
            landing:
              path: "accounts/*.csv"
              key: [account_id, event_at]
              event_at: changed_at
              written_at: saved_at
              deleted: gone
        columns:
          - {name: account_id, data_type: Text}
          - {name: mrr, data_type: "numeric(10, 2)"}
          - {name: known_at, description: "documents a column of the loader"}
      - name: someone_elses
        columns: [{name: id, data_type: whatever}]
  - name: fivetran
    schema: fivetran
    tables: [{name: orders}]
"""
PROJECT = "{name: p, version: '1.0', config-version: 2, profile: p, model-paths: [models]}"
PROFILES = "p: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}"
UID = "source.p.crm.accounts"


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    for name, text in {"dbt_project.yml": PROJECT, "profiles.yml": PROFILES, "models/crm.yml": YML}.items():
        (folder / name).write_text(text)
    folders = [f"--{name}={folder}" for name in ("project-dir", "profiles-dir", "log-path")]
    result = dbtRunner().invoke(["--quiet", "parse", *folders])
    assert result.success, result.exception
    manifest: dict[str, Any] = json.loads((folder / "target" / "manifest.json").read_text())
    return manifest


@pytest.fixture
def manifest(parsed: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(parsed)


def test_a_source_table_is_read_with_the_defaults_of_its_source(manifest):
    [table] = load_sources(manifest)
    assert (table.full_name, table.relation, table.source_name, table.unique_id) == (
        "raw.accounts",
        '"raw"."accounts"',
        "crm",
        UID,
    )
    assert (table.path, table.format, table.writer) == ("accounts/*.csv", "csv", "demo.landing:write")
    assert (table.key, table.event_at, table.written_at, table.deleted) == (
        ("account_id", "event_at"),
        "changed_at",
        "saved_at",
        "gone",
    )
    assert (table.load_lag, table.assumed_lag, table.declared_in) == (timedelta(hours=24), None, "models/crm.yml")


def test_written_at_is_stored_whether_listed_or_not_and_columns_of_the_loader_are_not_the_files(manifest):
    [table] = load_sources(manifest)
    assert table.columns == (
        Column("account_id", "VARCHAR"),
        Column("mrr", "DECIMAL(10,2)"),
        Column("saved_at", "TIMESTAMP"),
    )
    assert table.fields == {
        "account_id": "VARCHAR",
        "mrr": "DECIMAL(10,2)",
        "saved_at": "TIMESTAMP",
        "changed_at": "TIMESTAMP",
        "gone": "BOOLEAN",
    }


def test_sources_without_landing_have_a_loader_of_their_own(manifest):
    assert [table.name for table in load_sources(manifest)] == ["accounts"]
    assert len(manifest["sources"]) == 3


@pytest.mark.parametrize(
    ("field", "value", "found", "allowed"),
    [
        ("format", "xml", "landing.format is 'xml'", "jsonl, csv, parquet"),
        ("path", "/etc/*.csv", "landing.path is '/etc/*.csv'", "a glob inside BATON_HOME/landing"),
        ("path", "../x.csv", "landing.path is '../x.csv'", "a glob inside BATON_HOME/landing"),
        ("path", None, "landing.path is None", "a glob inside BATON_HOME/landing"),
        ("key", [], "landing.key is []", "a list of declared columns"),
        ("key", ["nope"], "landing.key is 'nope'", "account_id, mrr, saved_at, changed_at"),
        ("event_at", None, "landing.event_at is None", "the name of a field"),
        ("event_at", "loaded_at", "landing.event_at is 'loaded_at'", "the loader writes this column itself"),
        ("event_at", "account_id", "columns.account_id.data_type is 'varchar'", "timestamp: it is event_at"),
        ("written_at", None, "landing.written_at is None", "or else an assumed_lag"),
        ("written_at", 7, "landing.written_at is 7", "a text"),
        ("deleted", "mrr", "columns.mrr.data_type is 'decimal(10,2)'", "boolean: it is deleted"),
        ("load_lag", "soon", "landing.load_lag is 'soon'", "24 hours"),
        ("loadlag", "1 day", "landing.loadlag is '1 day'", "the fields are path, format, key"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(manifest, field: str, value: object, found: str, allowed: str):
    manifest["sources"][UID]["config"]["meta"]["landing"][field] = value
    with pytest.raises(SourceSpecError) as error:
        load_sources(manifest)
    message = str(error.value)
    assert message.startswith("models/crm.yml: source table crm.accounts: ")
    assert found in message
    assert allowed in message.partition("allowed is")[2]


@pytest.mark.parametrize(
    ("column", "data_type", "found", "allowed"),
    [
        ("mrr", "money", "columns.mrr.data_type is 'money'", "varchar, boolean"),
        ("mrr", None, "columns.mrr.data_type is None", "varchar, boolean"),
        ("mrr", "decimal(50, 2)", "columns.mrr.data_type is 'decimal(50, 2)'", "decimal(p, s)"),
        ("known_at", "varchar", "columns.known_at is 'varchar'", "timestamp: the loader writes this column itself"),
    ],
)
def test_a_wrong_column_is_named_with_what_is_allowed(manifest, column: str, data_type: str, found: str, allowed: str):
    manifest["sources"][UID]["columns"][column]["data_type"] = data_type
    with pytest.raises(SourceSpecError) as error:
        load_sources(manifest)
    assert found in str(error.value)
    assert allowed in str(error.value)


def test_a_table_must_not_be_named_like_the_loaders_own(manifest):
    manifest["sources"][UID]["identifier"] = "rejects"
    with pytest.raises(SourceSpecError, match="name is 'rejects'; allowed is any name but"):
        load_sources(manifest)
