"""`baton performance --known-at` on real runs: what the run at X printed, and the same a day later."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import demo_runs
import duckdb
import pytest
from click.testing import CliRunner
from demo_runs import NOW, FirstRun, baton
from published_copy import published_home

from ml.home import Home
from orchestration.cli.main import cli

DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)
UNKNOWN_THEN = ("population", "never_scored")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    return demo_runs.first_run(tmp_path_factory)


@pytest.fixture(scope="module")
def next_day(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return demo_runs.day_after(tmp_path_factory)


def ask(home: Home, *arguments: str) -> dict[str, Any]:
    done = baton(home, "performance", "churn", "--json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def numbers(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if not any(part in k for part in UNKNOWN_THEN)} for row in found["rows"]]


@pytest.mark.long
def test_asked_at_x_it_is_what_the_run_at_x_printed(first: FirstRun) -> None:
    for arguments in (["--slice", "plan"], ["--window", "28d"]):
        printed, asked = ask(first.home, *arguments), ask(first.home, "--known-at", NOW.isoformat(), *arguments)
        assert numbers(asked) == numbers(printed)
        assert asked["known_at"] == printed["known_at"] == NOW.isoformat()
    assert {row["n_population"] for row in asked["rows"]} == {None}


def test_a_past_day_stays_as_it_was_when_more_is_known(first: FirstRun, next_day: Home) -> None:
    """Some of its decisions were open then, and are closed today."""
    day = f"{MIDNIGHT - 40 * DAY:%Y-%m-%d}"
    at_first, later = (ask(home, "--known-at", day, "--slice", "country") for home in (first.home, next_day))
    assert at_first == later
    assert later["known_at"] == (MIDNIGHT - 39 * DAY).isoformat()
    assert later["is_final"] is True
    window = ["--slice", "country", "--window", "28d", "--ending", f"{MIDNIGHT - 45 * DAY:%Y-%m-%d}"]
    today, then = ask(next_day, *window), ask(next_day, *window, "--known-at", day)
    assert [row["n"] for row in today["rows"]] == [row["n"] for row in then["rows"]]
    assert sum(row["n_matured"] for row in then["rows"]) < sum(row["n_matured"] for row in today["rows"])


@pytest.mark.long
def test_until_the_load_lag_has_passed_it_is_not_final(first: FirstRun, next_day: Home) -> None:
    day = f"{MIDNIGHT - DAY:%Y-%m-%d}"
    early, late = ask(first.home, "--known-at", day), ask(next_day, "--known-at", day)
    assert (early["is_final"], late["is_final"]) == (False, True)
    assert early["final_from"] == late["final_from"] == (MIDNIGHT + DAY).isoformat()
    shown = baton(first.home, "performance", "churn", "--known-at", day)
    assert f"Not final: what is loaded until {MIDNIGHT + DAY:%Y-%m-%d %H:%M}" in shown.stdout


def test_what_cannot_be_known_yet_is_refused(first: FirstRun) -> None:
    done = baton(first.home, "performance", "churn", "--known-at", f"{MIDNIGHT:%Y-%m-%d}")
    assert done.returncode == 2
    assert "is not known yet" in done.stderr
    assert "baton run" in done.stderr


# Wrong usage, on a small published copy


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = published_home(tmp_path / "a home")
    with duckdb.connect(str(home.published_warehouse)) as con:
        con.execute("alter table ops.runs add column if not exists now timestamp")
        con.execute("insert into ops.runs by name select 'r' as run_id, timestamp '2026-11-21 06:00' as now")
        con.execute("alter table churn.performance add column if not exists slice_value varchar default 'all'")
    monkeypatch.setenv("BATON_HOME", str(home.root))
    return home


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chrn"], "no product 'chrn' with performance; allowed is one of churn"),
        (["churn", "--window", "3d"], "window_kind is '3d'; allowed is one of 28d, 7d"),
        (["churn", "--slice", "colour"], "slice_name is 'colour'; allowed is one of overall, plan"),
        (["churn", "--basis", "guess"], "basis is 'guess'; allowed is one of matured"),
        (["chrn", "--known-at", "2026-10-01"], "no product 'chrn' with models of decisions and performance"),
        (["churn", "--known-at", "October"], "'October' is no time; allowed is an ISO date or time"),
    ],
)
def test_wrong_usage_says_what_is_allowed(copy: Home, arguments: list[str], said: str) -> None:
    shown = CliRunner().invoke(cli, ["performance", *arguments])
    assert shown.exit_code == 2
    assert said in shown.output


def test_without_a_published_copy_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_HOME", str(tmp_path))
    assert CliRunner().invoke(cli, ["performance", "churn"]).exit_code == 3
    assert CliRunner().invoke(cli, ["performance", "churn", "--known-at", "2026-10-01"]).exit_code == 3


def test_the_newest_closed_window_is_shown_with_its_interval(copy: Home) -> None:
    shown = json.loads(CliRunner().invoke(cli, ["performance", "churn", "--window", "28d", "--json"]).output)
    assert [row["window_end"] for row in shown["rows"]] == [datetime(2026, 10, 20).isoformat()]
    assert (shown["rows"][0]["roc_auc_low"], shown["final_from"]) == (0.75, None)
