"""`baton incidents`, `ack`, `page --retry` on a store of their own: what they say is so, and reading makes nothing."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from paging_world import HOUR, NOW, TEAMS, Recorder, all_ok, pager, seen

from ml.home import Home
from orchestration.cli import findings_paging, status
from orchestration.cli.main import cli
from orchestration.paging.delivery import COMMAND, LIVES, Courier

PATIENT = replace(COMMAND, seconds=600)  # a slow machine does not end a round


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("BATON_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


def baton(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--now", str(NOW + HOUR)])


@pytest.mark.parametrize("arguments", [("incidents",), ("incidents", "--json"), ("ack", "1")])
def test_where_nobody_has_looked_nothing_is_made_and_nothing_is_said_to_be_well(
    home: Home, arguments: tuple[str, ...]
) -> None:
    shown = baton(*arguments)
    assert shown.exit_code == 3, shown.output
    assert "baton run" in shown.output
    assert "Nothing is broken" not in shown.output
    assert not home.root.exists()


def test_what_is_over_is_not_offered_to_be_worked_on(home: Home) -> None:
    kept = pager(home.root)
    kept.observe([[seen("raw/usage")]], NOW)
    assert "baton ack 1" in baton("incidents").output
    kept.observe([all_ok(NOW + HOUR)], NOW + HOUR)
    kept.store.close()
    shown = baton("incidents", "--all").output
    assert "baton incidents 1" in shown
    assert "baton ack" not in shown
    assert baton("incidents").output == "Nothing is broken. All of them: baton incidents --all\n"


def test_a_time_that_cannot_be_read_is_said_of_the_option_that_has_it(home: Home) -> None:
    refused = baton("snooze", "1", "--until", "tomorrow")
    assert refused.exit_code == 2
    assert "'tomorrow'" in refused.output
    assert "2026-11-21T06:00" in refused.output
    assert "baton run" not in refused.output, "it is no way out of a wrong --until"


def test_an_answer_says_who_and_until_when_in_one_line(home: Home) -> None:
    kept = pager(home.root)
    kept.observe([[seen("raw/usage")]], NOW)
    kept.store.close()
    assert "ann b works on it" in baton("ack", "1", "--as", "ann\nb").output
    user = baton("ack", "1", "--as", "  ").output
    assert "):  " not in user
    until = baton("snooze", "1", "--until", "2026-11-21T12:00", "--as", "ann").output
    assert "quiet until 2026-11-21 12:00 UTC" in until
    assert "snoozed, ann, until Sat 21 Nov 2026 12:00 UTC" in baton("incidents", "1").output


def test_a_retry_says_how_many_are_dead_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TEAMS:
        monkeypatch.delenv(f"PAGE_{name.split('_')[0].upper()}", raising=False)
    kept = pager(home.root)
    kept.observe([[seen("raw/usage")]], NOW)
    Courier(kept.store, TEAMS, Recorder(down=lambda address: True), PATIENT, lambda seconds: None).deliver(NOW + LIVES)
    kept.store.close()
    shown = baton("page", "--retry")
    assert shown.exit_code == 0, shown.output
    assert "4 dead letters were tried again, 0 are dead again." in shown.output


def test_a_retry_that_fails_says_it_once_per_message_and_that_the_young_ones_wait(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PAGE_DATA", "PAGE_ANALYTICS", "PAGE_ML", "PAGE_SUCCESS"):
        monkeypatch.setenv(name, "json://127.0.0.1:9/x")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kept = pager(home.root)
    kept.observe([[seen("raw/usage")]], NOW)
    kept.store.close()
    shown = baton("page", "--retry")
    assert shown.exit_code == 1, shown.output
    assert shown.output.count("raw/usage is broken: rows: opened to") == 1
    assert "0 dead letters were tried again, 0 are dead again." in shown.output
    assert "4 wait. The daemon, or each later run, tries again by itself." in shown.output


def test_the_status_lists_dead_letters_and_apart_from_them_what_waits(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = pager(home.root)
    kept.observe([[seen("raw/usage")]], NOW)
    kept.observe([[seen("churn/performance", severity="warn")]], NOW + HOUR)
    Courier(kept.store, TEAMS, Recorder(down=lambda address: True), PATIENT, lambda seconds: None).deliver(NOW + LIVES)
    kept.store.close()
    nothing: dict[str, Any] = {"products": [], "failing_checks": [], "failed_runs": [], "stale": None}
    found = status.Status(NOW, NOW, None, **nothing, **status._pager(home))
    monkeypatch.setattr(status, "read", lambda *_: found)
    told = baton("status").output
    dead, waiting = told.split("1 messages wait and are tried again")
    assert "4 messages reached nobody and are tried no more. Next: baton doctor" in dead
    assert "raw/usage is broken: rows: opened to data_engineering, incident 1, since Sat 21 Nov 2026 06:00" in dead
    assert "digest to ml_engineering" in waiting
    plain = json.loads(baton("status", "--json").output)
    assert (len(plain["dead_letters"]), len(plain["waiting_letters"])) == (4, 1)


def test_groups_whose_pages_become_files_are_named_though_others_have_addresses(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PAGE_")]:
        monkeypatch.delenv(name)
    ((level, text),) = [(each.level, each.found) for each in findings_paging.addresses(home)]
    assert (level, "no group has a page address" in text) == ("warning", True)
    monkeypatch.setenv("PAGE_ML", "json://127.0.0.1:9/ml")
    ((level, text),) = [(each.level, each.found) for each in findings_paging.addresses(home)]
    assert level == "warning"
    assert "customer_success" in text
    assert "ml_engineering" not in text
    for name in ("PAGE_DATA", "PAGE_ANALYTICS", "PAGE_SUCCESS"):
        monkeypatch.setenv(name, "json://127.0.0.1:9/x")
    assert list(findings_paging.addresses(home)) == []
