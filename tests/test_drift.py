"""Every number of a drift row against numpy and scipy: golden values, random and ugly windows, error bounds."""

import math
from typing import Any

import numpy as np
import pytest
from dbt_common.exceptions import CompilationError
from drift_world import (
    EDGES,
    by_method,
    chi_square,
    cramers_v,
    drift,
    finite,
    is_number,
    js,
    load_log,
    load_reference,
    products,
    psi,
    reference_rows,
    tables,
)  # fmt: skip
from how_many import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness
from scipy import special, stats

RNG = np.random.default_rng(0)
REFERENCE, CURRENT = RNG.normal(0, 1, 5000), RNG.normal(0.25, 1, 2000)


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("drift"), products(), now="2026-01-09 06:00:00") as harness:
        yield harness


def compared(macros, reference: dict[str, Any], current: dict[str, Any], **log: Any) -> list[dict[str, Any]]:
    rows = [row for name, values in reference.items() for row in reference_rows(name, values)]
    load_reference(macros, [*rows, *reference_rows("score", np.linspace(0.01, 0.99, 500))])
    return drift(macros, load_log(macros, current, **log))


def close(found: float, expected: float, tolerance: float = 1e-9) -> bool:
    return math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)


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


@pytest.mark.parametrize("alpha", [0.5, 0.2, 0.05, 0.01, 1e-4, 1e-9])
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


# No subnormal numbers: a quantile between two of them is rounded to one or the other.
numbers = st.lists(
    st.one_of(
        st.none(), st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 1e-300]),
        st.integers(-5, 5).map(float), st.floats(-100, 100, allow_subnormal=False),
    ),
    max_size=90,
)  # fmt: skip
texts = st.lists(
    st.one_of(
        st.none(),
        st.sampled_from(["a", "b", "", "it's", '"', "Ω\x01", "'; drop table predictions; --"]),
        st.text(max_size=3),
    ),
    max_size=90,
)
NAMES = [
    "plan",
    "it's",
    'a "b"',
    "Größe ✓",
    "'; drop table predictions; --",
    "{{ 1 / 0 }}",
    "score ",
    "n",
    "select",
    "f0",
]


@settings(max_examples=examples(5), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=2),
    st.lists(st.tuples(texts, texts), max_size=2),
    st.permutations(NAMES),
    st.integers(1, 4),
)
@example([([0.0] * 40, [0.0] * 40)], [(["a"] * 40, ["a"] * 40)], NAMES, 1)
@example([([1.0] * 40, [2.0] * 40)], [(["a"] * 40, ["b"] * 40)], NAMES, 1)
@example([([], [1.0])], [([], ["a"])], NAMES, 1)
def test_ugly_windows_equal_the_oracle(macros, pairs, words, names, times):
    """Never an error, a NaN or an infinity; what is defined equals numpy and scipy."""
    text = names[: len(words)]
    sides = dict(zip(names, [*words, *pairs], strict=False))
    n = max(len(now) for _, now in sides.values())
    reference = {name: [None if is_broken(v) else v for v in was] * times for name, (was, _) in sides.items()}
    current = {name: (now + [None] * n)[:n] for name, (_, now) in sides.items()}
    rows = [
        row for name, was in reference.items() if was for row in reference_rows(name, was, text=name in text)
    ]  # fmt: skip
    load_reference(macros, [*rows, *reference_rows("score", np.linspace(0, 1, 50))])
    found = drift(macros, load_log(macros, current, text))
    for row in found:
        assert all(v is None or math.isfinite(v) for v in row.values() if isinstance(v, float)), row
        assert row["status"] in ("ok", "drift", "insufficient_data", "constant", "new_category")
        assert row["status"] != "drift" or row["is_breach"]
    known = {row["feature"] for row in rows}
    assert {row["feature"] for row in found} == ({*known, "score"} if n else set())
    for name in known if n else ():
        if name not in text or not is_number([*reference[name], *current[name]]):
            check_shape(by_method(found, name), reference[name], current[name])


