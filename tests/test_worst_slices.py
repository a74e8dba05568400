"""Which slice explains a change: contributions add up, tests equal scipy's, no change seldom alarms."""

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
from scipy import stats

TODAY = datetime(2025, 3, 30)
CELLS = {"tp": 70.0, "fp": -10.0, "fn": -120.0, "tn": 3.0}
BASE: dict[str, Any] = {
    "entity": "account_id",
    "outcome": {"horizon": "30 days", "grace": "0 days"},
    "decide": {"per": "1 day", "policy": "first"},
    "slices": ["plan", "country"],
    "value": {"currency": "USD", **CELLS},
    "monitor": {"windows": ["1h", "1d", "3d", "whole"], "min_n": 4, "drift": {"q": 0.05}},
}
PRODUCTS = {
    "churn": BASE,
    "no_value": {key: value for key, value in BASE.items() if key != "value"},
    "no_slices": {**BASE, "slices": []},
    "weeks": {**BASE, "monitor": {"windows": ["7d"], "min_n": 30, "drift": {"q": 0.01}}},
}
COLUMNS = ("account_id", "as_of", "score", "predicted_label", "plan", "country", "label")
Row = dict[str, Any]
Key = tuple[Any, ...]


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("slices"), PRODUCTS, now="2025-03-30 06:00:00") as harness:
        yield harness


def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    kinds = {"score": "float64", "label": "Int64", "predicted_label": "Int64", "plan": object, "country": object}
    made = pd.DataFrame(rows, columns=list(COLUMNS)).astype(kinds)
    return made.assign(as_of=pd.to_datetime(made["as_of"]), account_id=made["account_id"].astype(object))


def table(macros, rows: pd.DataFrame, product: str = "churn") -> dict[Key, Row]:
    rows = rows.assign(decision_key=np.arange(len(rows)).astype(str))
    macros.connection.register("decisions", rows.drop(columns="label"))
    macros.connection.register("outcomes", rows[["decision_key", "label"]].rename(columns={"label": "outcome_label"}))
    found = macros.query(macros.render("default__worst_slices", product, "decisions", "outcomes", None))
    keys = ("window_kind", "window_end", "metric", "slice_name", "slice_value")
    return {tuple(row[key] for key in keys): row for row in found}


def measures(row: Row) -> dict[str, float]:
    """The five metrics of one closed decision."""
    label, chance = row["label"], row["score"] if row["label"] else 1 - row["score"]
    found = {
        "outcome_rate": label,
        "log_loss": -math.log(max(chance, 2.220446049250313e-16)),
        "brier": (row["score"] - label) ** 2,
    }
    if row["predicted_label"] is not None:
        acted = row["predicted_label"] == 1
        found["accuracy"] = int(acted == (label == 1))
        found["value_per_decision"] = CELLS[("fn", "tp")[acted] if label else ("tn", "fp")[acted]]
    return found


def oracle(rows: list[Row], days: int, slice_name: str) -> dict[Key, Row]:
    """(metric, slice_value) -> the parts of the change, for the window that ends today, by loops."""
    now, before = TODAY - timedelta(days=days), TODAY - timedelta(days=2 * days)
    sides = ([r for r in rows if now < r["as_of"] <= TODAY], [r for r in rows if before < r["as_of"] <= now])
    if any(row["label"] is None for side in sides for row in side) or not all(sides):
        return {}
    values: dict[Key, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    overall: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for index, side in enumerate(sides):
        for row in side:
            for metric, number in measures(row).items():
                values[(metric, "(none)" if row[slice_name] is None else row[slice_name])][index].append(number)
                overall[metric][index].append(number)
    out: dict[Key, Row] = {}
    for (metric, value), (new, old) in values.items():
        if not all(overall[metric]):
            continue
        total_new, total_old = map(np.mean, overall[metric])
        share, share_reference = len(new) / len(overall[metric][0]), len(old) / len(overall[metric][1])
        m1, m0 = np.mean(new) if new else np.mean(old), np.mean(old) if old else np.mean(new)
        within = (share + share_reference) / 2 * (m1 - m0)
        mix = (share - share_reference) * ((m1 + m0) / 2 - (total_new + total_old) / 2)
        out[(metric, value)] = {
            "n": len(new), "n_reference": len(old), "within": within, "mix": mix,
            "overall_change": total_new - total_old,
        }  # fmt: skip
    return out


DECISION = st.tuples(
    st.sampled_from("abcdef"),
    st.integers(0, 7).map(lambda days: TODAY - timedelta(days=days)),
    st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    st.sampled_from([0, 1, 1, None]),
    st.sampled_from(["x", "y", "it's", None]),
    st.sampled_from(["US", None]),
    st.sampled_from([0, 1, 0, 1, 0, 1, 0, 1, None]),
)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(DECISION, max_size=50))
def test_contributions_equal_brute_force_and_add_up(macros, rows):
    found = table(macros, frame(rows))
    plain = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    for kind, days in (("1d", 1), ("3d", 3)):
        for slice_name in ("plan", "country"):
            expected = oracle(plain, days, slice_name)
            mine = {k[2::2]: row for k, row in found.items() if k[:2] == (kind, TODAY) and k[3] == slice_name}
            assert set(mine) == set(expected)
            for key, numbers in expected.items():
                for name, number in numbers.items():
                    assert mine[key][name] == pytest.approx(number, abs=1e-7), (key, name)
            for metric in {metric for metric, _ in expected}:
                parts = [row for key, row in mine.items() if key[0] == metric]
                assert sum(row["contribution"] for row in parts) == pytest.approx(parts[0]["overall_change"], abs=1e-7)
                assert sum(row["excess"] for row in parts) == pytest.approx(0, abs=1e-7)
    check_every_row(found)


