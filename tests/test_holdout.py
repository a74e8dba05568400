"""Acted against held-out decisions: brute force, statsmodels, simulated coverage, and what acting does to labels."""

import math
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from how_many import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

TODAY = datetime(2025, 3, 30)
Z = 1.959963984540054
CELLS = {"tp": 70.0, "fp": -10.0, "fn": -120.0, "tn": 3.0}
BASE: dict[str, Any] = {
    "entity": "account_id",
    "outcome": {"horizon": "30 days", "grace": "0 days"},
    "decide": {"per": "1 day", "policy": "first"},
    "monitor": {"windows": ["1d", "7d", "whole"], "min_n": 5},
}
PRODUCTS = {
    "churn": {**BASE, "value": {"currency": "USD", **CELLS}},
    "amounts": {**BASE, "value": {"currency": "USD", **CELLS, "tp": "saved_usd"}},
    "no_value": BASE,
    "hours": {**BASE, "monitor": {"windows": ["1h", "whole"]}},
}
COLUMNS = ("account_id", "as_of", "predicted_label", "is_holdout", "label", "saved_usd")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("holdout"), PRODUCTS, now="2025-03-30 06:00:00") as harness:
        yield harness


def table(macros, rows: pd.DataFrame, product: str = "churn") -> dict[tuple[str, datetime], Row]:
    rows = rows.assign(decision_key=np.arange(len(rows)).astype(str))
    macros.connection.register("decisions", rows.drop(columns="label"))
    outcomes = rows[["decision_key", "label"]].rename(columns={"label": "outcome_label"})
    macros.connection.register("outcomes", outcomes.astype({"outcome_label": "Int64"}))
    found = macros.query(macros.render("default__holdout", product, "decisions", "outcomes"))
    return {(row["window_kind"], row["window_end"]): row for row in found}


def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    columns = {"saved_usd": "float64", "label": "Int64", "predicted_label": "Int64", "is_holdout": "boolean"}
    made = pd.DataFrame(rows, columns=list(COLUMNS)).astype(columns)
    return made.assign(as_of=pd.to_datetime(made["as_of"]), account_id=made["account_id"].astype(object))


def worth(label: int, acted: bool) -> float:
    return CELLS[("fn", "tp")[acted] if label else ("tn", "fp")[acted]]


def clustered(rows: list[Row], value: str, mean: float) -> dict[str, float]:
    """Sum of residuals per entity."""
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        sums[row["account_id"]] += row[value] - mean
    return sums


def wilson(rate: float, n: float) -> tuple[float, float]:
    low, high = proportion_confint(rate * n, n, method="wilson")
    return max(0.0, low), min(1.0, high)


def oracle(rows: list[Row], days: float) -> Row:
    """One window by the definitions, entity by entity."""
    start = TODAY - timedelta(days=days) if days < math.inf else datetime(1, 1, 1)
    inside = [row for row in rows if row["predicted_label"] == 1 and start < row["as_of"] <= TODAY]
    out: Row = {}
    arms: dict[bool, Row] = {}
    for held, name in ((False, "acted"), (True, "held_out")):
        mine = [row for row in inside if bool(row["is_holdout"]) == held]
        closed = [row | {"money": worth(row["label"], not held)} for row in mine if row["label"] is not None]
        entities = {row["account_id"] for row in closed}
        out |= {f"n_{name}": len(mine), f"n_{name}_matured": len(closed), f"n_{name}_entities": len(entities)}
        if not closed:
            return out
        n, rate = len(closed), sum(row["label"] for row in closed) / len(closed)
        money = sum(row["money"] for row in closed) / n
        by_rate, by_money = clustered(closed, "label", rate), clustered(closed, "money", money)
        variance = sum(r * r for r in by_rate.values()) / n**2
        size = rate * (1 - rate) / variance if variance > 1e-18 and 0 < rate < 1 else len(entities)
        low, high = wilson(rate, size)
        arms[held] = {"n": n, "rate": rate, "money": money, "by_rate": by_rate, "by_money": by_money, "low": low}
        arms[held] |= {"high": high, "variance": variance, "closed": closed, "entities": len(entities)}
        out |= {f"outcome_rate_{name}": rate, f"outcome_rate_{name}_low": low, f"outcome_rate_{name}_high": high}
        out[f"value_per_decision_{name}"] = money
    return out | difference(arms[False], arms[True])


