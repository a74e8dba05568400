"""A product is parsed once, and a bad field says where, what was found and what is allowed."""

import copy
import subprocess
import sys
from datetime import timedelta
from typing import Any

import ml_world
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.home import PROJECT_ROOT
from ml.product import ProductError, load_products, pii_columns
from ml.spec import Field

PII = {"config": {"meta": {"pii": True}}}


def load(parameters: dict[str, Any], columns: dict[str, Any] | None = None) -> Any:
    return load_products(ml_world.manifest(parameters, columns))["churn"]


def changed(path: str, value: Any) -> dict[str, Any]:
    root = copy.deepcopy(ml_world.PARAMETERS)
    *parents, last = path.split(".")
    target = root
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
    return root


def test_every_field_arrives_typed() -> None:
    product = load(
        {
            **ml_world.PARAMETERS,
            "monitor": {
                "windows": ["1d", "28d"],
                "floors": [{"metric": "roc_auc", "window": "28 days", "at_least": 0.7}],
                "drift": {"q": 0.05, "k": 1, "of": 4},
            },
        }
    )
    assert (product.name, product.label, product.owner) == ("churn", "Customer churn", "ml_engineering")
    assert product.outcome.horizon == timedelta(days=30)
    assert product.gap == timedelta(days=32)
    assert product.decide.per == timedelta(days=30)
    assert product.value.tp == "saved_usd"
    assert product.value.fp == -20.0
    assert product.value.amounts == ("saved_usd",)
    assert product.train.split.test == timedelta(days=30)
    assert product.train.candidates["hist_gradient_boosting"] == {"max_iter": 30}
    assert product.monitor.floors[0].window == timedelta(days=28)
    assert (product.monitor.floors[0].basis, product.monitor.floors[0].severity) == ("matured", "error")
    assert product.monitor.drift.of == 4
    assert product.relation("training_set") == '"churn"."training_set"'
    assert product.asset("model") == "churn/model"


def test_defaults_are_those_of_the_design() -> None:
    least = {key: ml_world.PARAMETERS[key] for key in ("entity", "outcome", "value")} | {"train": {}}
    product = load(least)
    assert (product.clock, product.holdout, product.slices) == ("wall", 0.0, ())
    assert (product.outcome.positive, product.outcome.delay_by) == ("event", ())
    assert (product.decide.per, product.decide.policy) == (product.outcome.horizon, "first")
    assert (product.train.metric, product.train.cadence.days) == ("value", 7)
    assert sorted(product.train.candidates) == ["hist_gradient_boosting", "logistic_regression"]
    assert (product.train.promote.min_matured, product.train.promote.min_positives) == (500, 50)
    assert [window.days for window in product.monitor.windows] == [1, 7, 28]


def test_without_train_a_product_is_monitored_only() -> None:
    assert load({key: value for key, value in ml_world.PARAMETERS.items() if key != "train"}).train is None


def test_per_entity_decides_once_ever() -> None:
    assert load(changed("decide.per", "entity")).decide.per is None


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("entity", None, "None; allowed is a name"),
        ("entity", 7, "7; allowed is a name"),
        ("clock", "sun", "'sun'; allowed is wall or data"),
        ("outcome.horizon", "30 moons", "'30 moons'; allowed is a whole number of minutes, hours, days or weeks"),
        (
            "outcome.horizont",
            "30 days",
            "no such field; allowed is model, positive, horizon, grace, delay_by (did you mean horizon?)",
        ),
        ("outcome.model", "churn_event", "'churn_event'; allowed is a model listed in depends_on"),
        ("outcome.positive", "yes", "'yes'; allowed is event or absence"),
        ("outcome.delay_by", "plan", "'plan'; allowed is a list"),
        ("decide.policy", "frist", "'frist'; allowed is first or latest (did you mean first?)"),
        ("value.tp", True, "True; allowed is a number, or the name of an amount column"),
        ("value.fn", None, "None; allowed is a number"),
        ("holdout", 1.5, "1.5; allowed is a number from 0 to 0.9999"),
        ("slices", [3], "slices[0]: found 3; allowed is a name"),
        ("train.metric", "accuracy", "'accuracy'; allowed is value or roc_auc"),
        (
            "train.candidates",
            {"random_forest": {}},
            "no such field; allowed is logistic_regression, hist_gradient_boosting",
        ),
        ("train.candidates", {}, "{}; allowed is at least one of logistic_regression"),
        ("train.split.test", "soon", "'soon'; allowed is a whole number of minutes"),
        ("train.promote.min_matured", 0.5, "0.5; allowed is a whole number from 0"),
        ("monitor.drift.k", 9, "9; allowed is a whole number from 1 to 3 (drift.of)"),
        ("monitor.drift.reference_until", "2026-03-31", "'2026-03-31'; allowed is nothing for a product with `train`"),
        ("monitor.drift.reference_until", "spring", "'spring'; allowed is a day, or an instant in UTC"),
        ("monitor.floors", [{"metric": "roc_auc", "window": "28d"}], "allowed is at_least, at_most or both"),
        ("monitor.floors", [{"metric": "auc", "window": "28d", "at_least": 1}], "'auc'; allowed is accuracy or"),
        (
            "monitor.floors",
            [{"metric": "f1", "window": "3d", "at_least": 1}],
            "'3d'; allowed is one of monitor.windows",
        ),
        ("monitor.windows", ["90 minutes"], "allowed is full hours, whole days or weeks, or whole"),
        ("monitor.windows", ["always"], "a whole number of minutes, hours, days or weeks"),
        ("threshold", 0.5, "no such field; allowed is entity, clock"),
    ],
)
def test_a_bad_field_names_file_product_path_found_and_allowed(path: str, value: Any, expected: str) -> None:
    with pytest.raises(ProductError) as caught:
        load(changed(path, value))
    message = str(caught.value)
    assert message.startswith("models/exposures.yml, product churn, field ")
    assert path.split(".")[-1] in message
    assert expected in message


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ProductError, match=r"field outcome\.horizon: found nothing; allowed is a whole number"):
        load({**ml_world.PARAMETERS, "outcome": {"model": "churn_events"}})


