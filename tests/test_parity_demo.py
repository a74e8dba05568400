"""Parity on a real run: nothing differs, until a file comes after the scoring and counts as known before it."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import demo_runs
import duckdb
import pytest
from demo_runs import NOW, FirstRun, ask, baton

from ml.home import Home
from orchestration.dbt.manifest import ensure_manifest
from orchestration.sources import load_sources, load_table

MIDNIGHT = NOW.replace(hour=0)
LATER = NOW + timedelta(hours=4)  # a load of the same morning, after the scoring
DIFFERENT = "select feature, n - n_equal, largest_difference from churn.parity where status <> 'ok' order by feature"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    return demo_runs.first_run(tmp_path_factory)


@pytest.fixture
def home(first: FirstRun, tmp_path: Path) -> Iterator[Home]:
    home = first.copy(tmp_path)
    with demo_runs.inside(home):
        yield home


def deliver(home: Home, at: datetime, ticket: dict[str, object]) -> None:
    """One more file of the help desk, loaded at `at`."""
    (home.landing / "support_tickets" / "zz_late.jsonl").write_text(json.dumps(ticket) + "\n")
    table = next(table for table in load_sources(ensure_manifest(home).load()) if table.name == "support_tickets")
    with duckdb.connect(str(home.warehouse)) as con:
        report = load_table(con, table, home.landing, at)
    assert (report.rows_new, report.rows_rejected) == (1, 0)


def ask_again(home: Home, now: datetime) -> str:
    """Features and parity built by dbt alone; what it printed."""
    clock = json.dumps({"now": str(now)})
    done = baton(home, "dbt", "build", "--select", "features_tickets", "churn_parity", "--vars", clock)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_a_clean_run_is_scored_as_the_same_query_says_today(first: FirstRun) -> None:
    days, features, least, largest = ask(
        first.home,
        "select count(distinct window_end), count(distinct feature), min(exact_match_rate), max(largest_difference) "
        "from churn.parity",
    )[0]
    assert (days, least, largest) == (7, 1.0, 0.0)
    assert features == len(ask(first.home, "describe churn.prediction_features")) - 1
    scored = "select as_of, count(*) from churn.predictions where role = 'champion' group by 1"
    counted = "select window_end, max(n) from churn.parity group by 1 having min(n) = max(n)"
    assert set(ask(first.home, counted)) <= set(ask(first.home, scored))


def test_one_late_row_makes_exactly_its_mismatches(home: Home) -> None:
    account = ask(home, f"select min(account_id) from churn.predictions where as_of = timestamp '{MIDNIGHT}'")[0][0]
    ticket = {
        "ticket_id": "T-late", "account_id": account, "severity": "urgent", "topic": "bug", "is_deleted": False,
        "event_at": str(MIDNIGHT - timedelta(hours=4)), "written_at": str(MIDNIGHT - timedelta(hours=3)),
    }  # fmt: skip
    deliver(home, LATER, ticket)
    known_at = ask(home, "select known_at from raw.support_tickets where ticket_id = 'T-late'")[0][0]
    assert known_at < MIDNIGHT, "loaded after the scoring, within load_lag: it counts as known before"
    printed = ask_again(home, LATER)
    assert ask(home, DIFFERENT) == [("n_tickets_28d", 1, 1.0), ("n_urgent_tickets_28d", 1, 1.0)]
    assert ask(home, "select distinct window_end from churn.parity where status <> 'ok'") == [(MIDNIGHT,)]
    assert "WARN 2 scored_as_the_same_query_says_today" in printed
    compiled = next((home.root / "dbt" / "by_hand" / "compiled").rglob("scored_as_the_same_query_says_today.sql"))
    said = [row[-1] for row in ask(home, compiled.read_text())]
    assert said[0] == (
        "churn was scored with other values of n_tickets_28d than the same query gives today: 1 of 268 rows differ "
        f"in the 1d window ending {MIDNIGHT}, exact match 0.996269, allowed is >= 1.0, largest difference 1.0; "
        "owner analytics_engineering"
    )

    # Nobody's mistake, so nobody's fault: the row came after the scoring, and one account differs.
    told = json.loads(baton(home, "diagnose", "churn", "--now", str(LATER), "--json").stdout)
    assert [each for each in told["ruled_out"] if each.startswith("train serve skew")] == [
        "train serve skew: 1 differ in n_tickets_28d: 1 rows of that day were loaded after it was scored"
    ]

    # The next days score with the ticket; the window keeps its verdict when it is asked no more.
    ask_again(home, LATER + timedelta(days=6))
    assert len(ask(home, DIFFERENT)) == 2
    ask_again(home, LATER + timedelta(days=8))
    assert len(ask(home, DIFFERENT)) == 2
    assert ask(home, f"select max(evaluated_at) from churn.parity where window_end = timestamp '{MIDNIGHT}'") == [
        (LATER + timedelta(days=6),)
    ]


def test_a_row_known_after_the_scoring_changes_nothing(home: Home) -> None:
    ticket = {
        "ticket_id": "T-next-day", "account_id": ask(home, "select min(account_id) from churn.predictions")[0][0],
        "severity": "urgent", "topic": "bug", "is_deleted": False,
        "event_at": str(MIDNIGHT - timedelta(hours=4)), "written_at": str(MIDNIGHT - timedelta(hours=3)),
    }  # fmt: skip
    deliver(home, NOW + timedelta(days=1), ticket)
    ask_again(home, NOW + timedelta(days=1))
    assert ask(home, DIFFERENT) == []


def test_a_replay_without_its_keys_says_what_to_write(home: Home) -> None:
    relations = "source('churn', 'predictions'), source('churn', 'prediction_features')"
    asked = f"{{{{ baton.parity('churn', {relations}, 'select as_of, 1 as n from baton_days') }}}}"
    done = baton(home, "dbt", "compile", "--inline", asked)
    assert done.returncode != 0
    assert "parity of churn: the replay lacks account_id; found as_of, n." in done.stdout
    assert "replay=churn_scoring_rows('baton_days')" in done.stdout