def difference(acted: Row, held: Row) -> Row:
    size = acted["n"] * held["n"]
    both = set(acted["by_rate"]) & set(held["by_rate"])
    shared = sum(acted["by_rate"][e] * held["by_rate"][e] for e in both) / size
    spread = acted["variance"] * held["variance"]
    r = shared / math.sqrt(spread) if spread > 0 else 0.0
    down, up = (acted["rate"] - acted["low"], held["high"] - held["rate"])
    rise, fall = (acted["high"] - acted["rate"], held["rate"] - held["low"])
    gap = acted["rate"] - held["rate"]
    out = {"outcome_rate_difference": gap}
    out["outcome_rate_difference_low"] = gap - math.sqrt(max(0, down**2 - 2 * r * down * up + up**2))
    out["outcome_rate_difference_high"] = gap + math.sqrt(max(0, rise**2 - 2 * r * rise * fall + fall**2))
    out["value_per_decision_difference"] = acted["money"] - held["money"]
    if min(acted["entities"], held["entities"]) > 1:
        shared = sum(acted["by_money"][e] * held["by_money"][e] for e in both) / size
        variance = max(0, money_variance(acted) + money_variance(held) - 2 * shared)
        for end, sign in (("low", -1), ("high", 1)):
            bound = acted["money"] - held["money"] + sign * Z * math.sqrt(variance)
            out[f"value_per_decision_difference_{end}"] = bound
    promised = [worth(row["label"], True) - worth(row["label"], False) for row in held["closed"]]
    return out | {"value_promised": sum(promised) / len(promised)}


def money_variance(arm: Row) -> float:
    entities = arm["entities"]
    return sum(r * r for r in arm["by_money"].values()) / arm["n"] ** 2 * entities / (entities - 1)


DECISION = st.tuples(
    st.sampled_from("abcdefgh"),
    st.integers(0, 9).map(lambda days: TODAY - timedelta(days=days)),
    st.sampled_from([1, 1, 1, 0, None]),
    st.sampled_from([True, False, False, None]),
    st.sampled_from([0, 1, None]),
    st.just(1.0),
)


@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(DECISION, max_size=40))
def test_every_number_equals_brute_force(macros, rows):
    found = table(macros, frame(rows))
    plain = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    for kind, days in (("1d", 1), ("7d", 7), ("whole", math.inf)):
        expected = oracle(plain, days)
        row = found.get((kind, TODAY))
        if row is None:
            assert expected["n_acted"] + expected.get("n_held_out", 0) == 0
            continue
        for name, number in expected.items():
            assert row[name] == pytest.approx(number, abs=1e-6), (kind, name)
        enough = min(row["n_acted_matured"], row["n_held_out_matured"]) >= 5
        assert row["status"] == ("ok" if enough else "insufficient_data")
        assert all(math.isfinite(v) for v in row.values() if isinstance(v, float))


def arms(n_acted: int, y_acted: int, n_held: int, y_held: int) -> pd.DataFrame:
    """Entities seen once: the first y of each arm have the outcome."""
    n = n_acted + n_held
    label = [int(i < y_acted) for i in range(n_acted)] + [int(i < y_held) for i in range(n_held)]
    return frame([(f"e{i}", TODAY, 1, i >= n_acted, label[i], 10.0 * (i % 7)) for i in range(n)])


@pytest.mark.parametrize("counts", [(400, 80, 60, 21), (200, 0, 40, 3), (50, 50, 50, 50), (90, 1, 10, 0)])
def test_entities_seen_once_have_newcombes_interval(macros, counts):
    row = table(macros, arms(*counts))[("whole", TODAY)]
    n_acted, y_acted, n_held, y_held = counts
    low, high = confint_proportions_2indep(y_acted, n_acted, y_held, n_held, method="newcomb", compare="diff")
    found = (row["outcome_rate_difference_low"], row["outcome_rate_difference_high"])
    assert found == pytest.approx((low, high), abs=1e-9)


