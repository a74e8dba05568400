"""`baton sql` and `baton status` on a real published copy."""

import csv
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from published_copy import NOW, published_home

from ml.home import PROJECT_ROOT, Home
from orchestration.cli.main import cli


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    found = published_home(tmp_path / "a home")
    monkeypatch.setenv("BATON_HOME", str(found.root))
    monkeypatch.delenv("BATON_NOW", raising=False)
    return found


def baton(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin)


@pytest.mark.usefixtures("home")
def test_sql_prints_a_table_and_says_how_many_rows() -> None:
    shown = baton("sql", "select 41 + 1 as answer, null as nothing")
    assert shown.exit_code == 0
    assert "answer" in shown.output
    assert "42" in shown.output
    assert "(1 rows)" in shown.output


@pytest.mark.usefixtures("home")
def test_sql_csv_and_json_give_every_row() -> None:
    text = baton("sql", "--csv", "select range as n, 'a,b' as t from range(250)").output
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["n", "t"]
    assert rows[250] == ["249", "a,b"]
    found = json.loads(
        baton("sql", "--json", "select timestamp '2026-11-21' as at, 'nan'::double as x, 1.5::decimal(4,2) as d").output
    )
    assert found == [{"at": "2026-11-21T00:00:00", "x": None, "d": 1.5}]


@pytest.mark.usefixtures("home")
def test_sql_table_is_cut_and_says_so() -> None:
    assert "first 2 rows" in baton("sql", "--limit", "2", "from raw.accounts").output


@pytest.mark.usefixtures("home")
def test_sql_takes_the_query_from_standard_input() -> None:
    assert "7" in baton("sql", stdin="select count(*) as n from raw.accounts").output


@pytest.mark.parametrize("query", ["create table raw.x (i int)", "delete from raw.accounts", "drop table raw.accounts"])
def test_sql_cannot_write(home: Home, query: str) -> None:
    before = home.published_warehouse.read_bytes()
    shown = baton("sql", query)
    assert shown.exit_code == 1
    assert "read-only" in shown.output
    assert home.published_warehouse.read_bytes() == before


@pytest.mark.usefixtures("home")
def test_sql_error_names_the_problem_and_the_next_command() -> None:
    shown = baton("sql", "from raw.nowhere")
    assert shown.exit_code == 1
    assert "nowhere" in shown.output
    assert "baton sql .tables" in shown.output
    assert "accounts" in baton("sql", ".tables").output


@pytest.mark.parametrize("command", [["sql", "select 1"], ["status"]])
def test_before_the_first_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("BATON_HOME", str(tmp_path))
    shown = baton(*command)
    assert shown.exit_code == 3
    assert "no run has finished yet" in shown.output
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("home")
def test_status_counts_ages_from_now_and_takes_the_newest_result_of_each_check() -> None:
    found = json.loads(baton("status", "--json", "--now", NOW.isoformat()).output)
    product = found["products"][0]
    assert product["champion"]["version"] == 2
    assert product["champion"]["roc_auc"] == 0.79
    assert (product["decisions_matured"], product["decisions_pending"], product["decisions_early_positive"]) == (
        2,
        1,
        1,
    )
    assert product["scored_until"] == "2026-11-21T00:00:00"
    assert {check["check_name"] for check in found["failing_checks"]} == {"floor", "coverage"}


@pytest.mark.usefixtures("home")
def test_status_shows_only_the_newest_closed_window_over_all_slices() -> None:
    performance = json.loads(baton("status", "--json").output)["products"][0]["performance"]
    assert (performance["n"], performance["roc_auc"], performance["value"]) == (2, 0.81, 1234.5)


@pytest.mark.usefixtures("home")
def test_status_counts_as_action_only_who_is_not_held_out() -> None:
    assert json.loads(baton("status", "--json").output)["products"][0]["on_action_list"] == 2


def test_status_without_a_28_day_window_shows_the_longest_one(home: Home) -> None:
    with duckdb.connect(str(home.published_warehouse)) as con:
        con.execute("delete from churn.performance where window_kind = '28d'")
    performance = json.loads(baton("status", "--json").output)["products"][0]["performance"]
    assert (performance["window_kind"], performance["n"]) == ("7d", 3)


@pytest.mark.usefixtures("home")
def test_status_screen_names_owner_message_and_ages() -> None:
    shown = baton("status", "--now", NOW.isoformat()).output
    assert "failed   churn/performance floor: 0.61, floor 0.70, 28d (owner ml_engineering)" in shown
    assert "warned   churn/performance coverage" in shown
    assert "60 days ago" in shown
    assert "newest known 6 hours ago" in shown


@pytest.mark.usefixtures("home")
def test_a_bad_clock_is_wrong_usage_and_says_what_is_allowed() -> None:
    shown = baton("status", "--now", "tomorrow")
    assert shown.exit_code == 2
    assert "ISO date" in shown.output


def test_the_shell_answers_goes_on_after_an_error_and_leaves(home: Home) -> None:
    """In a terminal of its own, as a person has it."""
    command = [sys.executable, "-m", "orchestration.cli", "sql"]
    environment = {**os.environ, "BATON_HOME": str(home.root), "TERM": "dumb", "COLUMNS": "120"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as shell:
        os.close(theirs)
        terminal = Terminal(ours)
        assert "read-only" in terminal.until("baton> ")
        terminal.say("select count(*) + 40 as n")
        terminal.until("...> ")
        terminal.say("from raw.accounts;")
        assert "47" in terminal.until("baton> ")
        terminal.say("selec 1;")
        assert "syntax error" in terminal.until("baton> ")
        terminal.say(".tables")
        assert "performance" in terminal.until("baton> ")
        terminal.say(".quit")
        assert shell.wait(30) == 0
    os.close(ours)


@dataclass
class Terminal:
    """The other end of a pseudo terminal."""

    descriptor: int
    heard: str = ""

    def say(self, line: str) -> None:
        os.write(self.descriptor, f"{line}\n".encode())

    def until(self, prompt: str, seconds: float = 60) -> str:
        """Everything up to the prompt; fails the test when it does not come."""
        deadline = time.monotonic() + seconds
        while prompt not in self.heard:
            ready, _, _ = select.select([self.descriptor], [], [], 1)
            assert time.monotonic() < deadline, f"{prompt!r} did not come: {self.heard!r}"
            self.heard += os.read(self.descriptor, 4096).decode(errors="replace") if ready else ""
        said, _, self.heard = self.heard.partition(prompt)
        return said
