"""Every number of a drift row against numpy and scipy: random and ugly windows, error bounds, portable SQL."""

import math
from typing import Any

import numpy as np
import pytest
from drift_world import (
    by_method,
    chi_square,
    close,
    compared,
    cramers_v,
    drift,
    finite,
    is_number,
    js,
    load_log,
    load_reference,
    psi,
    reference_rows,
    tables,
)
from how_many import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.reference import fine_codes


@pytest.fixture(scope="module")
def macros(drift_macros):
    return drift_macros


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
@example([([1e-183, 1e308], [None] * 9 + [0.0, None])], [], NAMES, 2)
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
        assert close(got["range"]["value"], outside(finite(reference), finite(current)))


def outside(x: np.ndarray, y: np.ndarray) -> float:
    """Share of y beyond the ends of x; what is nothing on the scale of x (an underflow) is no distance."""
    span = x.max() - x.min()
    scale = span if span > 0 else 1.0
    with np.errstate(under="ignore", over="ignore"):
        return float((((y - x.min()) / scale < 0) | ((y - x.max()) / scale > 0)).mean())


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


def heavy(rng: np.random.Generator, n: int, moved: float) -> dict[str, np.ndarray]:
    """Columns that equal widths do not suit: heavy tails, few values, one value and a crowd beside it."""
    crowd = np.where(rng.random(n) < 0.5 + moved, 1.0, 1 + 1e-4 * rng.random(n))
    far = rng.standard_cauchy(n) * 100
    few = [0.1 + moved, 0.3, 0.3 - moved, 0.2, 0.1]
    return {
        "cauchy": rng.standard_cauchy(n) * (1 + 3 * moved),
        "pareto": rng.pareto(0.7 + moved, n),
        "lognormal": rng.lognormal(moved, 4, n),
        "amounts": np.where(rng.random(n) < 0.9 - moved, 0.0, rng.lognormal(5 * moved, 3, n)),
        "two values": (rng.random(n) < 0.5 + moved).astype(float),
        "few values": rng.choice([-1e6, 0, 1e-3, 2, 7e5], n, p=few),
        "few values side by side": rng.choice([1, 1.0001, 1.0002, 3, 50], n, p=few),
        "constant": np.full(n, 3.0),
        "constant moved": np.full(n, 3 + moved),
        "crowd": crowd,
        "crowd before heavy tails": np.where(rng.random(n) < 0.01, far, crowd),
        "beyond": rng.normal(0, 1, n) * (1 + 1e4 * moved),
        "all beyond": rng.normal(1e3 * moved, 1, n),
    }


def most_in_a_cell(was: np.ndarray, now: np.ndarray) -> float:
    """Largest share that both sides have between two points at which they are compared: fine edges and deciles."""
    low, high = np.quantile(was, [0.0005, 0.9995])
    deciles = np.unique(np.quantile(was, np.arange(1, 10) / 10))
    cells = [fine_codes(x, low, high) * 10 + np.searchsorted(deciles, x, side="right") for x in (was, now)]
    names, at = np.unique(np.concatenate(cells), return_inverse=True)
    shares = [np.bincount(at[part], minlength=len(names)) / n for part, n in zip(
        (slice(None, len(was)), slice(len(was), None)), (len(was), len(now)), strict=True)]  # fmt: skip
    return float(np.minimum(*shares).max())


@pytest.mark.parametrize("moved", [0.0, 0.1])
def test_ks_per_day_misses_at_most_what_both_sides_have_in_one_cell(macros, moved):
    """Never more than the true distance. Equal widths alone would miss 0.09 of the 0.09 of few values side by side."""
    rng, size, days = np.random.default_rng(3), 2000, 2
    was, now = heavy(rng, 20_000, 0.0), heavy(rng, days * size, moved)
    as_of = np.repeat(np.datetime64("2026-01-06") + np.arange(days), size)
    rows = [row for row in compared(macros, was, now, as_of=as_of) if row["method"] == "ks" and row["feature"] in was]
    ends = sorted({row["window_end"] for row in rows if row["window_kind"] == "1d"})
    assert len(ends) == days
    for row in rows:
        if row["window_kind"] == "1d":
            day = ends.index(row["window_end"])
            x, y = was[row["feature"]], now[row["feature"]][day * size : (day + 1) * size]
            missed = stats.ks_2samp(x, y, method="asymp").statistic - row["value"]
            assert -1e-12 <= missed <= most_in_a_cell(x, y) + 1e-12, (row["feature"], missed)
            assert missed <= (0.03 if row["feature"] == "crowd before heavy tails" else 0.008), (row["feature"], missed)


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