def check_every_row(found: dict[Key, Row]) -> None:
    families: dict[Key, list[Row]] = defaultdict(list)
    for key, row in found.items():
        assert all(math.isfinite(v) for v in row.values() if isinstance(v, float))
        enough = min(row["n"], row["n_reference"]) >= 4
        assert (row["p_value"] is not None) == (row["q_value"] is not None) == (row["rank"] is not None) == enough
        assert (row["status"] == "insufficient_data") == (not enough)
        if enough:
            families[key[:3]].append(row)
    for family in families.values():
        p = [row["p_value"] for row in family]
        assert [row["q_value"] for row in family] == pytest.approx(stats.false_discovery_control(p), rel=1e-9)
        assert sorted(row["rank"] for row in family) == list(range(1, len(family) + 1))


def two_windows(new: np.ndarray, old: np.ndarray, labels: bool) -> pd.DataFrame:
    """One plan, entities seen once. The arrays are outcome labels, or scores of negatives (brier is their square)."""
    n, both = len(new) + len(old), np.concatenate([new, old])
    as_of = [TODAY] * len(new) + [TODAY - timedelta(days=1)] * len(old)
    score, label = (np.full(n, 0.5), both) if labels else (both, np.zeros(n))
    return frame([(f"e{i}", as_of[i], score[i], 1, "x", "US", int(label[i])) for i in range(n)])


@pytest.mark.parametrize(("new", "old"), [((30, 100), (40, 200)), ((3, 60), (40, 200)), ((60, 60), (120, 200))])
def test_shares_are_tested_by_the_more_cautious_of_score_and_likelihood(macros, new, old):
    (y1, n1), (y0, n0) = new, old
    rows = two_windows(np.arange(n1) < y1, np.arange(n0) < y0, labels=True)
    p = table(macros, rows)[("1d", TODAY, "outcome_rate", "plan", "x")]["p_value"]
    counts = [[y1, n1 - y1], [y0, n0 - y0]]
    score, likelihood = (
        stats.chi2_contingency(counts, correction=False, lambda_=name).pvalue for name in ("pearson", "log-likelihood")
    )
    assert p == pytest.approx(max(score, likelihood), rel=2e-6)


def test_means_are_tested_by_the_more_cautious_t(macros):
    rng = np.random.default_rng(0)
    for n1, n0, scale in ((40, 60, 1.0), (30, 300, 0.3), (300, 35, 0.6)):
        new, old = rng.beta(1, 3, n1) * scale, rng.beta(1, 5, n0)
        p = table(macros, two_windows(new, old, labels=False))[("1d", TODAY, "brier", "plan", "x")]["p_value"]
        a, b = new**2, old**2
        # SQL pools as under no change: about the common mean, over n1 + n0
        pooled = np.concatenate([a, b]).var() * (1 / n1 + 1 / n0)
        separate = a.var() / n1 + b.var() / n0
        t = abs(a.mean() - b.mean()) / math.sqrt(max(pooled, separate))
        assert p == pytest.approx(2 * stats.t.sf(t, n1 + n0 - 2), rel=0.02)


@pytest.mark.parametrize("z", [0.0, 0.3, 1.0, 1.96, 3.5, 8.0, 20.0, 37.0])
def test_the_normal_tail_equals_scipy(macros, z):
    assert macros.value(macros.render("normal_tail", f"{z}e0")) == pytest.approx(stats.norm.sf(z), rel=1.3e-7)


def test_the_normal_tail_stays_finite(macros):
    assert macros.value(macros.render("normal_tail", "1e9")) == pytest.approx(0, abs=1e-300)


