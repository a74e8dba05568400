"""`metric_within` and `metric_no_worse_than`: which row is judged, what passes, and what a failing row says."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt.adapters.factory import FACTORY
from dbt.cli.main import dbtRunner
from dbt_common.exceptions import CompilationError
from macro_harness import PACKAGE, MacroHarness

END = datetime(2025, 3, 30)
PERFORMANCE = {
    "window_kind": "varchar", "window_end": "timestamp", "slice_name": "varchar", "slice_value": "varchar",
    "model_version": "varchar", "basis": "varchar", "n": "bigint", "n_matured": "bigint", "n_too_fresh": "bigint",
    "accuracy": "double", "accuracy_low": "double", "accuracy_high": "double", "log_loss": "double",
    "coverage": "double", "n_population": "bigint", "share_never_scored": "double", "accuracy_error": "double",
    "ks": "double",
}  # fmt: skip
METRICS = {
    "metric": "varchar", "window_kind": "varchar", "window_end": "timestamp", "slice_name": "varchar",
    "slice_value": "varchar", "value": "double", "value_low": "double", "value_high": "double", "n": "bigint",
}  # fmt: skip
VERSIONS = {"product": "varchar", "version": "integer", "metrics": "json"}


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("metric_checks"), now="2025-03-30 06:00:00") as harness:
        yield harness


def row(accuracy: float | None, day: int = 0, **changed: Any) -> tuple[Any, ...]:
    """A performance row of the 28d window that ended `day` days ago: overall, matured, 100 decisions, all closed."""
    width = None if accuracy is None else 0.05
    values: dict[str, Any] = {
        "window_kind": "28d", "window_end": END - timedelta(days=day), "slice_name": "overall", "slice_value": "all",
        "model_version": "all", "basis": "matured", "n": 100, "n_matured": 100, "n_too_fresh": None,
        "accuracy": accuracy, "accuracy_low": width and accuracy - width, "accuracy_high": width and accuracy + width,
        "log_loss": 0.3, "coverage": 1.0, "n_population": 100, "share_never_scored": 0.0, "accuracy_error": None,
        "ks": 0.4,
    }  # fmt: skip
    return tuple({**values, **changed}.values())


def within(macros, rows: list[tuple[Any, ...]], metric: str = "accuracy", **arguments: Any) -> list[dict[str, Any]]:
    macros.load("performance", PERFORMANCE, rows)
    return macros.query(macros.render("test_metric_within", "performance", metric=metric, window="28d", **arguments))


def test_the_newest_closed_window_is_judged(macros):
    rows = [row(0.5, 9), row(0.7, 3), row(0.1, n_matured=99), row(0.1, window_kind="1d"), row(0.1, basis="naive")]
    assert within(macros, rows, at_least=0.7) == []
    (failed,) = within(macros, rows, at_least=0.75, at_most=0.9)
    assert failed["message"] == (
        "accuracy 0.7 (95 % interval 0.65 to 0.75) breaks >= 0.75 and <= 0.9 in the 28d window ending "
        "2025-03-27 00:00:00, basis matured, n 100"
    )
    assert (failed["metric"], failed["value"], failed["bound"]) == ("accuracy", 0.7, ">= 0.75 and <= 0.9")


def test_less_coverage_may_be_asked_for(macros):
    rows = [row(0.9, 3), row(0.1, n_matured=99)]
    assert within(macros, rows, at_least=0.5) == []
    assert [r["n"] for r in within(macros, rows, at_least=0.5, min_coverage=0.9)] == [99]


def test_a_metric_without_interval_and_an_upper_bound(macros):
    (failed,) = within(macros, [row(0.9)], metric="log_loss", at_most=0.2)
    assert failed["message"].startswith("log_loss 0.3 breaks <= 0.2 in the 28d window")
    assert within(macros, [row(0.9)], metric="log_loss", at_most=0.3) == []
    (failed,) = within(macros, [row(0.9)], metric="ks", at_least=0.5)
    assert failed["message"].startswith("ks 0.4 breaks >= 0.5 in the 28d window")
    assert within(macros, [row(0.9)], metric="ks", at_least=0.4) == []


@pytest.mark.parametrize(
    "rows", [[], [row(0.1, n=29, n_matured=29)], [row(None)], [row(0.1, n=0, n_matured=0)], [row(0.1, n_matured=50)]]
)
def test_too_little_data_passes(macros, rows):
    assert within(macros, rows, at_least=0.9) == []


def test_other_bases_judge_the_newest_window_on_what_is_not_too_fresh(macros):
    fresh = {"basis": "delay_corrected", "n_matured": 0}
    rows = [row(0.9, 1, n_too_fresh=0, **fresh), row(0.6, n_too_fresh=20, **fresh), row(0.9)]
    assert within(macros, rows, at_least=0.7) == []
    (failed,) = within(macros, rows, at_least=0.7, basis="delay_corrected")
    assert (failed["n"], failed["window_end"]) == (80, END)
    assert within(macros, rows, at_least=0.7, basis="delay_corrected", min_coverage=0.9) == []
    assert within(macros, rows, at_least=0.7, basis="delay_corrected", min_n=81) == []
    estimated = [row(0.6, basis="estimated", n_matured=0)]
    assert len(within(macros, estimated, at_least=0.7, basis="estimated")) == 1


def test_coverage_is_judged_on_the_newest_window(macros):
    """In a closed window it is 1, and nobody could ever fail it."""
    rows = [row(0.9, 3), row(0.9, n_matured=40, coverage=0.4)]
    assert within(macros, rows, "coverage", at_least=0.3) == []
    (failed,) = within(macros, rows, "coverage", at_least=0.5)
    assert (failed["value"], failed["n"], failed["window_end"]) == (0.4, 100, END)


def test_who_was_never_scored_is_judged_on_the_newest_window_even_where_nobody_was(macros):
    unscored = {"n": 0, "n_matured": 0, "n_population": 60, "share_never_scored": 1.0}
    rows = [row(0.9, 3), row(None, coverage=None, **unscored)]
    assert within(macros, rows, "share_never_scored", at_most=1) == []
    (failed,) = within(macros, rows, "share_never_scored", at_most=0.5)
    assert (failed["value"], failed["n"], failed["window_end"]) == (1.0, 60, END)
    assert within(macros, rows, "share_never_scored", at_most=0.5, min_n=61) == []


def test_the_error_of_an_estimate_is_judged_once_it_is_known(macros):
    estimated = {"basis": "estimated"}
    rows = [row(0.9, 3, accuracy_error=0.3, **estimated), row(0.9, n_matured=99, **estimated), row(0.9, 3)]
    assert within(macros, rows, "accuracy_error", at_most=0.3, basis="estimated") == []
    (failed,) = within(macros, rows, "accuracy_error", at_most=0.1, basis="estimated")
    assert (failed["value"], failed["n"], failed["window_end"]) == (0.3, 100, END - timedelta(days=3))


def test_one_value_or_every_value_of_a_slice(macros):
    rows = [row(0.9)] + [
        row(accuracy, slice_name="plan", slice_value=plan, n=n, n_matured=n)
        for plan, accuracy, n in (("it's", 0.2, 100), ("growth", 0.3, 40), ("tiny", 0.1, 5))
    ]
    assert within(macros, rows, at_least=0.5) == []
    (failed,) = within(macros, rows, at_least=0.5, slice={"plan": "it's"})
    assert ", plan it's, basis matured" in failed["message"]
    assert {r["slice_value"] for r in within(macros, rows, at_least=0.5, slice="plan")} == {"it's", "growth"}


def test_a_business_metric_is_judged_the_same_way(macros):
    macros.load("metrics", METRICS, [
        ("churn_rate", "28d", END, "overall", "all", 0.08, 0.06, 0.1, 500),
        ("churn_rate", "28d", END - timedelta(days=7), "overall", "all", 0.9, 0.8, 1.0, 500),
        ("other", "28d", END, "overall", "all", 0.9, 0.8, 1.0, 500),
        ("churn_rate", "28d", END, "plan", "x", 0.2, 0.1, 0.3, 50),
    ])  # fmt: skip
    check = {"metric": "churn_rate", "window": "28d"}
    (failed,) = macros.query(macros.render("test_metric_within", "metrics", **check, at_most=0.05))
    assert failed["message"] == (
        "churn_rate 0.08 (95 % interval 0.06 to 0.1) breaks <= 0.05 in the 28d window ending 2025-03-30 00:00:00, n 500"
    )
    assert macros.query(macros.render("test_metric_within", "metrics", **check, at_most=0.1)) == []
    (failed,) = macros.query(macros.render("test_metric_within", "metrics", **check, at_most=0.1, slice="plan"))
    assert failed["slice_value"] == "x"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "give at_least, at_most or both"),
        ({"at_least": 0, "basis": "naive"}, "never checked"),
        ({"at_least": 0, "basis": "mature"}, "allowed is matured, delay_corrected or estimated"),
    ],
)
def test_a_bad_declaration_says_what_is_allowed(macros, arguments, said):
    with pytest.raises(CompilationError, match=said):
        macros.render("test_metric_within", "performance", metric="accuracy", window="28d", **arguments)


def kept(
    macros, rows: list[tuple[Any, ...]], metrics: str | None, metric: str = "accuracy", **arguments: Any
) -> list[dict[str, Any]]:
    macros.load("performance", PERFORMANCE, rows)
    macros.load("versions", VERSIONS, [("churn", 7, metrics), ("other", 7, '{"accuracy": 1.0}')])
    named = {"product": "churn", "versions": "versions", "metric": metric, "window": "28d"}
    return macros.query(macros.render("test_metric_no_worse_than", "performance", **named, **arguments))


def of_version(accuracy: float | None, **changed: Any) -> tuple[Any, ...]:
    return row(accuracy, model_version="7", **changed)


def test_a_promise_is_broken_when_the_whole_interval_lies_below_it(macros):
    rows = [row(0.8), of_version(0.8)]
    assert kept(macros, rows, '{"accuracy": 0.84}') == []  # the interval reaches to 0.85
    (failed,) = kept(macros, rows, '{"accuracy": 0.9}')
    assert failed["message"] == (
        "version 7: accuracy 0.8 (95 % interval 0.75 to 0.85) is worse than the 0.9 of its test rows in the 28d window "
        "ending 2025-03-30 00:00:00, basis matured, n 100"
    )
    assert kept(macros, rows, '{"accuracy": 0.9}', margin=0.06) == []
    assert "by more than 0.04" in kept(macros, rows, '{"accuracy": 0.9}', margin=0.04)[0]["message"]
    assert len(kept(macros, rows, '{"accuracy": 0, "validation_accuracy": 1}', promise="validation_accuracy")) == 1


def test_of_a_loss_more_is_worse(macros):
    rows = [row(0.8), of_version(0.8)]
    assert len(kept(macros, rows, '{"log_loss": 0.25}', metric="log_loss")) == 1
    assert kept(macros, rows, '{"log_loss": 0.35}', metric="log_loss") == []
    assert kept(macros, rows, '{"log_loss": 0.25}', metric="log_loss", margin=0.1) == []


@pytest.mark.parametrize("metrics", [None, "{}", '{"accuracy": null}'])
def test_who_promised_nothing_breaks_no_promise(macros, metrics):
    assert kept(macros, [row(0.1), of_version(0.1)], metrics) == []


def test_too_little_data_of_a_version_passes(macros):
    assert kept(macros, [row(0.1), of_version(0.1, n=20, n_matured=20)], '{"accuracy": 0.9}') == []
    assert kept(macros, [row(0.1), of_version(None)], '{"accuracy": 0.9}') == []
    assert kept(macros, [row(0.1, n_matured=40), of_version(0.1)], '{"accuracy": 0.9}') == []


def test_a_promise_about_what_training_does_not_measure_is_refused(macros):
    with pytest.raises(CompilationError, match="metric is 'n_matured'; allowed is one of accuracy"):
        kept(macros, [], None, metric="n_matured")


def test_a_number_in_json_is_read_alike_by_both_variants(macros):
    text = """'{"a": 0.125, "b": null, "c": 3}'::json"""
    for key, number in (("a", 0.125), ("b", None), ("c", 3.0), ("d", None)):
        found = [macros.value(macros.render(f"{kind}__json_number", text, key)) for kind in ("default", "duckdb")]
        assert found == [number, number]


TESTS = """
groups: [{name: ml_engineering, owner: {name: ML, email: ml@example.com}}]
models:
  - name: performance
    config: {group: ml_engineering}
    data_tests:
      - baton.metric_within: {name: accurate, arguments: {metric: accuracy, window: 28d, at_least: 0.9}}
      - baton.metric_within: {name: accurate_enough, arguments: {metric: accuracy, window: 28d, at_least: 0.5}}
      - baton.metric_no_worse_than:
          name: as_promised
          arguments: {product: churn, versions: "ref('versions')", metric: accuracy, window: 28d}
