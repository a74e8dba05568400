"""The generic test `no_drift`: silent without an alarm; else it names the feature, the numbers and the window."""

from datetime import datetime
from typing import Any

import pytest
from drift_world import products
from macro_harness import MacroHarness

OLD, NEW = datetime(2026, 1, 8), datetime(2026, 1, 9)
TABLE = {
    "window_kind": "varchar", "window_end": "timestamp", "feature": "varchar", "method": "varchar", "value": "double",
    "threshold": "double", "q_value": "double", "n": "bigint", "n_reference": "bigint", "n_breaches": "integer",
    "model_version": "integer", "is_alarm": "boolean",
}  # fmt: skip


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    specs = products() | {"strict": products(severity="error", k=1, of=4)["churn"]}
    with MacroHarness(tmp_path_factory.mktemp("checks"), specs) as harness:
        yield harness


def row(end: datetime, feature: str, method: str, value: float, alarm: bool, kind: str = "1d") -> tuple[Any, ...]:
    return kind, end, feature, method, value, 0.1, 0.001, 900, 5000, 2 if alarm else 0, 3, alarm


def failures(macros, rows: list[tuple[Any, ...]], product: str = "churn", **options: Any) -> list[dict[str, Any]]:
    macros.load("drift_table", TABLE, rows)
    return macros.query(macros.render("test_no_drift", "drift_table", product, **options))


def test_one_row_per_drifting_feature_says_what_is_wrong(macros):
    rows = [
        row(NEW, "it's", "psi", 0.31, True), row(NEW, "it's", "ks", 0.12, True), row(NEW, "it's", "range", 0.0, False),
        row(NEW, "n_seats", "null_share", -0.4, True), row(NEW, "score", "psi", 0.05, False),
    ]  # fmt: skip
    found = {one["feature"]: one for one in failures(macros, rows)}
    assert set(found) == {"it's", "n_seats"}
    assert found["it's"]["message"] == (
        "psi of it's is 0.31, allowed is up to 0.1 (2 methods agree), in 2 of the last 3 1d windows up to "
        "2026-01-09 00:00:00, 900 rows against 5000 of version 3"
    )
    assert found["n_seats"]["message"].startswith("null_share of n_seats is -0.4, allowed is up to 0.1, in 2 of")


def test_only_the_newest_window_of_each_length_counts(macros):
    assert failures(macros, [row(OLD, "x", "psi", 0.3, True), row(NEW, "x", "psi", 0.0, False)]) == []
    weekly = [row(OLD, "x", "psi", 0.3, True, "7d"), row(NEW, "x", "psi", 0.0, False)]
    assert [one["window_kind"] for one in failures(macros, weekly)] == ["7d"]
    assert failures(macros, []) == []


def test_a_product_is_judged_at_its_own_severity(macros):
    rows = [row(NEW, "x", "psi", 0.3, True)]
    assert len(failures(macros, rows, level="warn")) == 1
    assert failures(macros, rows, level="error") == []
    assert failures(macros, rows, "strict", level="warn") == []
    assert "2 of the last 4 1d windows" in failures(macros, rows, "strict", level="error")[0]["message"]
