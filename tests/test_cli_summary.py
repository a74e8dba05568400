"""The end of a run: what people read and what machines get, from a real published copy."""

import json
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from company import live_graph
from published_copy import NOW, published_home

from ml.errors import ModelError
from ml.home import Home
from orchestration.cli.demo import mornings
from orchestration.cli.facts import product_facts
from orchestration.cli.main import cli
from orchestration.cli.output import age, money, took
from orchestration.cli.progress import shown
from orchestration.cli.reachable import best_reachable, hooks
from orchestration.cli.summary import print_summary, summarize
from orchestration.outcome import CheckOutcome, FailedStep, JobOutcome, Progress, RunOutcome


def check(name: str, passed: bool, severity: str = "error", status: str = "ok") -> CheckOutcome:
    return CheckOutcome("run-1", "churn/performance", name, passed, severity, status, "ml_engineering", f"about {name}")


def outcome(*checks: CheckOutcome, failed: tuple[FailedStep, ...] = ()) -> RunOutcome:
    steps = {"load": 3.0, "dbt": 200.0}
    job = JobOutcome("daily", "run-1", not failed, "2026-11-20", 210.0, failed, checks, steps, {"raw/accounts": 7})
    return RunOutcome(NOW, (job,), 211.0, 4.0)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = published_home(tmp_path)
    (found.published / "churn_action_list.csv").write_text("account_id\n")
    return found


def test_summary_has_rows_per_layer_in_the_order_data_flows(home: Home) -> None:
    layers = summarize(home, outcome()).layers
    assert [(layer.name, layer.rows) for layer in layers][:2] == [("raw", 7), ("staging", 5)]
    assert layers[-1].name == "ops"


def test_summary_reads_well(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    checks = [check("floor", True), check("leak", False), check("late", False, "warn")]
    checks.append(check("few", False, "warn", "insufficient_data"))
    print_summary(summarize(home, outcome(*checks)))
    shown_text = capsys.readouterr().out
    assert "All done in 3 min 31 s" in shown_text
    assert "version 2, hist_gradient_boosting" in shown_text
    assert "0.790 on its test cohort" in shown_text
    assert "0.810 (0.750 to 0.870)" in shown_text
    assert "2 matured, 1 pending" in shown_text
    assert "1 passed, 1 failed, 1 warned, 1 waiting for data" in shown_text
    assert "churn/performance leak: about leak (owner ml_engineering)" in shown_text
    assert "make ui" in shown_text
    assert str(home.published / "churn_action_list.csv") in shown_text
    assert "dbt 200 s" in shown_text or "dbt 3 min 20 s" in shown_text


def test_a_failed_run_says_which_node_and_what_to_do(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    failed = FailedStep("run-1", "dbt_2", "churn/decisions", "contract: column score is missing")
    print_summary(summarize(home, outcome(failed=(failed,))))
    shown_text = capsys.readouterr().out
    assert "The run failed" in shown_text
    assert "step churn/decisions: contract: column score is missing (run run-1)" in shown_text
    assert "baton doctor" in shown_text


def test_a_check_evaluated_twice_counts_once_as_it_was_left(home: Home) -> None:
    found = summarize(home, outcome(check("floor", False), check("floor", True))).checks
    assert [(entry.check, entry.passed) for entry in found] == [("floor", True)]


def test_summary_of_a_first_run_that_failed_needs_no_published_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = summarize(Home(tmp_path).ensure(), outcome(failed=(FailedStep("r", "load", "", "no"),)))
    print_summary(summary)
    assert summary.layers == []
    assert "step load: no" in capsys.readouterr().out


def test_summary_as_json_has_the_same_facts(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    from orchestration.cli.output import emit_json

    facts = summarize(home, outcome(check("floor", True))).as_dict()
    assert facts["products"][0]["decisions_matured"] == 2
    assert facts["jobs"][0]["run_id"] == "run-1"
    emit_json(facts)
    assert json.loads(capsys.readouterr().out)["now"] == NOW.isoformat()


def test_progress_elsewhere_than_in_a_terminal_is_one_line_per_job_and_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    events = [
        Progress("job", "daily", "2026-11-20"),
        Progress("asset", "raw/accounts", "7 rows"),
        Progress("check", "churn/model:leak", "0.99, limit 0.95", passed=False, severity="error"),
        Progress("step_failed", "dbt", "syntax error"),
        Progress("job_done", "daily", seconds=12.0),
    ]
    with shown(quiet=False) as on_progress:
        assert on_progress is not None
        for event in events:
            on_progress(event)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1] == "FAILED churn/model:leak: 0.99, limit 0.95"
    with shown(quiet=True) as on_progress:
        assert on_progress is None


def test_demo_ends_today_on_a_fresh_home_and_goes_on_after_the_last_scored_day() -> None:
    assert mornings(None, NOW, 3) == [datetime(2026, 11, day, 6) for day in (19, 20, 21)]
    assert mornings(datetime(2026, 11, 21), NOW, 2) == [datetime(2026, 11, day, 6) for day in (22, 23)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["2026-11-05", "2026-11-01"], "baton backfill 2026-11-01 2026-11-05"),
        (["2026-11-01", "2026-11-21", "--now", "2026-11-21"], "allowed is up to 2026-11-20"),
        (["yesterday", "2026-11-01"], "YYYY-MM-DD"),
    ],
)
def test_backfill_refuses_days_that_cannot_be_and_says_what_can(arguments: list[str], said: str) -> None:
    refused = CliRunner().invoke(cli, ["backfill", *arguments])
    assert refused.exit_code == 2
    assert said in " ".join(refused.output.split())


def test_words_for_ages_durations_and_money() -> None:
    assert age(datetime(2026, 11, 20, 5), NOW) == "1 day ago"
    assert age(datetime(2026, 11, 21, 4, 30), NOW) == "1 hour ago"
    assert age(datetime(2026, 11, 23, 6), NOW) == "in 2 days"
    assert age(None, NOW) == "never"
    assert (took(0.44), took(59.6), took(200)) == ("0.4 s", "60 s", "3 min 20 s")
    assert (money(-1234.4, "USD"), money(-0.2, "USD"), money(None, "USD")) == ("-USD 1,234", "USD 0", "-")


def test_what_is_reachable_is_told_by_whom_the_exposure_names(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "oracle.py").write_text(
        "def say(home, decisions, cells, horizon):\n"
        "    return {'roc_auc': 0.9, 'value': float(len(decisions))} if cells['fp'] == -60 else None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    product = live_graph().products["churn"]
    with duckdb.connect(str(home.published_warehouse)) as con:
        con.execute("create table churn.decisions as select timestamp '2026-10-01' as as_of from range(5)")
        facts = product_facts(con, "churn", product)
        assert best_reachable(home, con, product, facts, "oracle:say") == {"roc_auc": 0.9, "value": 5.0}
        assert best_reachable(home, con, product, facts, "taken_away.truth:say") is None
        with pytest.raises(ModelError, match=r"meta.best_reachable is 'oracle:sey', which cannot be imported"):
            best_reachable(home, con, product, facts, "oracle:sey")
    assert hooks(live_graph().file.home) == {"churn": "demo.truth:best_reachable_if_known"}
    assert hooks(home) == {}