"""


def test_in_a_project_the_message_names_the_owner(tmp_path: Path):
    duck = {"type": "duckdb", "path": str(tmp_path / "warehouse.duckdb"), "threads": 1}
    documents = {
        "dbt_project.yml": {"name": "checked", "version": "1.0", "config-version": 2, "profile": "checked"},
        "packages.yml": {"packages": [{"local": str(PACKAGE)}]},
        "profiles.yml": {"checked": {"target": "duckdb", "outputs": {"duckdb": duck}}},
        "models/tests.yml": yaml.safe_load(TESTS),
    }
    (tmp_path / "models").mkdir()
    for name, content in documents.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    rows = [dict(zip(PERFORMANCE, each, strict=True)) for each in (row(0.8), of_version(0.8))]
    (tmp_path / "models/performance.sql").write_text(" union all ".join(map(select, rows)))
    (tmp_path / "models/versions.sql").write_text(
        """select 'churn' as product, 7 as version, '{"accuracy": 0.95}'::json as metrics"""
    )
    places = ["--project-dir", str(tmp_path), "--profiles-dir", str(tmp_path)]
    flags = ["--quiet", "--no-send-anonymous-usage-stats", "--log-level-file", "none"]
    for command in ("deps", "build"):
        outcome = dbtRunner().invoke([*flags, command, *places])
    for adapter in FACTORY.adapters.values():
        adapter.connections.close_all_connections()
    results = {result.node.name: result for result in outcome.result}
    assert {name: str(results[name].status) for name in ("accurate", "accurate_enough", "as_promised")} == {
        "accurate": "fail", "accurate_enough": "pass", "as_promised": "fail",
    }  # fmt: skip
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        for name in ("accurate", "as_promised"):
            (message,) = con.execute(f"select message from ({results[name].node.compiled_code})").fetchone()
            assert message.endswith("basis matured, n 100; owner ml_engineering")


def select(values: dict[str, Any]) -> str:
    def literal(value: Any) -> str:
        return "null" if value is None else f"'{value}'" if isinstance(value, str | datetime) else str(value)

    columns = (f"cast({literal(value)} as {PERFORMANCE[name]}) as {name}" for name, value in values.items())
    return f"select {', '.join(columns)}"
