"""`baton doctor` on homes that are broken in one way each."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import small_project
from click.testing import CliRunner

from ml.home import SCHEMA_VERSION, Home
from orchestration.cli import findings
from orchestration.cli.findings import Finding
from orchestration.cli.findings_graph import page_of
from orchestration.cli.main import cli
from orchestration.dbt.roster import Group


def only(examination: findings.Examination, home: Home) -> Finding:
    found = list(examination(home))
    assert len(found) == 1
    return found[0]


def test_no_home_yet_is_a_warning_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_HOME", str(tmp_path / "none"))
    shown = CliRunner().invoke(cli, ["doctor", "--json"])
    levels = {entry["area"]: entry["level"] for entry in json.loads(shown.output)}
    assert levels["home"] == "warning"
    assert "warehouse" not in levels
    assert not (tmp_path / "none").exists()


def test_a_home_of_a_newer_version_is_an_error_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schema_version").write_text(f"{SCHEMA_VERSION + 1}\n")
    finding = only(findings.folder, Home(tmp_path))
    assert finding.level == "error"
    assert str(SCHEMA_VERSION + 1) in finding.found
    assert "BATON_HOME" in finding.fix
    monkeypatch.setattr(findings, "examine", lambda home: [finding])
    assert CliRunner().invoke(cli, ["doctor"]).exit_code == 1


def test_a_warehouse_held_by_another_process_names_the_holder(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    hold = (
        f"import duckdb, time; c = duckdb.connect({str(home.warehouse)!r}); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            finding = only(findings.warehouse, home)
        finally:
            holder.kill()
    assert finding.level == "warning"
    assert str(holder.pid) in finding.found


def test_a_file_that_is_no_warehouse_is_an_error(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    home.warehouse.write_text("not a database, but long enough to have a header " * 100)
    assert only(findings.warehouse, home).level == "error"
    assert "predictions is then lost" in only(findings.warehouse, home).fix
    duckdb.connect(str(home.published_warehouse)).close()
    assert only(findings.warehouse, home).fix.startswith("baton restore")
    home.warehouse.unlink()
    duckdb.connect(str(home.warehouse)).close()
    assert only(findings.warehouse, home).level == "ok"


def test_a_pinned_clock_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_NOW", "2026-11-21")
    assert only(findings.clock_setting, Home(tmp_path)).level == "warning"
    monkeypatch.delenv("BATON_NOW")
    assert not list(findings.clock_setting(Home(tmp_path)))


def test_packages_that_differ_from_the_lock_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = "click==0.0.1 \\\n    --hash=sha256:00\nno-such-thing==1.0\ncolorama==1.0 ; sys_platform == 'win32'\n"
    (tmp_path / "requirements.lock").write_text(lock)
    monkeypatch.setattr(findings, "PROJECT_ROOT", tmp_path)
    finding = only(findings.packages, Home(tmp_path))
    assert finding.level == "error"
    assert "click" in finding.found
    assert "no-such-thing==1.0 is missing" in finding.found
    assert "colorama" not in finding.found


def test_little_space_is_said_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, level in ((findings.GB // 2, "error"), (2 * findings.GB, "warning"), (50 * findings.GB, "ok")):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(findings.shutil, "disk_usage", lambda _place, usage=usage: usage)
        assert only(findings.disk, Home(tmp_path / "below")).level == level


def test_unset_page_addresses_name_the_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_DATA", "mailto://someone@example.com")
    monkeypatch.delenv("PAGE_ML", raising=False)
    by_page = {
        page: page_of(Group("team", "t@example.com", page, "other", "4 hours", "groups.yml"))
        for page in ("env:PAGE_DATA", "env:PAGE_ML", None)
    }
    assert by_page["env:PAGE_DATA"].level == "ok"
    assert "example.com" not in by_page["env:PAGE_DATA"].found
    assert by_page["env:PAGE_ML"].level == "warning"
    assert "export PAGE_ML=" in by_page["env:PAGE_ML"].fix
    assert "groups.yml" in by_page[None].fix


def test_a_daemon_that_never_ran_is_said_with_the_way_out(tmp_path: Path) -> None:
    from orchestration.cli import findings_graph

    finding = only(findings_graph.daemon, Home(tmp_path))
    assert finding.level == "warning"
    assert "make ui" in finding.fix


def test_a_dagster_yaml_that_lacks_the_pool_limit_is_an_error_and_stays(tmp_path: Path) -> None:
    from orchestration.cli import findings_graph

    home = Home(tmp_path).ensure()
    settings = home.dagster / "dagster.yaml"
    assert only(findings_graph.dagster_settings, home).level == "ok"
    theirs = settings.read_text().replace("default_limit: 1", "default_limit: 8")
    settings.write_text(theirs)
    finding = only(findings_graph.dagster_settings, home)
    assert finding.level == "error"
    assert "concurrency.pools.default_limit is 8, needed is 1" in finding.found
    assert settings.read_text() == theirs
    settings.write_text("telemetry: {enabled: [\n")
    assert "no YAML" in only(findings_graph.dagster_settings, home).found


def test_a_graph_that_the_ownership_gate_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.cli import findings_graph

    project = small_project.write(tmp_path / "project")
    small_project.edit(project, "models/groups.yml", "backup:", "stand_in:")
    monkeypatch.setenv("BATON_DBT_PROJECT", str(project))
    finding = only(findings_graph.definitions, Home(tmp_path / "home"))
    assert (finding.level, finding.area) == ("error", "ownership")
    assert "backup" in finding.found
