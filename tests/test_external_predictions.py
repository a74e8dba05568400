"""`baton.external_predictions`: forecasts made elsewhere in the columns of Baton's own log."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from how_many import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness

from ml import ops_tables

PRODUCTS = {
    "games": {"entity": "game_id", "outcome": {"horizon": "1 day"}, "decide": {"per": "entity"}},
    "stakes": {
        "entity": "game_id",
        "outcome": {"horizon": "1 day"},
        "decide": {"per": "entity"},
        "slices": ["season"],
        "value": {"tp": "stake_eur", "fp": -1, "fn": 0, "tn": 0},
    },
}
COLUMNS = {
    "game_id": "varchar",
    "as_of": "timestamp",
    "score": "decimal(4, 3)",
    "known_at": "timestamp",
    "row_id": "bigint",
    "season": "integer",
    "stake_eur": "double",
    "cut": "double",
    "said": "integer",
    "version": "varchar",
}
DAY = datetime(2025, 3, 1)


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("external"), PRODUCTS) as harness:
        yield harness


def row(game: str | None = "a", **given: Any) -> tuple[Any, ...]:
    known: dict[str, Any] = {
        "game_id": game, "as_of": DAY, "score": 0.25, "known_at": DAY, "row_id": 1, "season": 7,
        "stake_eur": 2.0, "cut": 0.5, "said": None, "version": None,
    }  # fmt: skip
    assert set(given) <= set(known)
    return tuple({**known, **given}.values())


def log(macros: MacroHarness, *rows: tuple[Any, ...], product: str = "games", **given: Any) -> list[dict[str, Any]]:
    macros.load("forecasts", COLUMNS, rows)
    return macros.query(macros.render("external_predictions", product, "forecasts", **given))


def test_it_has_the_columns_of_batons_own_log_and_carries_slices_and_amounts(macros: MacroHarness) -> None:
    (said,) = log(macros, row(), product="stakes")
    declared = re.search(r"if not exists \{predictions\} \((.*?)\);", ops_tables._PREDICTIONS, re.S)
    assert declared is not None
    own = [field.split()[0].strip('"').replace("{entity}", "game_id") for field in declared[1].split(",")]
    assert set(said) == {*own, "season", "stake_eur"}
    assert (said["season"], said["stake_eur"]) == (7, 2.0)


def test_what_is_not_said_is_null_and_when_it_was_made_is_as_of(macros: MacroHarness) -> None:
    (said,) = log(macros, row())
    unknown = (
        "raw_score",
        "threshold",
        "predicted_label",
        "reasons",
        "model_version",
        "model_fingerprint",
        "is_holdout",
    )
    assert {said[name] for name in (*unknown, "dagster_run_id", "mlflow_run_id")} == {None}
    assert (said["as_of"], said["predicted_at"], said["known_at"]) == (DAY, DAY, DAY)
    assert (said["role"], said["origin"], said["score"]) == ("champion", "external", 0.25)


def test_expressions_fill_the_columns(macros: MacroHarness) -> None:
    (said,) = log(
        macros,
        row(version="v7", known_at=DAY + timedelta(hours=3)),
        score="1 - score",
        as_of="as_of + interval 1 hour",
        predicted_at="as_of + interval 2 hours",
        known_at="known_at",
        threshold="cut",
        model_version="version",
        is_holdout="season = 7",
    )
    hours = [said[name] - DAY for name in ("as_of", "predicted_at", "known_at")]
    assert hours == [timedelta(hours=hour) for hour in (1, 2, 3)]
    assert (said["score"], said["threshold"], said["predicted_label"]) == (0.75, 0.5, 1)
    assert (said["model_version"], said["is_holdout"]) == ("v7", True)


def test_a_label_that_was_said_wins_over_the_threshold(macros: MacroHarness) -> None:
    (said,) = log(macros, row(score=0.9, said=0), threshold="cut", predicted_label="said")
    assert said["predicted_label"] == 0


def test_what_is_excluded_stays_out(macros: MacroHarness) -> None:
    found = log(macros, row("a"), row("tie", season=0), where="season <> 0")
    assert [entry["game_id"] for entry in found] == ["a"]


def test_what_is_excluded_later_leaves_and_comes_back(macros: MacroHarness) -> None:
    """The newest row of a forecast says whether it is judged, its first one what was said."""
    later = [DAY + timedelta(days=days) for days in range(3)]
    written = [row("a"), row("tie", score=0.4, known_at=later[0])]
    written += [row("tie", season=0, score=0.9, known_at=later[1], row_id=2)]
    assert [entry["game_id"] for entry in log(macros, *written, excluded="season = 0")] == ["a"]
    written += [row("tie", score=0.9, known_at=later[2], row_id=3)]
    found = {entry["game_id"]: float(entry["score"]) for entry in log(macros, *written, excluded="season = 0")}
    assert found["tie"] == 0.4


def test_a_forecast_without_an_entity_is_shown_by_the_check_not_hidden(macros: MacroHarness) -> None:
    """predictions_unique returns missing ids; the log is where they are seen."""
    (said,) = log(macros, row(None))
    assert said["prediction_id"] is None


games = st.sampled_from(["a", "b", "it's ünï"])
rows = st.lists(
    st.tuples(games, st.integers(0, 2), st.sampled_from([None, "v1", "v2"]), st.integers(0, 3), st.integers(0, 1000)),
    max_size=12,
)


@settings(max_examples=examples(30), deadline=None)
@given(rows)
def test_the_first_written_row_of_a_forecast_counts_and_ids_sort_by_time(
    macros: MacroHarness, written: list[tuple[str, int, str | None, int, int]]
) -> None:
    """Against the plain meaning: per game, as_of and version the row with the lowest (known_at, row_id)."""
    given_rows = [
        row(game, as_of=DAY + timedelta(days=day), version=version, known_at=DAY + timedelta(days=known),
            row_id=number, score=score / 1000)
        for number, (game, day, version, known, score) in enumerate(written)
    ]  # fmt: skip
    first: dict[tuple[Any, ...], tuple[int, int, float]] = {}
    for number, (game, day, version, known, score) in enumerate(written):
        key, entry = (game, DAY + timedelta(days=day), version), (known, number, score / 1000)
        first[key] = min(first.get(key, entry), entry)
    found = log(macros, *given_rows, model_version="version")
    told = {(entry["game_id"], entry["as_of"], entry["model_version"]): entry["score"] for entry in found}
    assert told == {key: score for key, (_, _, score) in first.items()}
    assert len({entry["prediction_id"] for entry in found}) == len(found)
    by_id = sorted(found, key=lambda entry: str(entry["prediction_id"]))
    assert [entry["as_of"] for entry in by_id] == sorted(entry["as_of"] for entry in found)
    again = log(macros, *reversed(given_rows), model_version="version")
    assert {entry["prediction_id"] for entry in again} == {entry["prediction_id"] for entry in found}