def is_broken(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def check_shape(got: dict[str, dict[str, Any]], reference: list[Any], current: list[Any]) -> None:
    was, now = tables(reference, current)
    assert close(got["psi"]["value"], psi(was, now))
    assert close(
        got["jensen_shannon"]["value"], js(was, now), 1e-7
    )  # a root of a small difference loses half the digits
    statistic, freedom, p = chi_square(*tables(reference, current, apart=True))
    assert close(got["psi"]["statistic"], statistic)
    assert got["psi"]["degrees_of_freedom"] == freedom
    judged = len(current) >= 30 and len(reference) >= 30 and len(was) > 1 and p is not None
    if judged:
        assert close(got["psi"]["p_value"], p)
        critical = stats.chi2.isf(0.01, len(was) - 1) * (1 / len(current) + 1 / len(reference))
        assert close(got["psi"]["threshold"], max(0.1, critical))
    if "chi_square" in got:
        assert close(got["chi_square"]["value"], cramers_v(was, now), 1e-7)
    elif len(finite(reference)) and len(finite(current)):
        x, y = finite(reference), finite(current)
        outside = ((y < x.min()) | (y > x.max())).mean()
        assert close(got["range"]["value"], float(outside))


DISTRIBUTIONS = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 1, n),
    "heavy": lambda rng, n: rng.standard_t(2, n),
    "exponential": lambda rng, n: rng.exponential(3, n),
    "uniform": lambda rng, n: rng.random(n) * 1e-6,
    "counts": lambda rng, n: rng.poisson(2, n).astype(float),
    "flags": lambda rng, n: (rng.random(n) < 0.2).astype(float),
    "large": lambda rng, n: 1e12 + rng.integers(0, 1000, n),
    "one outlier": lambda rng, n: np.r_[rng.normal(0, 1, n - 1), 1e9],
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_ks_and_wasserstein_from_fine_bins_are_within_a_thousandth(macros, name, shift):
    rng = np.random.default_rng(7)
    was = DISTRIBUTIONS[name](rng, 20_000)
    now = DISTRIBUTIONS[name](rng, 3_000)
    keep = rng.random(3_000) < 1 - shift
    now = np.where(keep, now, np.quantile(was, 0.9))
    got = by_method(compared(macros, {"x": was}, {"x": now}), "x")
    assert abs(got["ks"]["value"] - stats.ks_2samp(was, now).statistic) <= 1e-3
    if name != "one outlier":  # its distance is one row's; of heavy tails beyond the grid only the means are compared
        bound = 5e-3 if name in ("lognormal", "heavy") else 1e-3
        assert abs(got["wasserstein"]["value"] - stats.wasserstein_distance(was, now) / max(was.std(), 0.001)) <= bound
    assert close(got["psi"]["value"], psi(*tables(was, now)))


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
    was = RNG.normal(0, 1, 3000)
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


def test_portable_sql_gives_the_same_rows(macros):
    rng = np.random.default_rng(4)
    reference = {
        "shifted": rng.normal(0, 1, 4000), "crossing": rng.normal(0, 1, 4000), "heavy": rng.standard_t(1, 4000),
        "gaps": rng.choice([0.0, 1, 1, 5], 4000), "constant": np.full(4000, 2.0),
    }  # fmt: skip
    current = {
        "shifted": rng.normal(0.3, 1, 900), "crossing": rng.normal(0, 0.5, 900), "heavy": rng.standard_t(1, 900) * 1e5,
        "gaps": rng.choice([-1.0, 0, 3, 5, 9], 900), "constant": rng.choice([2.0, 2, 3], 900),
    }  # fmt: skip
    for values in current.values():
        values[rng.random(900) < 0.05] = np.nan
    rows = [row for name, values in reference.items() for row in reference_rows(name, values)]
    load_reference(macros, [*rows, *reference_rows("score", np.linspace(0.01, 0.99, 500))])
    columns = load_log(macros, current, as_of=np.repeat(np.datetime64("2026-01-06") + np.arange(3), 300))
    found, portable = drift(macros, columns), drift(macros, columns, portable=True)
    assert len(found) == 3 * 6 * 6
    for row, other in zip(found, portable, strict=True):
        assert row["value"] == pytest.approx(other["value"], rel=1e-9, abs=1e-9), row
        near = {"value": None, "built_at": None}
        assert {**row, **near} == {**other, **near}


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


def test_edges_are_enough_for_what_training_writes():
    assert max(row["bin"] for row in reference_rows("x", REFERENCE) if row["kind"] == "quantile") < EDGES
