"""Generic tests: silent on good data; on bad data the failing row says what was found, what is allowed, and where."""

from datetime import datetime
from typing import Any

import pytest
from dbt_common.exceptions import CompilationError
from macro_harness import MacroHarness

D = [datetime(2025, 3, day) for day in range(1, 8)]
FLOORS = [
    {"metric": "accuracy", "window": "28d", "at_least": 0.9},
    {"metric": "roc_auc", "window": "28d", "at_least": 0.6, "at_most": 0.95},
    {"metric": "log_loss", "window": "1d", "at_most": 0.5, "severity": "warn", "min_n": 10},
]
BASE = {"entity": "account_id", "outcome": {"horizon": "3 days"}, "decide": {"per": "1 day", "policy": "first"}}
PRODUCTS = {
    "churn": {**BASE, "monitor": {"windows": ["1d", "28d"], "floors": FLOORS}},
    "bases": {
        **BASE,
        "monitor": {
            "windows": ["3h", "28d", "whole"],
            "floors": [
                {"metric": "accuracy", "window": "3h", "basis": "delay_corrected", "at_least": 0.9, "min_n": 50},
                {"metric": "accuracy", "window": "4 weeks", "basis": "estimated", "at_least": 0.9},
                {"metric": "coverage", "window": "whole", "at_least": 0.5},
                {"metric": "ece", "window": "28d", "at_most": 0.05},
            ],
        },
    },
    "no_floors": {**BASE, "monitor": {"windows": ["1d"]}},
    "bad_metric": {**BASE, "monitor": {"floors": [{"metric": "auc", "window": "1d", "at_least": 0.5}]}},
    "bad_window": {
        **BASE,
        "monitor": {"windows": ["1d"], "floors": [{"metric": "f1", "window": "3d", "at_least": 0.5}]},
    },
    "no_bound": {**BASE, "monitor": {"windows": ["1d"], "floors": [{"metric": "f1", "window": "1d"}]}},
}
ROWS = {"id": "bigint", "name": "varchar", "amount": "double"}
PERFORMANCE = {
    "window_kind": "varchar", "window_end": "timestamp", "slice_name": "varchar", "model_version": "varchar",
    "basis": "varchar", "n": "bigint", "n_matured": "bigint", "accuracy": "double", "accuracy_low": "double",
    "accuracy_high": "double", "roc_auc": "double", "roc_auc_low": "double", "roc_auc_high": "double",
    "log_loss": "double",
}  # fmt: skip


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("checks"), PRODUCTS, now="2025-03-06 06:00:00") as harness:
        yield harness


