"""A log from elsewhere as it comes: open, repeated, corrected, with labels or without, in somebody else's table."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from forecasts_project import baton, land, overlay
from overlay_homes import at

import ml
from ml.home import Home
from orchestration.cli.main import cli
from orchestration.launch import run_due
from orchestration.outcome import RunOutcome
from orchestration.ownership import OwnershipError

FOOTBALL = (2021, "2022-05-29", "Rams", "Bears", 0.6, 1, 0.4, 0)
SOURCE = """
sources:
  - name: vendor
    schema: vendor
    description: Scores that a vendor writes.
    tables:
      - name: scores
        description: Chance of a win by the vendor. One row per prediction_id.
        config:
          group: data_engineering
          meta:
            dagster: {asset_key: [nba, predictions]}
            freshness: {warn_after: 10 days, fail_after: 20 days, column: known_at}
        data_tests:
          - baton.predictions_unique: {name: predictions_unique, config: {severity: warn}}
"""
SCORES = """
create schema if not exists vendor;
create or replace table vendor.scores as
select
    'p' || n as prediction_id, '2022-06-0' || n || ' H' || n || ' - G' || n as game_id,
    timestamp '2022-06-01' + to_days(n - 1) as as_of, as_of as predicted_at, as_of as known_at,
    n / 10.0 as score, 0.25 as threshold, null::integer as predicted_label, 'v1' as model_version,
    'champion' as role, null::boolean as is_holdout, 2022 as season
from range(1, 5) t(n)
"""


def game(day: int, chance: float, won: float | None) -> tuple[Any, ...]:
    """A game of June 2022 between teams of its own."""
    lost = None if won is None else 1 - won
    return (2022, f"2022-06-{day:02}", f"H{day}", f"G{day}", chance, won, round(1 - chance, 3), lost)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Home, Path]]:
    """An empty home and the forecasts' project, with monitoring by `baton new` where a test calls `monitored`."""
    overlay(tmp_path / "project")
    home = Home(tmp_path / "home").ensure()
    patch = at(home, tmp_path / "project")
    try:
        yield home, tmp_path / "project"
    finally:
        patch.undo()


def monitored(home: Home, *days: tuple[Any, ...], now: datetime | None = None) -> RunOutcome:
    """Land these games, and a football game, and run."""
    land(home, "nba", *days)
    land(home, "nfl", FOOTBALL)
    baton("new", "nba")
    outcome = run_due(home, now)
    assert outcome.success, [*outcome.failed_steps, *outcome.failed_checks]
    return outcome


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def asked(home: Home, query: str) -> list[tuple[Any, ...]]:
    with ml.connect(home) as con:
        return con.execute(query).fetchall()


WHOLE = (
    "from nba.performance where slice_name = 'overall' and model_version = 'all' and basis = 'matured' "
    "qualify window_end = max(window_end) over ()"
)


@pytest.mark.long
def test_a_game_that_is_not_played_is_pending_and_a_corrected_result_restates(place: tuple[Home, Path]) -> None:
    home, _ = place
    monitored(home, game(1, 0.8, 1), game(2, 0.3, 0), game(3, 0.6, None), now=datetime(2022, 6, 4))
    states = "select game_id, state, is_restated from nba.outcomes order by 1"
    assert [row[1:] for row in asked(home, states)] == [("positive", False), ("negative", False), ("pending", False)]
    # Delivered again: the third game is played, the second was won after all, the first forecast is "improved".
    land(home, "nba", game(1, 0.99, 1), game(2, 0.3, 1), game(3, 0.6, 0), file="_again")
    again = run_due(home, datetime(2022, 6, 6))
    assert again.success, [*again.failed_steps, *again.failed_checks]
    told = [row[1:] for row in asked(home, states)]
    assert told == [("positive", False), ("positive", True), ("negative", False)]  # known too late, on 6 June
    assert asked(home, "select score from nba.predictions order by as_of") == [(0.8,), (0.3,), (0.6,)]
    assert asked(home, f"select n, n_matured, brier {WHOLE}") == [(3, 3, pytest.approx((0.04 + 0.49 + 0.36) / 3))]


@pytest.mark.long
def test_a_tie_that_comes_after_its_forecast_was_judged_is_taken_back(place: tuple[Home, Path]) -> None:
    """Pending, then no game to judge: its decision goes, its negative too, and staging says how many and why."""
    home, _ = place
    land(home, "nba", game(1, 0.8, 1))
    football = [(2021, f"2022-05-{29 + n}", f"Rams {n}", f"Bears {n}", 0.6, won, 0.4, None if won is None else 1 - won)
                for n, won in enumerate((1, 0, None))]  # fmt: skip
    land(home, "nfl", *football)
    baton("new", "nfl")
    assert run_due(home, datetime(2022, 6, 4)).success
    judged = "select count(*) from nfl.decisions union all select count(*) from nfl.outcomes"
    n = "select n from nfl.performance where slice_name = 'overall' and basis = 'matured' and model_version = 'all'"
    assert [count for (count,) in asked(home, judged)] == [3, 3]
    tied = (*football[2][:5], 0.5, football[2][6], 0.5)
    land(home, "nfl", *football[:2], tied, file="_again")
    assert run_due(home, datetime(2022, 6, 6)).success
    assert [count for (count,) in asked(home, judged)] == [2, 2]
    assert set(asked(home, f"{n} qualify window_end = max(window_end) over ()")) == {(2,)}
    reasons = "select count(distinct game_id) from staging.nfl_games where exclusion_reason is not null"
    assert asked(home, reasons) == [(1,)]


