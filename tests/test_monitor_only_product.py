"""A product without `train`, without `value`, without sets: what both sides read, and what they refuse."""

from collections.abc import Iterator
from typing import Any

import pytest
from dbt_common.exceptions import CompilationError
from macro_harness import MacroHarness

from ml.product import Product, ProductError, load_products

LEAST: dict[str, Any] = {"entity": "game_id", "outcome": {"model": "nba_results", "horizon": "1 day"}}
MONEY = {"currency": "EUR", "tp": "stake_eur", "fp": -1, "fn": 0, "tn": 0}


def floored(metric: str, **more: Any) -> dict[str, Any]:
    return {**LEAST, **more, "monitor": {"floors": [{"metric": metric, "window": "28d", "at_least": 0.5}]}}


PRODUCTS = {
    "least": LEAST,
    "no_value_floor": floored("value_lift"),
    "value_floor": floored("value_lift", value=MONEY),
    "auc_floor": floored("roc_auc"),
}


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("monitor_only"), PRODUCTS) as harness:
        yield harness


def load(parameters: dict[str, Any], **models: dict[str, Any]) -> Product:
    """The product `nba`, whose exposure depends on `models`, each with the columns its yml declares."""
    models = {"nba_results": {}, "nba_predictions": {}, **models}
    nodes = {f"model.shop.{name}": {"name": name, "columns": columns} for name, columns in models.items()}
    exposure = {
        "name": "nba",
        "type": "ml",
        "original_file_path": "models/exposures.yml",
        "depends_on": {"nodes": [*nodes, "source.shop.vendor.scores"]},
        "config": {"meta": {"product": parameters}},
    }
    return load_products({"exposures": {"exposure.shop.nba": exposure}, "nodes": nodes})["nba"]


def test_entity_and_outcome_are_enough(macros: MacroHarness) -> None:
    product = load(LEAST)
    assert (product.train, product.value, product.holdout, product.slices) == (None, None, 0.0, ())
    filled = macros.evaluate("product", "least")
    assert (filled["train"], filled.get("value"), filled["holdout"], filled["slices"]) == (None, None, 0, [])
    assert load({key: value for key, value in filled.items() if key != "name"}).spec_hash == product.spec_hash


def test_training_needs_the_value_that_a_threshold_is_chosen_by() -> None:
    with pytest.raises(ProductError, match=r"field value: found nothing; allowed is a mapping with currency, tp"):
        load({**LEAST, "train": {}}, nba_training_set={})
    with pytest.raises(ProductError, match=r"product nba, field value: .* training needs it"):
        load(LEAST).cells  # noqa: B018  (the property raises)


def test_half_a_value_is_no_value() -> None:
    with pytest.raises(ProductError, match=r"field value\.fn: found nothing; allowed is a number"):
        load({**LEAST, "value": {"tp": 1, "fp": -1}})


def test_a_floor_on_money_needs_a_value_on_both_sides(macros: MacroHarness) -> None:
    with pytest.raises(ProductError, match=r"floors\[0\]\.metric: found 'value_lift'; .*declares no value"):
        load(PRODUCTS["no_value_floor"])
    with pytest.raises(CompilationError, match=r"product no_value_floor, .*'value_lift'.*declares no value"):
        macros.evaluate("floors", "no_value_floor")
    for name in ("value_floor", "auc_floor"):
        (said,) = macros.evaluate("floors", name)
        (floor,) = load(PRODUCTS[name], nba_predictions={}).monitor.floors
        assert (said["metric"], said["min_n"]) == (floor.metric, floor.min_n)


@pytest.mark.parametrize(("field", "column"), [("entity", "game_id"), ("slices", "season"), ("value", "stake_eur")])
def test_the_log_carries_what_the_product_names(field: str, column: str) -> None:
    parameters = {**LEAST, "slices": ["season"], "value": MONEY}
    columns: dict[str, Any] = {name: {} for name in ("game_id", "season", "stake_eur")}
    assert load(parameters, nba_predictions=columns).slices == ("season",)
    del columns[column]
    with pytest.raises(ProductError, match=f"field {field}: .* a column of nba_predictions"):
        load(parameters, nba_predictions=columns)


def test_a_scoring_set_carries_them_where_there_is_one() -> None:
    columns: dict[str, Any] = {name: {} for name in ("game_id", "season")}
    parameters = {**LEAST, "slices": ["season"]}
    assert load(parameters, nba_predictions={"game_id": {}}, nba_scoring_set=columns).slices == ("season",)
    with pytest.raises(ProductError, match="a column of nba_scoring_set"):
        load(parameters, nba_predictions=columns, nba_scoring_set={"game_id": {}})
