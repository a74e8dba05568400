"""What a drift row calls drift: large and significant, of which version, against which reference, by which methods."""

import math

import numpy as np
import pytest
from dbt_common.exceptions import CompilationError
from drift_world import (
    CURRENT,
    REFERENCE,
    by_method,
    close,
    compared,
    drift,
    load_log,
    load_reference,
    psi,
    reference_rows,
    tables,
)
from scipy import stats


@pytest.fixture(scope="module")
def macros(drift_macros):
    return drift_macros


def test_q_values_are_those_of_benjamini_and_hochberg_over_the_whole_window(macros):
    rng = np.random.default_rng(3)
    was = {f"x{i}": rng.normal(0, 1, 800) for i in range(6)}
    now = {name: rng.normal(0.06 * i, 1, 300) for i, name in enumerate(was)}
    rows = compared(macros, was, now)
    tested = [row for row in rows if row["p_value"] is not None]
    assert len(tested) == 7 * 6
    expected = stats.false_discovery_control([row["p_value"] for row in tested])
    assert all(close(row["q_value"], q) for row, q in zip(tested, expected, strict=True))


def test_large_and_significant_must_both_hold(macros):
    rng = np.random.default_rng(5)
    tiny = by_method(compared(macros, {"x": rng.normal(0, 1, 50_000)}, {"x": rng.normal(0.05, 1, 100_000)}), "x")
    assert tiny["psi"]["q_value"] < 1e-6
    assert {row["status"] for row in tiny.values()} == {"ok"}
    # By chance: the largest PSI of 200 windows of 60 rows is far above 0.1.
    was = rng.normal(0, 1, 5000)
    windows = [rng.normal(0, 1, 60) for _ in range(200)]
    chance = by_method(compared(macros, {"x": was}, {"x": max(windows, key=lambda now: psi(*tables(was, now)))}), "x")
    assert chance["psi"]["value"] > 0.3
    assert chance["psi"]["status"] == "ok"
    real = by_method(compared(macros, {"x": was}, {"x": rng.normal(0.6, 1, 500)}), "x")
    assert {real[m]["status"] for m in ("psi", "ks", "wasserstein", "jensen_shannon")} == {"drift"}


def test_statuses(macros):
    plan = ["a"] * 500 + ["b"] * 450 + ["c"] * 50
    rows = compared(
        macros,
        {"same": [3.0] * 1000, "plan": plan, "gone": [1.0, 2.0] * 500, "far": np.linspace(0, 1, 1000)},
        {"same": [3.0] * 400, "plan": [*"ab"] * 190 + ["new"] * 20, "gone": [1.0, 2.0, None, math.inf] * 100,
         "far": list(np.linspace(0, 1, 380)) + [5.0] * 20},
    )  # fmt: skip
    assert {m: r["status"] for m, r in by_method(rows, "same").items()} == {
        "psi": "constant", "jensen_shannon": "constant", "ks": "constant", "wasserstein": "constant",
        "null_share": "ok", "range": "ok",
    }  # fmt: skip
    seen = by_method(rows, "plan")
    assert (seen["new_categories"]["status"], seen["new_categories"]["value"]) == ("new_category", 0.05)
    assert (seen["vanished_categories"]["status"], seen["vanished_categories"]["value"]) == ("drift", 0.05)
    assert (by_method(rows, "gone")["null_share"]["status"], by_method(rows, "gone")["null_share"]["value"]) == (
        "drift",
        0.5,
    )
    assert by_method(rows, "gone")["ks"]["n"] == 200
    assert (by_method(rows, "far")["range"]["status"], by_method(rows, "far")["range"]["value"]) == ("drift", 0.05)
    few = compared(macros, {"x": [1.0, 2.0] * 100}, {"x": [1.0] * 29})
    assert {row["status"] for row in few} == {"insufficient_data"}
    assert {row["is_breach"] for row in few} == {False}


def test_a_rare_category_that_is_missing_or_new_is_no_drift(macros):
    """Of 400 rare categories a small window lacks most, and the reference has not seen all there are."""
    rng = np.random.default_rng(11)
    was, now = (np.char.add("c", rng.integers(0, 400, n).astype(str)).tolist() for n in (1200, 200))
    got = by_method(compared(macros, {"city": was}, {"city": now}), "city")
    assert got["vanished_categories"]["value"] > 0.4
    assert not any(row["is_breach"] for row in got.values())