@pytest.mark.parametrize("field", ["entity", "slices", "value"])
def test_named_columns_must_be_declared_in_the_sets(field: str) -> None:
    columns = {name: {} for name in ("account_id", "plan", "saved_usd")}
    del columns[{"entity": "account_id", "slices": "plan", "value": "saved_usd"}[field]]
    with pytest.raises(ProductError, match=f"field {field}: .* a column of churn_training_set"):
        load(ml_world.PARAMETERS, columns)


def test_pii_and_columns_flagged_no_feature_are_excluded() -> None:
    columns = {
        "account_id": {},
        "plan": {"meta": {"feature": False}},
        "saved_usd": {},
        "email": {"config": {"meta": {"pii": True}}},
        "tickets": {"meta": {"pii": False}},
    }
    assert load(ml_world.PARAMETERS, columns).excluded == ("email", "plan")


def test_a_flag_counts_in_either_place_where_dbt_keeps_meta() -> None:
    columns = {"Email": {"meta": {"pii": True}, "config": {"meta": {"label": "E-mail"}}}, "phone": PII, "plan": {}}
    manifest = {"nodes": {"model.p.m": {"columns": columns}}, "sources": {"source.p.s": {"columns": {"name": PII}}}}
    assert pii_columns(manifest) == {"email", "phone", "name"}


def test_pii_is_excluded_wherever_it_was_flagged() -> None:
    manifest = ml_world.manifest(columns={name: {} for name in ("account_id", "plan", "saved_usd", "email", "phone")})
    manifest["nodes"]["model.demo.staging_accounts"] = {"name": "staging_accounts", "columns": {"Phone": PII}}
    manifest["sources"] = {"source.demo.raw.accounts": {"name": "accounts", "columns": {"email": PII, "plan": {}}}}
    assert load_products(manifest)["churn"].excluded == ("email", "phone")


def test_hash_sees_parameters_and_nothing_else() -> None:
    base = load(ml_world.PARAMETERS)
    spelled_out = load(
        {
            **ml_world.PARAMETERS,
            "clock": "wall",
            "outcome": dict(
                reversed({**ml_world.PARAMETERS["outcome"], "delay_by": [], "horizon": "720 hours"}.items())
            ),
        }
    )
    assert base.spec_hash == spelled_out.spec_hash
    assert len(base.spec_hash) == 12
    floors = load({**ml_world.PARAMETERS, "monitor": {"drift": {"k": 1}}})
    assert floors.spec_hash != base.spec_hash
    assert floors.training_hash == base.training_hash
    assert load(changed("value.fp", -21)).training_hash != base.training_hash


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )
)
def test_whatever_stands_there_the_error_is_ours(value: Any) -> None:
    for path in ("outcome", "decide", "value", "train", "monitor", "slices", "holdout"):
        message = ""
        try:
            load(changed(path, value))
        except ProductError as error:
            message = str(error)
        assert not message or f"field {path}" in message


def test_what_the_graph_imports_at_load_is_light() -> None:
    heavy = "{'numpy', 'pandas', 'sklearn', 'mlflow', 'pyarrow', 'duckdb', 'matplotlib'}"
    code = f"import sys, ml.product, ml.checks, ml.registry, ml.ops_tables, ml.ids; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
    assert found.stdout.strip() == "set()"


def test_field_reads_where_it_was_found() -> None:
    assert Field(3, "a.b", "churn", "x.yml").whole() == 3
