"""Windows without drift, and with some, in bulk: numpy draws the counts, all that follows is the package's SQL.

A window of 20 features: 16 numbers and 4 categories with 3, 8, 20 and 60 values of falling frequency. Both sides are
samples: the reference is drawn once per batch of windows and has its own deciles, as training leaves them. Numbers are
counted in codes of the fine grid, 16 per decile of the true distribution; a reference's decile edges stand at codes.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from macro_harness import MacroHarness

CODES, PER_BIN, NUMBERS = 160, 16, 16
CATEGORIES = (3, 8, 20, 60)
FEATURES = NUMBERS + len(CATEGORIES)


@dataclass(frozen=True)
class Result:
    """Shares of windows in which any feature, and in which the first feature, breaches."""

    windows: int
    any_breach: float
    first_breach: float


def simulate(macros: MacroHarness, rng: np.random.Generator, n: int, m: int, windows: int, psi: float = 0.0) -> Result:
    """Judge windows of `n` rows against one reference of `m`; with `psi` the first feature has moved so far."""
    con = macros.connection
    for name, table in _tables(rng, n, m, windows, psi).items():
        con.register(f"{name}_arrow", table)
        con.execute(f"create or replace table {name} as from {name}_arrow")
    monitor = {"min_n": 30, "drift": {"q": 0.01}}
    sql = f"with {macros.render('drift_distances')}, {macros.render('drift_tests', monitor)}"
    row = macros.query(
        f"""{sql} select count(*) as windows, avg(breaches) as any_breach, avg(first) as first_breach
        from (
            select max(is_large) as breaches, max(case when feature = 'f0' then is_large else 0 end) as first
            from judged group by target
        ) as windows"""
    )[0]
    return Result(row["windows"], row["any_breach"], row["first_breach"])


def shares(count: int) -> np.ndarray:
    """Zipf: the k-th category is 1/k as frequent as the first."""
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


def moved(p: np.ndarray, psi: float) -> np.ndarray:
    """`p` over deciles tilted until its PSI against the untilted is `psi`."""
    slope = np.repeat(np.linspace(-1, 1, 10), PER_BIN)
    low, high = 0.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        q = p * np.exp(middle * slope)
        q /= q.sum()
        by_bin = [side.reshape(10, -1).sum(1) for side in (p, q)]
        low, high = (
            (middle, high) if np.sum((by_bin[1] - by_bin[0]) * np.log(by_bin[1] / by_bin[0])) < psi else (low, middle)
        )
    return q


def _tables(rng: np.random.Generator, n: int, m: int, windows: int, psi: float) -> dict[str, pa.Table]:
    names = [f"f{i}" for i in range(FEATURES)]
    kinds = ["number"] * NUMBERS + ["category"] * len(CATEGORIES)
    targets = np.arange(1, windows + 1)
    series = (targets[:, None] * FEATURES + np.arange(FEATURES)).ravel()
    flat = np.full(CODES, 1 / CODES)
    counted, codes = [], []
    reference_bins, reference_codes = [], []
    for i in range(NUMBERS):
        was = rng.multinomial(m, flat)
        now = rng.multinomial(n, moved(flat, psi) if psi and i == 0 else flat, windows)
        ends = np.searchsorted(np.cumsum(was), np.arange(1, 10) * m / 10)  # codes where the sample's deciles end
        bins = np.searchsorted(ends, np.arange(CODES), side="left")
        reference_codes.append((names[i], np.arange(CODES), was))
        codes.append((i, np.arange(CODES), now))
        folded = np.zeros((10, CODES))
        folded[bins, np.arange(CODES)] = 1
        reference_bins.append((names[i], folded @ was, np.zeros(10)))
        counted.append((i, np.arange(10), now @ folded.T))
    for i, count in enumerate(CATEGORIES, NUMBERS):
        was, now = rng.multinomial(m, shares(count)), rng.multinomial(n, shares(count), windows)
        seen = was > 0
        reference_bins.append((names[i], was[seen], (was[seen] == 1).astype(float)))
        counted.append((i, np.where(seen, np.cumsum(seen) - 1, -2), now))
    once, numbers = np.ones(windows, int), np.arange(NUMBERS)
    return {
        "targets": pa.table(
            {"target": targets, "version": once, "n_entities": once * n, "independent": np.ones(windows)}
        ),
        "kinds": pa.table({"number": range(FEATURES), "feature": names, "kind": kinds}),
        "series": pa.table(
            {
                "series": series,
                "target": np.repeat(targets, FEATURES),
                "version": np.ones(len(series), int),
                "number": np.tile(np.arange(FEATURES), windows),
            }
        ),
        "scales": pa.table(
            {"version": numbers * 0 + 1, "feature": names[:NUMBERS], "deviation": np.full(NUMBERS, 12**-0.5)}
            | dict.fromkeys(("low", "lowest"), np.zeros(NUMBERS))
            | dict.fromkeys(("high", "highest"), np.ones(NUMBERS))
            | {"width": np.full(NUMBERS, 1 / CODES)}
        ),
        "reference_bins": _joined(
            [_of(name, bin=np.arange(len(k)), n=k, n_once=one) for name, k, one in reference_bins]
        ),
        "reference_codes": _joined(
            [_of(name, code=code, n=k, place=np.full(CODES, 0.5)) for name, code, k in reference_codes]
        ),
        "current_bins": _joined([_parted(_long(targets, i, bins, k, "bin"), k) for i, bins, k in counted]),
        "current_codes": _joined([_placed(_long(targets, i, code, k, "code")) for i, code, k in codes]),
    }


def _of(name: str, **columns: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of one feature of the reference; counts are doubles."""
    n = len(columns["n"])
    return {**columns, "n": columns["n"].astype(float), "version": np.ones(n, int), "feature": np.array([name] * n)}


def _placed(long: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rows in the middle of their code."""
    return {**long, "offsets": long["n"] * 2.0**19, "n_outside": np.zeros(len(long["n"]))}


def _long(targets: np.ndarray, number: int, places: np.ndarray, counts: np.ndarray, name: str) -> dict[str, np.ndarray]:
    window, place = np.nonzero(counts)
    return {
        "series": targets[window] * FEATURES + number,
        name: places[place],
        "n": counts[window, place].astype(float),
    }


def _parted(long: dict[str, np.ndarray], counts: np.ndarray) -> dict[str, np.ndarray]:
    """Each value that the reference never saw is a part of its own."""
    place = np.nonzero(counts)[1].astype(str)
    return {**long, "part": np.where(long["bin"] == -2, place, "")}


def _joined(parts: list[dict[str, np.ndarray]]) -> pa.Table:
    return pa.concat_tables([pa.table(part) for part in parts])
