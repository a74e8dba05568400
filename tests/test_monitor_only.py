"""Predictions nobody here made: real forecasts of games, through the whole pipeline to the last printed digit."""

import csv
import json
import shutil
from datetime import datetime
from typing import Any

import pytest
from forecasts_project import SOURCE, SPORTS, baton, overlay
from overlay_homes import at
from sklearn.metrics import roc_auc_score

import ml
from ml.home import Home
from orchestration.outcome import RunOutcome

NOW = datetime(2022, 6, 18)  # the last game is of 16 June 2022, its result known two days after the day began
GOLDEN = {"nba": (8886, 0.711303, 0.214654, 0.619093), "nfl": (1882, 0.691782, 0.220826, 0.631516)}
SEASONS = {
    "2016": (1316, 0.7438, 0.1991), "2017": (1309, 0.6893, 0.2193), "2018": (1312, 0.7060, 0.2131),
    "2019": (1312, 0.7083, 0.2127), "2020": (1143, 0.7036, 0.2216),
    "2021": (1171, 0.7044, 0.2205), "2022": (1323, 0.7173, 0.2177),
}  # fmt: skip
NEEDS_A_LABEL = (
    *("tp", "fp", "fn", "tn", "accuracy", "precision", "recall", "f1", "balanced_accuracy"),
    *("value", "value_per_decision", "value_lift"),
)

pytestmark = pytest.mark.skipif(not SOURCE.exists(), reason="the forecasts (../shared/data) are not here")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home after the first run on the forecasts; its monitoring models are those that `baton new` writes."""
    from orchestration.launch import run_due

    root = tmp_path_factory.mktemp("forecasts")
    overlay(root / "project")
    home = Home(root / "home").ensure()
    (home.landing / "forecasts").mkdir()
    for sport in SPORTS:
        shutil.copy(SOURCE / f"{sport}_games.csv", home.landing / "forecasts")
    patch = at(home, root / "project")
    try:
        for sport in SPORTS:
            baton("new", sport)
        outcome = run_due(home)
        assert outcome.success, [*outcome.failed_steps, *outcome.failed_checks]
        yield home, outcome
    finally:
        patch.undo()


def games(sport: str) -> list[tuple[float, int]]:
    """Forecast and result of every game with a winner, from the file itself."""
    with (SOURCE / f"{sport}_games.csv").open() as file:
        rows = [(float(row["prob1"]), float(row["prob1_outcome"])) for row in csv.DictReader(file)]
    return [(chance, int(won)) for chance, won in rows if won in (0, 1)]


def measured(home: Home, sport: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The newest matured rows over all versions by slice."""
    with ml.connect(home) as con:
        found = con.execute(
            f"select * from {sport}.performance where window_kind = 'whole' and model_version = 'all' "
            "and basis = 'matured' qualify window_end = max(window_end) over ()"
        )
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {(row["slice_name"], row["slice_value"]): row for row in rows}


@pytest.mark.parametrize("sport", SPORTS)
def test_performance_is_the_published_one(world: tuple[Home, RunOutcome], sport: str) -> None:
    row = measured(world[0], sport)["overall", "all"]
    assert (row["n_matured"], row["coverage"]) == (GOLDEN[sport][0], 1)
    assert tuple(round(row[name], 6) for name in ("roc_auc", "brier", "log_loss")) == GOLDEN[sport][1:]
    chance, won = zip(*games(sport), strict=True)
    assert row["roc_auc"] == pytest.approx(roc_auc_score(won, chance), abs=1e-9)
    assert row["roc_auc_low"] < row["roc_auc"] < row["roc_auc_high"]


def test_seasons_are_a_slice_that_the_log_itself_carries(world: tuple[Home, RunOutcome]) -> None:
    found = {value: row for (name, value), row in measured(world[0], "nba").items() if name == "season"}
    assert {value: row["n_matured"] for value, row in found.items()} == {
        value: n for value, (n, _, _) in SEASONS.items()
    }
    for value, (_, auc, brier) in SEASONS.items():
        assert found[value]["roc_auc"] == pytest.approx(auc, abs=1e-3)  # binned per slice
        assert round(found[value]["brier"], 4) == brier


