"""How often drift is claimed where there is none, and found where there is: short form of tests/soak/test_drift.py."""

import numpy as np
import pytest
from drift_simulation import moved, simulate
from macro_harness import MacroHarness


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("alarms")) as harness:
        yield harness


@pytest.mark.parametrize(("n", "m"), [(200, 5000), (200, 200)])
def test_small_windows_without_drift_stay_silent(macros, n, m):
    """1 % may alarm; 400 windows leave room for chance: P(more than 12) < 1e-3. PSI > 0.1 alone would flag most."""
    rng = np.random.default_rng(n + m)
    found = [simulate(macros, rng, n, m, 100) for _ in range(4)]
    assert sum(result.windows for result in found) == 400
    assert sum(result.any_breach for result in found) / 4 <= 12 / 400


def test_a_psi_of_a_quarter_is_found(macros):
    assert simulate(macros, np.random.default_rng(1), 5000, 20_000, 100, psi=0.25).first_breach == 1.0


def test_the_drift_that_is_made_has_the_psi_it_claims():
    flat = np.full(160, 1 / 160)
    p, q = (side.reshape(10, -1).sum(1) for side in (flat, moved(flat, 0.25)))
    assert np.sum((q - p) * np.log(q / p)) == pytest.approx(0.25)