def failures(macros, test: str, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    return macros.query(macros.render(f"test_{test}", *args, **kwargs))


@pytest.mark.parametrize(
    ("test", "arguments", "good", "bad", "said"),
    [
        ("one_row_per", {"columns": ["id", "name"]}, [(1, "a", 1), (1, "b", 1)], [(1, "a", 1), (1, "a", 2)],
         "2 rows in the rows selected for id 1, name a; allowed is 1"),
        ("one_row_per", {"columns": "name"}, [(1, "a", 1), (1, None, 1)], [(1, None, 1), (2, None, 2)],
         "2 rows in the rows selected for name null; allowed is 1"),
        ("not_missing", {"column_name": "name"}, [(1, "a", 1)], [(1, None, 1), (2, "b", 1)],
         "1 of 2 rows in the rows selected lack name; allowed are 0"),
        ("within_range", {"column_name": "amount", "at_least": 0, "at_most": 1},
         [(1, "a", 0), (2, "a", 1), (3, "a", None)], [(1, "a", -2), (2, "a", 7)],
         "amount in 2 rows of the rows selected is between -2.0 and 7.0; allowed is >= 0 and <= 1"),
        ("within_range", {"column_name": "amount", "at_least": 0}, [(1, "a", 5)], [(1, "a", float("nan"))],
         "amount in 1 rows of the rows selected is between nan and nan; allowed is >= 0"),
        ("accepted", {"column_name": "name", "values": ["a", "it's"]}, [(1, "a", 1), (2, "it's", 1), (3, None, 1)],
         [(1, "z", 1)],
         "name is z in 1 rows of the rows selected; allowed is a, it's"),
        ("accepted", {"column_name": "id", "values": [1, 2]}, [(1, "a", 1)], [(3, "z", 1)],
         "id is 3 in 1 rows of the rows selected; allowed is 1, 2"),
        ("references", {"column_name": "name", "to": "(select 'a' as code union all select 'b')", "field": "code"},
         [(1, "a", 1), (2, None, 1)], [(1, "a", 1), (2, "q", 1), (3, "q", 1)],
         "name q of 2 rows in the rows selected is no code of the rows selected"),
    ],
)  # fmt: skip
def test_a_failing_row_says_what_is_wrong(macros, test, arguments, good, bad, said):
    macros.load("rows_tested", ROWS, good)
    assert failures(macros, test, "rows_tested", **arguments) == []
    macros.load("rows_tested", ROWS, bad)
    assert [row["message"] for row in failures(macros, test, "rows_tested", **arguments)] == [said]


def test_a_range_needs_a_bound(macros):
    with pytest.raises(CompilationError, match="give at_least, at_most or both"):
        macros.render("test_within_range", "rows_tested", column_name="amount")


def test_a_prediction_id_stands_once(macros):
    macros.load("log", {"prediction_id": "bigint"}, [(1,), (2,), (2,), (2,)])
    assert [row["message"] for row in failures(macros, "predictions_unique", "log")] == [
        "prediction_id 2 stands in 3 rows of the rows selected; allowed is 1"
    ]


def test_the_newest_population_is_scored_by_the_champion(macros):
    people = [("a", D[0]), ("b", D[0]), ("a", D[3]), ("b", D[3]), ("c", D[3]), ("d", D[3]), ("a", D[6])]
    macros.load("people", {"account_id": "varchar", "as_of": "timestamp"}, people)
    log = [
        ("a", D[3], "champion", 0.1),
        ("b", D[3], "shadow", 0.1),
        ("c", D[3], "champion", float("nan")),
        ("d", D[3], "champion", 0.0),
    ]
    macros.load("log", {"account_id": "varchar", "as_of": "timestamp", "role": "varchar", "score": "double"}, log)
    row = failures(macros, "population_covered", "log", population="people", product="churn")[0]
    assert (row["as_of"], row["n_population"], row["n_scored"], row["share_scored"]) == (D[3], 4, 2, 0.5)
    assert "2 of 4 rows" in row["message"]
    assert "must be at least 1.0" in row["message"]
    assert failures(macros, "population_covered", "log", population="people", product="churn", at_least=0.5) == []


def test_an_empty_population_is_no_success(macros):
    macros.load("people", {"account_id": "varchar", "as_of": "timestamp"}, [])
    macros.load("log", {"account_id": "varchar", "as_of": "timestamp", "role": "varchar", "score": "double"}, [])
    row = failures(macros, "population_covered", "log", population="people", product="churn")[0]
    assert "nobody can be scored" in row["message"]


def window(
    kind: str, end: datetime, n: int, matured: int, accuracy: float | None, auc: float | None, loss: float | None
):
    interval = (None, None) if accuracy is None else (accuracy - 0.05, accuracy + 0.05)
    return (kind, end, "overall", "all", "matured", n, matured, accuracy, *interval, auc, auc, auc, loss)


def test_floors_are_judged_on_the_newest_closed_window(macros):
    macros.load("performance", PERFORMANCE, [
        window("28d", D[1], 100, 100, 0.5, 0.7, 0.1),    # older
        window("28d", D[2], 100, 100, 0.8, 0.97, 0.1),   # judged
        window("28d", D[3], 100, 60, 0.1, 0.1, 9.9),     # open: some decisions have not matured
        window("1d", D[2], 12, 12, 0.1, 0.1, 0.7),
    ])  # fmt: skip
    accuracy, auc = failures(macros, "within_floors", "performance", product="churn")
    assert accuracy["message"] == (
        "accuracy 0.8 (95 % interval 0.75 to 0.85) breaks >= 0.9 in the 28d window ending 2025-03-03 00:00:00, "
        "basis matured, 100 matured decisions"
    )
    assert (auc["metric"], auc["value"], auc["bound"], auc["status"]) == (
        "roc_auc",
        0.97,
        ">= 0.6 and <= 0.95",
        "failed",
    )
    assert [
        row["metric"] for row in failures(macros, "within_floors", "performance", product="churn", level="warn")
    ] == ["log_loss"]
    assert failures(macros, "enough_data", "performance", product="churn") == []


def test_floors_of_other_bases_and_of_coverage_are_judged_on_the_newest_window(macros):
    columns = ("window_kind", "window_end", "basis", "n", "n_matured", "n_too_fresh", "coverage", "accuracy", "ece")
    kinds = dict(zip(columns, ("varchar", "timestamp", "varchar", *["bigint"] * 3, *["double"] * 3), strict=True))
    rows = [
        ("3h", D[2], "delay_corrected", 90, 0, 20, 0.0, 0.95, None),
        ("3h", D[3], "delay_corrected", 90, 0, 20, 0.0, 0.8, None),  # judged: 70 decisions
        ("28d", D[3], "estimated", 90, 10, None, 0.1, 0.7, None),  # judged, though most are open
        ("28d", D[2], "matured", 60, 60, None, 1.0, 0.7, 0.2),  # judged: closed
        ("28d", D[3], "matured", 90, 70, None, 0.8, 0.7, 0.9),
        ("whole", D[3], "matured", 200, 20, None, 0.1, 0.7, 0.9),  # judged for coverage
    ]
    kinds |= {"accuracy_low": "double", "accuracy_high": "double", "slice_name": "varchar", "model_version": "varchar"}
    macros.load("performance", kinds, [(*row, 0.5, 0.99, "overall", "all") for row in rows])
    found = failures(macros, "within_floors", "performance", product="bases")
    assert [row["message"].split(" (95")[0].split(" breaks")[0] for row in found] == [
        "accuracy 0.8", "accuracy 0.7", "coverage 0.1", "ece 0.2",
    ]  # fmt: skip
    assert found[0]["message"].endswith("basis delay_corrected, 70 decisions")
    assert found[3]["message"].endswith("basis matured, 60 matured decisions")
    assert failures(macros, "enough_data", "performance", product="bases") == []
    macros.connection.execute("update performance set n_too_fresh = 50 where basis = 'delay_corrected'")
    assert len(failures(macros, "within_floors", "performance", product="bases")) == 3
    (lacking,) = failures(macros, "enough_data", "performance", product="bases")
    assert lacking["message"].startswith("accuracy cannot be judged: 40 decisions in the newest 3h window, 50 are")


def test_too_little_data_is_said_and_breaks_no_floor(macros):
    macros.load(
        "performance",
        PERFORMANCE,
        [window("28d", D[2], 20, 20, 0.1, None, 0.1), window("1d", D[2], 12, 12, 0.1, 0.1, 0.1)],
    )
    assert failures(macros, "within_floors", "performance", product="churn") == []
    rows = failures(macros, "enough_data", "performance", product="churn")
    assert {row["metric"]: (row["status"], row["n_matured"]) for row in rows} == {
        "accuracy": ("insufficient_data", 20), "roc_auc": ("insufficient_data", 20),
    }  # fmt: skip
    assert (
        "accuracy cannot be judged: 20 matured decisions in the newest closed 28d window, 30 are needed"
        in rows[0]["message"]
    )


def test_an_empty_performance_table_is_insufficient_data(macros):
    macros.load("performance", PERFORMANCE, [])
    assert failures(macros, "within_floors", "performance", product="churn") == []
    assert len(failures(macros, "enough_data", "performance", product="churn")) == 3


def test_a_product_without_floors_passes(macros):
    macros.load("performance", PERFORMANCE, [])
    assert failures(macros, "within_floors", "performance", product="no_floors") == []
    assert failures(macros, "enough_data", "performance", product="no_floors") == []


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ("bad_metric", "metric is 'auc'; allowed is one of accuracy"),
        ("bad_window", "window of f1 is '3d'; allowed is one of monitor.windows: 1d"),
        ("no_bound", "f1 has no bound; give at_least, at_most or both"),
    ],
)
def test_a_bad_floor_names_product_field_and_what_is_allowed(macros, product, said):
    with pytest.raises(CompilationError, match=said):
        macros.render("test_within_floors", "performance", product=product)
