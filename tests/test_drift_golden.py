"""Golden values of drift rows, and the distributions that SQL computes against scipy."""

import math
from typing import Any

import numpy as np
import pytest
from drift_world import (
    CURRENT,
    EDGES,
    REFERENCE,
    by_method,
    close,
    compared,
    drift,
    load_log,
    load_reference,
    reference_rows,
)
from scipy import special, stats


@pytest.fixture(scope="module")
def macros(drift_macros):
    return drift_macros


def binned(edges: np.ndarray, open_ends: bool) -> list[dict[str, Any]]:
    """Reference rows with bins of one's own making."""
    counts = np.histogram(REFERENCE, edges)[0]
    ends = edges.copy()
    if open_ends:
        ends[0], ends[-1] = -np.inf, np.inf
    other = {"product": "churn", "version": 1, "feature": "x", "category": None, "value": None}
    own = [
        {**other, "kind": "quantile", "bin": i, "lower": ends[i], "upper": ends[i + 1], "n": int(n)}
        for i, n in enumerate(counts)
    ]
    return [*own, *(row for row in reference_rows("x", REFERENCE) if row["kind"] != "quantile")]


def test_golden_values_of_numbers(macros):
    row = by_method(compared(macros, {"x": REFERENCE}, {"x": CURRENT}), "x")
    assert close(row["psi"]["value"], 0.0777537585, 1e-9)
    assert abs(row["ks"]["value"] - 0.1294) <= 1e-3
    assert abs(row["wasserstein"]["value"] - 0.2681349248) <= 1e-4
    # scipy's exact p is 2.72e-21; Kolmogorov's limit is never below it
    assert 2.72e-21 <= row["ks"]["p_value"] <= 5e-21
    assert close(row["ks"]["p_value"], special.kolmogorov(row["ks"]["value"] * math.sqrt(1e7 / 7000)))
    assert row["psi"]["degrees_of_freedom"] == 9
    assert (row["psi"]["n"], row["psi"]["n_reference"]) == (2000, 5000)


@pytest.mark.parametrize(
    ("edges", "open_ends", "method", "golden"),
    [
        (np.quantile(REFERENCE, np.arange(21) / 20), True, "psi", 0.0860842),
        (np.histogram_bin_edges(REFERENCE, "doane"), False, "jensen_shannon", 0.1172979542),
    ],
)
def test_golden_values_on_other_stored_edges(macros, edges, open_ends, method, golden):
    """Bins with finite ends leave an outside bin."""
    load_reference(macros, [*binned(edges, open_ends), *reference_rows("score", [0.1, 0.9])])
    found = drift(macros, load_log(macros, {"x": CURRENT}), edges=31)
    assert close(by_method(found, "x")[method]["value"], golden, 1e-6)


@pytest.mark.parametrize(
    ("reference", "current", "statistic", "freedom", "p"),
    [
        ([600, 300, 100], [220, 140, 40], None, 2, 0.174449542),
        ([600, 400, 0], [220, 170, 10], 26.65811, 2, 1.62654e-06),
    ],
)
def test_golden_values_of_categories(macros, reference, current, statistic, freedom, p):
    was, now = (["abc"[i] for i, n in enumerate(counts) for _ in range(n)] for counts in (reference, current))
    row = by_method(compared(macros, {"plan": was}, {"plan": now}), "plan")
    assert row["chi_square"]["degrees_of_freedom"] == freedom
    assert close(row["chi_square"]["p_value"], p, 1e-5)
    if statistic:
        assert close(row["chi_square"]["statistic"], statistic, 1e-6)
        assert row["new_categories"]["status"] == "new_category"
        assert row["new_categories"]["value"] == 0.025
        assert row["new_categories"]["is_breach"]


def test_the_critical_value_of_psi_is_the_one_of_its_paper(macros):
    sql = f"with {macros.render('half_gammas')}, {macros.render('chi_square_quantiles', '(select 9 as freedom)', 0.05)}"
    assert close(
        (1 / 5000 + 1 / 2000) * macros.query(f"{sql} select x from chi_square_quantiles")[0]["x"], 0.0118433, 1e-5
    )
    assert close((1 / 200 + 1 / 200) * stats.chi2.ppf(0.95, 9), 0.16919, 1e-4)


@pytest.mark.parametrize("alpha", [0.6, 0.5, 0.2, 0.05, 0.01, 1e-4, 1e-9])
def test_chi_square_quantiles(macros, alpha):
    freedoms = "(select unnest([1, 2, 3, 4, 5, 9, 10, 19, 60, 201, 255]) as freedom)"
    sql = f"with {macros.render('half_gammas')}, {macros.render('chi_square_quantiles', freedoms, alpha)}"
    for row in macros.query(f"{sql} from chi_square_quantiles"):
        assert close(row["x"], stats.chi2.isf(alpha, row["freedom"])), row


def test_chi_square_tails(macros):
    xs = "(select unnest([1e-6, 0.1, 1, 3.5, 9, 40, 130, 900]) as x)"
    grid = f"(select f::integer as freedom, x::double as x from range(1, 60) fs(f), {xs})"
    sql = f"with {macros.render('half_gammas')} {macros.render('chi_square_tails', grid)}"
    rows = macros.query(sql)
    assert len(rows) == 59 * 8
    for row in rows:
        expected = stats.chi2.sf(row["x"], row["freedom"])
        assert math.isclose(row["probability"], expected, rel_tol=1e-9, abs_tol=1e-28), (row, expected)


def test_error_function_and_kolmogorov_distribution(macros):
    for x in [0.0, 1e-9, 0.3, 0.999999, 1.0, 2.5, 7.99, 8.0, 20.0, 26.0, 30.0]:
        found = macros.query(f"select {macros.render('erfc', 'x')} as p from (select {x!r}::double as x)")[0]["p"]
        assert math.isclose(found, special.erfc(x), rel_tol=1e-12, abs_tol=1e-300), x
    for x in [0.0, 0.01, 0.1, 0.3, 0.7, 1.0, 1.1799, 1.18, 1.5, 3.0, 8.0]:
        found = macros.query(f"select {macros.render('kolmogorov', 'x')} as p from (select {x!r}::double as x)")[0]["p"]
        assert math.isclose(found, special.kolmogorov(x), rel_tol=1e-9, abs_tol=1e-14), x


def test_edges_are_enough_for_what_training_writes():
    assert max(row["bin"] for row in reference_rows("x", REFERENCE) if row["kind"] == "quantile") < EDGES