@pytest.mark.long
def test_a_threshold_fills_the_confusion_table_and_a_floor_is_judged(place: tuple[Home, Path]) -> None:
    home, project = place
    edit(project / "models/nba/nba_predictions.sql", "as_of='day_begins_at'", "as_of='day_begins_at', threshold='0.5'")
    edit(project / "models/exposures.yml", "metric: brier,", "metric: accuracy, min_n: 2,")
    edit(project / "models/exposures.yml", "at_most: 0.22", "at_least: 0.9")
    outcome = monitored(home, game(1, 0.8, 1), game(2, 0.3, 0), game(3, 0.6, 0), game(4, 0.1, 0))
    assert asked(home, f"select tp, fp, fn, tn, accuracy, value {WHOLE}") == [(1, 1, 0, 2, 0.75, None)]
    (broken,) = [check for check in outcome.failed_checks if check.check == "within_the_warning_floors"]
    assert (broken.severity, broken.owner, broken.asset) == ("warn", "ml_engineering", "nba/performance")
    assert "accuracy" in broken.message
    assert "0.75" in broken.message


def test_a_vendors_table_is_a_log_too(place: tuple[Home, Path]) -> None:
    """No loader, no model of the log: a source that stands for PRODUCT.predictions is enough."""
    home, project = place
    vendored(project)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(SCORES)
    monitored(home, *(game(day, 0.5, day % 2) for day in range(1, 5)))
    written = (project / "models/nba/nba_decisions.sql").read_text()
    assert written == "{{ baton.decisions('nba', predictions=source('vendor', 'scores')) }}\n"
    assert asked(home, f"select n_matured, tp, fp, fn, tn, roc_auc {WHOLE}") == [(4, 1, 1, 1, 1, 0.25)]
    said = baton("status", "--now", "2022-06-06")
    assert "predictions  kept elsewhere, newest as of 2022-06-04" in said
    assert "decisions    4 matured, 0 pending" in said


def vendored(project: Path) -> None:
    """The vendor's table instead of a log model."""
    (project / "models/nba/nba_predictions.sql").unlink()
    edit(
        project / "models/nba/nba.yml",
        (project / "models/nba/nba.yml").read_text().split("  - name: nba_results")[0],
        "models:\n",
    )
    edit(project / "models/exposures.yml", "ref('nba_predictions')", "\"source('vendor', 'scores')\"")
    (project / "models/sources/vendor.yml").write_text(SOURCE)


def test_a_vendors_table_that_is_missing_or_old_is_red_with_its_owner(place: tuple[Home, Path]) -> None:
    home, project = place
    vendored(project)
    land(home, "nba", *(game(day, 0.5, day % 2) for day in range(1, 5)))
    land(home, "nfl", FOOTBALL)
    baton("new", "nba")
    first = run_due(home)
    assert not first.success
    (missing,) = [check for check in first.failed_checks if check.check == "data_is_fresh"]
    assert (missing.asset, missing.owner, missing.severity) == ("nba/predictions", "data_engineering", "error")
    assert '"vendor"."scores" does not exist' in missing.message
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(SCORES)
        con.execute("insert into vendor.scores from vendor.scores where prediction_id = 'p1'")
    assert run_due(home).success
    late = run_due(home, datetime(2022, 7, 1))
    assert not late.success
    told = {check.check: check for check in late.failed_checks if check.asset == "nba/predictions"}
    assert "newest known_at is 2022-06-04 00:00:00" in told["data_is_fresh"].message
    assert told["data_is_fresh"].owner == "data_engineering"
    assert told["predictions_unique"].severity == "warn"  # a vendor repeats itself; decisions count an id once


def test_nobody_answers_for_a_vendors_table_until_somebody_does(place: tuple[Home, Path]) -> None:
    from orchestration.definitions import load_graph

    home, project = place
    vendored(project)
    edit(project / "models/sources/vendor.yml", "          group: data_engineering\n", "")
    edit(
        project / "models/sources/vendor.yml",
        "            freshness: {warn_after: 10 days, fail_after: 20 days, column: known_at}\n",
        "",
    )
    edit(
        project / "models/sources/vendor.yml",
        "        description: Chance of a win by the vendor. One row per prediction_id.\n",
        "",
    )
    with pytest.raises(OwnershipError) as caught:
        load_graph(home)
    told = [line for line in str(caught.value).splitlines() if "nba/predictions (models/sources/vendor.yml)" in line]
    assert [what in line for line, what in zip(told, ("no group", "no freshness", "no description"), strict=True)] == [
        True
    ] * 3


def test_an_archive_without_a_row_says_where_it_looked(place: tuple[Home, Path]) -> None:
    home, project = place
    for sport in ("nba", "nfl"):
        edit(
            project / "models/sources/forecasts.yml",
            f'config: {{meta: {{landing: {{path: "forecasts/{sport}_games*.csv"}}}}}}',
            "config: {}",
        )
    edit(
        project / "models/sources/forecasts.yml",
        "        landing: {format: csv, key: [date, team1, team2], event_at: date, assumed_lag: 48 hours}\n",
        "",
    )
    said = CliRunner().invoke(cli, ["run", "--quiet"])
    assert said.exit_code == 3
    assert '"raw"."nba_games" (known_at)' in said.output
    assert str(home.warehouse) in said.output
    assert "baton run --now" in said.output