def world(
    rng: np.random.Generator, windows: int, per_day: int, accuracy: float, bad: tuple[str, float] | None
) -> pd.DataFrame:
    """Weeks of decisions, each with its own accounts; in the newest the accuracy of plan bad[0] falls by bad[1]."""
    n = windows * 7 * per_day
    day = np.repeat(np.arange(windows * 7), per_day)
    plan = rng.choice(["a", "b", "c", "d"], n, p=[0.4, 0.3, 0.2, 0.1])
    country = rng.choice(["US", "DE", "FR"], n, p=[0.8, 0.15, 0.05])
    said = (rng.random(n) < 0.3).astype(int)
    right = np.full(n, accuracy)
    if bad:
        right = right - bad[1] * ((plan == bad[0]) & (day < 7))
    label = np.where(rng.random(n) < right, said, 1 - said)
    score = np.where(said == 1, 0.6, 0.2) + rng.random(n) * 0.3
    return pd.DataFrame({
        "account_id": np.arange(n).astype(str).astype(object),
        "as_of": pd.Timestamp(TODAY) - pd.to_timedelta(day, unit="D"),
        "score": score, "predicted_label": said, "plan": plan, "country": country, "label": label,
    })  # fmt: skip


@pytest.mark.parametrize(("accuracy", "per_day"), [(0.8, 60), (0.97, 200), (0.6, 15)])
def test_without_a_change_few_windows_alarm(macros, accuracy, per_day):
    """400 pairs of weeks, q = 0.01, 7 slice values each: windows with any alarm, per metric, at most 2.5 %."""
    found = table(macros, world(np.random.default_rng(7), 400, per_day, accuracy, None), "weeks")
    alarms: dict[str, set[datetime]] = defaultdict(set)
    pairs = {TODAY - timedelta(days=7 * week) for week in range(399)}
    for (_, end, metric, *_), row in found.items():
        if end in pairs and row["status"] in ("worse", "better", "changed"):
            alarms[metric].add(end)
    assert {metric: len(ends) for metric, ends in alarms.items() if len(ends) > 10} == {}
    assert len({key[1] for key in found} & pairs) == 399


@pytest.mark.parametrize("plan", ["a", "c"])
def test_a_planted_bad_slice_is_ranked_first(macros, plan):
    found = table(macros, world(np.random.default_rng(3), 2, 200, 0.8, (plan, 0.3)), "weeks")
    for metric in ("accuracy", "value_per_decision"):
        ranked = {row["rank"]: row for key, row in found.items() if key[:3] == ("7d", TODAY, metric)}
        assert (ranked[1]["slice_name"], ranked[1]["slice_value"]) == ("plan", plan)
        assert ranked[1]["status"] == "worse"
        assert ranked[1]["share_of_change"] > 0.7
    others = [row for key, row in found.items() if key[:4] == ("7d", TODAY, "accuracy", "plan") and key[4] != plan]
    assert {row["status"] for row in others} == {"ok"}


def test_accounts_that_decide_daily_do_not_alarm_more_often(macros):
    """Each week 60 accounts decide on all 7 days with one lasting answer: a row is worth a seventh of a row."""
    rng, made = np.random.default_rng(5), []
    for week in range(200):
        wrong = rng.random(60) < 0.2
        plan = rng.choice(["a", "b"], 60)
        for day in range(7):
            as_of = TODAY - timedelta(days=7 * week + day)
            made += [(f"{week}-{i}", as_of, 0.5, 0, plan[i], "US", int(wrong[i])) for i in range(60)]
    found = table(macros, frame(made), "weeks")
    pairs = {TODAY - timedelta(days=7 * week) for week in range(199)}
    alarmed = {
        key[1] for key, row in found.items() if key[1] in pairs and key[2] == "accuracy" and row["status"] != "ok"
    }
    assert len(alarmed) <= 6


def test_the_decisions_of_one_account_are_no_sample(macros):
    """30 rows of one account, each worth the same on a side: one answer, however often it was given."""
    rows = []
    for week, (said, label) in enumerate(((1, 0), (0, 0))):
        for hour in range(30):
            as_of = TODAY - timedelta(days=7 * week, hours=hour)
            rows.append(("a", as_of, 0.7 if said else 0.3, said, "alone", "US", label))
    rows += [(f"b{i}", TODAY - timedelta(days=7 * (i % 2)), 0.4, 0, "many", "US", 0) for i in range(80)]
    found = table(macros, frame(rows), "weeks")
    alone = {key[2]: row for key, row in found.items() if key[3:] == ("plan", "alone") and key[1] == TODAY}
    assert {name: alone[name]["status"] for name in ("value_per_decision", "log_loss", "brier")} == {
        "value_per_decision": "insufficient_data", "log_loss": "insufficient_data", "brier": "insufficient_data",
    }  # fmt: skip
    assert {row["p_value"] for row in alone.values() if row["status"] == "insufficient_data"} == {None}


def test_windows_that_are_not_closed_or_not_of_days_are_left_out(macros):
    rows = two_windows(np.zeros(20), np.ones(20), labels=True)
    assert {key[0] for key in table(macros, rows)} == {"1d"}
    rows.loc[0, "label"] = pd.NA
    assert table(macros, rows) == {}


def test_without_slices_or_value_there_is_nothing_to_say_about_them(macros):
    rows = two_windows(np.zeros(20), np.ones(20), labels=True)
    assert table(macros, rows, "no_slices") == {}
    assert {key[2] for key in table(macros, rows, "no_value")} == {"accuracy", "outcome_rate", "log_loss", "brier"}