def test_repeated_entities_count_once_as_evidence(macros):
    """The same 40 accounts on 50 rows each weigh as 40 rows."""
    was = np.random.default_rng(1).normal(0, 1, 3000)
    now = np.repeat(np.random.default_rng(2).normal(0.35, 1, 40), 50)
    alone = by_method(compared(macros, {"x": was}, {"x": now}), "x")["psi"]
    repeats = {"account_id": np.repeat(np.arange(40), 50).astype(str)}
    times = np.datetime64("2026-01-08T01:00") + np.tile(np.arange(50), 40).astype("timedelta64[m]")
    clustered = by_method(compared(macros, {"x": was}, {"x": now}, as_of=times, **repeats), "x")["psi"]
    assert clustered["n"] == 2000
    assert clustered["n_entities"] == 40
    assert clustered["value"] == alone["value"]
    assert alone["status"] == "drift"
    assert clustered["status"] == "ok"
    assert clustered["threshold"] == pytest.approx(stats.chi2.isf(0.01, 9) * (1 / 40 + 1 / 3000))


def test_without_a_reference_nothing_is_judged(macros):
    columns = load_log(macros, {"x": CURRENT[:100], "plan": ["a", None] * 50})
    rows = drift(macros, columns, "watched", reference=None)
    assert {row["status"] for row in rows} == {"insufficient_data"}
    assert {row["feature"] for row in rows} == {"x", "plan", "score"}
    assert all(row["reference"] is None and row["p_value"] is None for row in rows)


def test_first_windows_as_reference_equal_a_reference_of_the_same_rows(macros):
    rng = np.random.default_rng(9)
    days = np.where(np.arange(1500) < 1000, np.datetime64("2026-01-02"), np.datetime64("2026-01-05"))
    x = np.where(rng.random(1500) < 0.1, np.nan, rng.normal(0, 1, 1500) + 0.4 * (np.arange(1500) >= 1000))
    plan = rng.choice(["a", "b", "it's"], 1500).tolist()
    score = rng.random(1500)
    columns = load_log(macros, {"x": x, "plan": plan}, as_of=days, score=score, predicted_at=days)
    found = drift(macros, columns, "watched", reference=None, reference_until="2026-01-04")
    first = slice(0, 1000)
    load_reference(
        macros,
        [*reference_rows("x", x[first]), *reference_rows("plan", plan[first]), *reference_rows("score", score[first])],
    )
    expected = [row for row in drift(macros, columns) if row["window_end"].day == 5]
    assert {row["reference"] for row in found} == {"first_windows"}
    assert len(found) == len(expected) == 18
    for a, b in zip(found, expected, strict=True):
        for name in ("feature", "method", "n", "n_reference", "status", "degrees_of_freedom"):
            assert a[name] == b[name], (name, a, b)
        for name in ("value", "threshold", "statistic", "p_value", "q_value"):
            assert a[name] is b[name] is None or close(a[name], b[name], 1e-9), (name, a, b)


def test_a_window_is_compared_with_the_version_that_served_last_in_it(macros):
    load_reference(macros, [
        *reference_rows("x", REFERENCE), *reference_rows("score", np.linspace(0, 1, 99)),
        *reference_rows("y", CURRENT, 2), *reference_rows("score", np.linspace(0, 1, 99), 2),
    ])  # fmt: skip
    day = np.datetime64("2026-01-08") + np.repeat([0, 1], 200).astype("timedelta64[D]")
    columns = load_log(
        macros, {"x": CURRENT[:400], "y": CURRENT[:400]}, as_of=day, model_version=np.repeat([1, 2], 200)
    )
    rows = drift(macros, columns)
    assert {(r["window_end"].day, r["feature"], r["model_version"], r["n"]) for r in rows} == {
        (8, "x", 1, 200), (8, "score", 1, 200), (9, "y", 2, 200), (9, "score", 2, 200),
    }  # fmt: skip


def test_methods_that_are_not_asked_for_are_not_computed(macros):
    columns = load_log(macros, {"x": CURRENT, "plan": ["a", "b"] * 1000})
    load_reference(macros, [*reference_rows("x", REFERENCE), *reference_rows("plan", ["a", "b", "b"] * 900)])
    every = {(row["feature"], row["method"]): row for row in drift(macros, columns)}
    some = drift(macros, columns, methods=["psi", "null_share"])
    assert {row["method"] for row in some} == {"psi", "null_share"}
    assert {row["spec_hash"] for row in some}.isdisjoint(row["spec_hash"] for row in every.values())
    for row in some:
        same = every[row["feature"], row["method"]]
        assert [row[k] for k in ("n", "value", "p_value")] == [same[k] for k in ("n", "value", "p_value")]
    with pytest.raises(CompilationError, match=r"methods has 'psy'; allowed are psi, jensen_shannon"):
        drift(macros, columns, methods=["psy"])