@pytest.mark.parametrize("sport", SPORTS)
def test_without_threshold_and_value_nothing_is_made_up(world: tuple[Home, RunOutcome], sport: str) -> None:
    row = measured(world[0], sport)["overall", "all"]
    assert {name: row[name] for name in NEEDS_A_LABEL} == dict.fromkeys(NEEDS_A_LABEL)
    assert (row["n_population"], row["share_never_scored"]) == (None, None)


def test_later_forecasts_are_held_against_the_first_season(world: tuple[Home, RunOutcome]) -> None:
    with ml.connect(world[0]) as con:
        found = con.execute(
            "select distinct feature, reference, n_reference from nba.drift where status <> 'insufficient_data'"
        ).fetchall()
        first = con.execute("select count(*) from nba.predictions where as_of <= '2016-06-30'").fetchone()
    assert first is not None
    assert found == [("score", "first_windows", first[0])]


def test_a_business_metric_is_measured_on_the_log(world: tuple[Home, RunOutcome]) -> None:
    with ml.connect(world[0]) as con:
        found = con.execute(
            "select n, round(value, 6) from nfl.metrics where metric = 'mean_chance' and window_kind = 'whole' "
            "and slice_name = 'overall'"
        ).fetchall()
    assert found == [(1882, 0.576852)]  # above the rate of 0.547290: the first team is overrated


def test_a_tie_is_left_out_with_its_reason(world: tuple[Home, RunOutcome]) -> None:
    with ml.connect(world[0]) as con:
        left_out = con.execute(
            "select count(*), min(exclusion_reason), max(exclusion_reason) from staging.nfl_games g "
            "where not exists (from nfl.predictions p where p.game_id = g.game_id)"
        ).fetchone()
    assert left_out == (7, "tie: neither team won", "tie: neither team won")


def test_the_log_is_honest_about_time(world: tuple[Home, RunOutcome]) -> None:
    """The day begins, the forecast stands; the day ends, the game is played; a day later the result is known."""
    with ml.connect(world[0]) as con:
        found = con.execute(
            "select distinct p.known_at - p.as_of, r.event_at - p.as_of, r.valid_from - p.as_of "
            "from nba.predictions p join nba.results r using (game_id)"
        ).fetchall()
    assert [tuple(lag.total_seconds() / 86400 for lag in row) for row in found] == [(0, 1, 2)]


def test_a_run_loads_builds_and_checks_and_neither_trains_nor_predicts(world: tuple[Home, RunOutcome]) -> None:
    outcome = world[1]
    assert outcome.now == NOW
    assert [job.job for job in outcome.jobs] == ["load", "daily"]
    assert set(outcome.jobs[1].step_seconds) == {"raw", "dbt", "published"}
    assert outcome.failed_checks == ()
    judged = {(check.asset, check.check) for check in outcome.checks}
    assert {("nba/predictions", "predictions_unique"), ("nba/predictions", "data_is_fresh")} <= judged
    assert ("nba/performance", "within_the_floors_of_the_exposure") in judged


@pytest.mark.long
def test_a_second_run_changes_nothing(world: tuple[Home, RunOutcome]) -> None:
    from orchestration.launch import run_due

    home = world[0]
    told = "select * exclude (built_at, evaluated_at) from nba.performance order by all"
    with ml.connect(home) as con:
        before = con.execute(told).fetchall()
    again = run_due(home)
    assert (again.success, again.now) == (True, NOW)
    with ml.connect(home) as con:
        assert con.execute(told).fetchall() == before


def test_the_screen_says_what_is_monitored_and_shows_no_model_and_no_money(world: tuple[Home, RunOutcome]) -> None:
    said = baton("status", "--now", "2022-06-18")
    assert "NBA forecasts (nba)" in said
    assert "predictions are made elsewhere, Baton monitors them" in said
    assert "predictions  8,886, newest as of 2022-06-16" in said
    assert "ROC AUC 0.711 (0.700 to 0.722); 8,886 decisions, window whole to 2022-06-18" in said
    assert "champion     none yet" not in said
    assert "value  " not in said
    assert "Checks that are not green: none" in said
    facts = json.loads(baton("status", "--json", "--now", "2022-06-18"))["products"]
    assert [(each["name"], each["is_monitor_only"], each["champion"]) for each in facts] == [
        ("nba", True, None),
        ("nfl", True, None),
    ]
