"""k of the last windows, and an alarm's hysteresis, against a walk in Python: portable SQL and DuckDB's own."""

from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness

FORMS = ("default__drift_persistence", "duckdb__drift_persistence")
COLUMNS = "window_kind, feature, method, model_version, window_end"
FIRST = datetime(2026, 1, 1)


def windows(chains: list[list[bool]]) -> list[dict[str, Any]]:
    """Rows of chains that differ in one part of their name each, in an order of their own."""
    rows = []
    for number, breaches in enumerate(chains):
        names = {"window_kind": f"{1 + number % 2}d", "feature": f"f{number // 2 % 3}", "method": f"m{number // 6 % 2}"}
        for day, is_breach in enumerate(breaches):
            end = FIRST + timedelta(days=day)
            rows.append({**names, "model_version": number // 12, "window_end": end, "is_breach": is_breach})
    return [rows[place] for place in np.random.default_rng(3).permutation(len(rows))]


def expected(chains: list[list[bool]], k: int, of: int) -> list[tuple[int, int, bool]]:
    """n_breaches, n_consecutive, is_alarm of every window, chain by chain as `windows` names them."""
    found = {}
    for number, breaches in enumerate(chains):
        run, alarm = 0, False
        for day, is_breach in enumerate(breaches):
            n = sum(breaches[max(0, day - of + 1) : day + 1])
            run = run + 1 if is_breach else 0
            alarm = n >= k or (alarm and n > 0)
            key = (1 + number % 2, number // 2 % 3, number // 6 % 2, number // 12, day)
            found[key] = (n, run, alarm)
    return [found[key] for key in sorted(found)]


def answered(macros: MacroHarness, form: str, chains: list[list[bool]], k: int, of: int) -> list[tuple[int, int, bool]]:
    sql = macros.render(form, {"k": k, "of": of}, "select * from given")
    with duckdb.connect() as con:
        con.register("given", pa.Table.from_pylist(windows(chains)))
        return con.execute(f"select n_breaches, n_consecutive, is_alarm from ({sql}) order by {COLUMNS}").fetchall()


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=40)
@given(
    chains=st.lists(st.lists(st.booleans(), min_size=1, max_size=9), min_size=1, max_size=30),
    limits=st.integers(1, 6).flatmap(lambda of: st.tuples(st.integers(1, of), st.just(of))),
)
def test_memory_is_that_of_a_walk_along_each_chain(
    drift_macros: MacroHarness, form: str, chains: list[list[bool]], limits: tuple[int, int]
) -> None:
    assert answered(drift_macros, form, chains, *limits) == expected(chains, *limits)


@pytest.mark.parametrize("form", FORMS)
def test_memory_of_years_of_windows(drift_macros: MacroHarness, form: str) -> None:
    """More rows than a vector of DuckDB holds: what runs along must not start again."""
    dice = np.random.default_rng(11)
    chains = [[bool(hit) for hit in dice.random(700) < share] for share in dice.random(24) ** 3]
    assert answered(drift_macros, form, chains, 2, 3) == expected(chains, 2, 3)