def test_money_is_what_was_done_and_the_promise_what_it_would_have_been(macros):
    """Acting helps: half of the 40 % who would leave stay. The cells pay only for what they see, the rate shows it."""
    row = table(macros, arms(1000, 200, 1000, 400))[("whole", TODAY)]
    assert row["outcome_rate_difference"] == pytest.approx(-0.2)
    assert row["outcome_rate_difference_high"] < 0
    assert row["value_per_decision_acted"] == pytest.approx(0.2 * 70 - 0.8 * 10)
    assert row["value_per_decision_held_out"] == pytest.approx(0.4 * -120 + 0.6 * 3)
    assert row["value_promised"] == pytest.approx(0.4 * (70 + 120) + 0.6 * (-10 - 3))
    assert row["value_promised_low"] < row["value_promised"] < row["value_promised_high"]


def test_an_amount_that_is_missing_counts_as_nothing(macros):
    rows = arms(10, 10, 10, 0)
    rows.loc[0, "saved_usd"] = math.nan
    rows.loc[1, "saved_usd"] = math.inf
    row = table(macros, rows, "amounts")[("whole", TODAY)]
    assert row["value_per_decision_acted"] == pytest.approx(sum(10.0 * (i % 7) for i in range(2, 10)) / 10)


def test_nobody_held_out_is_insufficient_data_and_no_number(macros):
    row = table(macros, arms(50, 5, 0, 0))[("whole", TODAY)]
    assert (row["status"], row["n_held_out"], row["outcome_rate_held_out"]) == ("insufficient_data", 0, None)
    assert row["outcome_rate_acted"] == 0.1
    for name in ("outcome_rate_difference", "value_per_decision_difference", "value_promised"):
        assert [row[name + end] for end in ("", "_low", "_high")] == [None] * 3


def test_a_product_without_value_has_no_money(macros):
    row = table(macros, arms(50, 5, 50, 6), "no_value")[("whole", TODAY)]
    assert {row[name] for name in row if name.startswith("value")} == {None}
    assert row["outcome_rate_difference"] == pytest.approx(-0.02)


def test_windows_of_hours_are_left_out(macros):
    assert {kind for kind, _ in table(macros, arms(50, 5, 50, 6), "hours")} == {"whole"}


def test_a_day_without_decisions_has_no_row(macros):
    rows = arms(10, 1, 10, 2)
    rows.loc[0, "as_of"] = pd.Timestamp(TODAY - timedelta(days=5))
    ends = sorted(end for kind, end in table(macros, rows) if kind == "1d")
    assert ends == [TODAY - timedelta(days=5), TODAY]


def test_the_interval_covers_with_accounts_that_decide_daily(macros):
    """300 worlds, one per day, of 200 acted and 60 held-out accounts with 4 decisions each."""
    rng, worlds, truth = np.random.default_rng(4), 300, (0.15, 0.30)
    made = []
    for world in range(worlds):
        as_of = TODAY - timedelta(days=world)
        for held, (n, rate) in enumerate(zip((200, 60), truth, strict=True)):
            own = np.clip(rng.beta(2 * rate, 2 * (1 - rate), n), 0, 1)
            labels = rng.random((n, 4)) < own[:, None]
            made += [
                (f"{held}-{world}-{i}", as_of - timedelta(hours=int(h)), 1, bool(held), int(labels[i, h]), 0.0)
                for i in range(n)
                for h in range(4)
            ]
    rows = table(macros, frame(made))
    daily = [row for (kind, _), row in rows.items() if kind == "1d"]
    assert len(daily) == worlds
    expected = {
        "outcome_rate_difference": truth[0] - truth[1],
        "value_per_decision_difference": sum(r * w for r, w in zip((truth[0], 1 - truth[0]), (70, -10), strict=True))
        - sum(r * w for r, w in zip((truth[1], 1 - truth[1]), (-120, 3), strict=True)),
    }
    for name, target in expected.items():
        covered = np.mean([row[f"{name}_low"] <= target <= row[f"{name}_high"] for row in daily])
        assert 0.92 <= covered <= 0.985, (name, covered)
