"""False alarms and power of drift, at length; writes docs/reports/drift.md.

5,000 windows of 20 features without drift at three sizes, each batch of 50 windows against a reference of its own (an
unlucky reference alarms in many windows). Then power at a PSI of 0.25.
"""

import math
from pathlib import Path

import numpy as np
import pytest
from drift_simulation import FEATURES, Result, simulate
from macro_harness import MacroHarness

REPORT = Path(__file__).parents[2] / "docs" / "reports" / "drift.md"
WINDOWS, BATCH, ALLOWED, POWER = 5000, 50, 0.013, 0.9
SIZES = [(200, 20_000), (200, 200), (5_000, 20_000), (5_000, 5_000), (200_000, 200_000)]
found: dict[tuple[str, int, int], Result] = {}


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("alarms")) as harness:
        yield harness
    write()


def run(macros: MacroHarness, kind: str, n: int, m: int, windows: int, psi: float = 0.0) -> Result:
    rng = np.random.default_rng([n, m, int(100 * psi)])
    parts = [simulate(macros, rng, n, m, BATCH, psi) for _ in range(windows // BATCH)]
    mean = [float(np.mean([getattr(part, name) for part in parts])) for name in ("any_breach", "first_breach")]
    found[(kind, n, m)] = Result(windows, *mean)
    return found[(kind, n, m)]


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_windows_without_drift(macros, n, m):
    result = run(macros, "none", n, m, WINDOWS)
    assert result.windows == WINDOWS
    assert result.any_breach <= ALLOWED


@pytest.mark.parametrize(("n", "psi"), [(200, 0.25), (1_000, 0.25), (5_000, 0.25)])
def test_power(macros, n, psi):
    result = run(macros, f"psi {psi}", n, 20_000, 500, psi)
    assert n < 5_000 or result.first_breach >= POWER


def write() -> None:
    lines = [
        "# Drift: false alarms and power",
        "",
        f"Written by `make soak`. Windows of {FEATURES} features: 16 numbers and 4 categories with 3, 8, 20 and 60",
        "values whose frequency falls as 1/k. Counts come from numpy, judged by the SQL of `baton.drift`, q = 0.01;",
        f"a reference serves {BATCH} windows. The standard error takes the windows for independent.",
        "An alarm is a window in which any feature breaches by any method.",
        "",
        "| rows per window | rows of the reference | drift | windows | alarm | standard error | drift found |",
        "|---|---|---|---|---|---|---|",
    ]
    for (kind, n, m), result in found.items():
        share = result.any_breach
        error = math.sqrt(share * (1 - share) / result.windows)
        power = f"{result.first_breach:.1%}" if kind != "none" else ""
        lines.append(f"| {n:,} | {m:,} | {kind} | {result.windows:,} | {share:.2%} | {error:.2%} | {power} |")
    lines += [
        "",
        f"Allowed without drift: {ALLOWED:.1%} of windows. Asked of a PSI of 0.25 at 5,000 rows: {POWER:.0%}.",
    ]
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
