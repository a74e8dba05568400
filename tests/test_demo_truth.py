import itertools
import math
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import demo_features
import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from how_many import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from demo import health, truth
from demo.landing import write_missing_days
from ml.home import Home

NOW = datetime(2026, 11, 21, 6)
HORIZON = timedelta(days=30)
NO_VALUE = {"tp": 0.0, "fp": 0.0, "fn": 0.0, "tn": 0.0}


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, object], float]:
    """The default company, the facts of writing it and the CPU seconds it took."""
    home, began = Home(tmp_path_factory.mktemp("default")), time.process_time()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCOUNTS", "DAYS", "SEED"):
            patch.delenv(f"BATON_DEMO_{name}", raising=False)
        facts = write_missing_days(home, NOW)
    return home, dict(facts), time.process_time() - began


@pytest.fixture(scope="module")
def home(default: tuple[Home, dict[str, object], float]) -> Home:
    return default[0]


@pytest.fixture(scope="module")
def monthly(home: Home) -> pd.DataFrame:
    """Truth of every account on days a horizon apart, so that no outcome is counted twice."""
    days = [NOW.replace(hour=0) - HORIZON * step for step in range(1, 13)]
    return pd.concat([truth.probabilities(home, day, day, HORIZON) for day in days], ignore_index=True)


def outcomes_fit(chance: "np.ndarray", happened: "np.ndarray") -> bool:
    """Whether the outcomes lie within 4 standard deviations of their sum, in all and in each tenth by chance."""
    order = np.argsort(chance)
    tenths = np.array_split(order, 10)
    deviations = [
        abs((happened[rows] - chance[rows]).sum()) / math.sqrt((chance[rows] * (1 - chance[rows])).sum())
        for rows in [order, *tenths]
    ]
    return max(deviations) < 4


def test_the_default_company_is_as_large_and_as_quick_as_promised(
    default: tuple[Home, dict[str, object], float],
) -> None:
    _, facts, cpu_seconds = default
    rows = facts["rows"]
    assert isinstance(rows, dict)
    assert facts["days_written"] == 400
    assert facts["newest_day"] == "2026-11-20"
    assert 1_900_000 < rows["usage_events"] < 2_250_000
    assert cpu_seconds < 30


def test_probabilities_are_calibrated(monthly: pd.DataFrame) -> None:
    chance, happened = monthly["p_churn"].to_numpy(), monthly["churned"].to_numpy()
    assert outcomes_fit(chance, happened)
    assert not outcomes_fit(chance * 1.25, happened)


def test_churn_is_three_to_five_percent_a_month_and_predictable_to_a_limit(home: Home, monthly: pd.DataFrame) -> None:
    reached = truth.best_reachable(home, monthly[["account_id", "as_of"]], NO_VALUE)
    assert 0.03 < monthly["churned"].mean() < 0.05
    assert 0.82 < reached["roc_auc"] < 0.88
    assert (reached["n"], reached["n_positives"]) == (len(monthly), monthly["churned"].sum())


def test_churned_is_what_the_landing_files_report(home: Home, monthly: pd.DataFrame) -> None:
    first = NOW.replace(hour=0) - HORIZON * 3
    reported = duckdb.execute(
        f"""
        select distinct account_id from '{home.landing}/churn_events/*.parquet'
        where event_at > $first and event_at <= $first + interval 30 day
        """,
        {"first": first},
    ).fetchall()
    happened = monthly[(monthly["as_of"] == first) & monthly["churned"]]
    assert set(happened["account_id"]) <= {account for (account,) in reported}
    assert len(reported) - len(happened) <= 10  # signed up and lost within the horizon


def test_a_plain_logistic_regression_comes_near_the_limit(home: Home) -> None:
    days = [NOW.replace(hour=0) - timedelta(days=30 + 12 * step) for step in range(12)]
    with duckdb.connect() as con:
        demo_features.read_landing(con, home)
        rows = pd.concat([demo_features.at(con, home, day) for day in days], ignore_index=True)
    past = (rows["as_of"] <= days[7]).to_numpy()
    recent = (rows["as_of"] >= days[4]).to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    features, happened = demo_features.matrix(rows), rows["churned"].to_numpy()
    model.fit(features[past], happened[past])
    reached = roc_auc_score(happened[recent], model.predict_proba(features[recent])[:, 1])
    best = truth.best_reachable(home, rows.loc[recent, ["account_id", "as_of"]], NO_VALUE)["roc_auc"]
    assert best - 0.035 < reached < best + 0.005


@pytest.mark.parametrize("days", [7, 30])
def test_best_reachable_is_what_a_hand_computes(home: Home, days: int) -> None:
    as_of, horizon = datetime(2026, 7, 1), timedelta(days=days)
    known = truth.probabilities(home, as_of, as_of + timedelta(days=2), horizon)
    amounts = np.random.default_rng(1).uniform(-20, 400, len(known))
    decisions = known[["account_id", "as_of"]].assign(saved_usd=amounts)
    value = {"tp": "saved_usd", "fp": -10, "fn": -120, "tn": 0}
    reached = truth.best_reachable(home, pa.Table.from_pandas(decisions), value, horizon)
    total = 0.0
    for chance, churned, saved in zip(known["p_churn"], known["churned"], amounts, strict=True):
        acts = chance * saved - (1 - chance) * 10 > chance * -120
        total += (saved if churned else -10) if acts else (-120 if churned else 0)
    assert reached["value"] == pytest.approx(total)
    assert reached["treat_none"] == pytest.approx(-120 * known["churned"].sum())
    assert reached["roc_auc"] == pytest.approx(roc_auc_score(known["churned"], known["p_churn"]))
    assert reached["log_loss"] == pytest.approx(log_loss(known["churned"], known["p_churn"]))
    assert max(reached["treat_none"], reached["treat_all"]) < reached["value"]


def test_a_range_means_every_active_account_of_its_days(home: Home) -> None:
    first, last = datetime(2026, 7, 1), datetime(2026, 7, 3)
    known = truth.probabilities(home, first, last, HORIZON)
    assert truth.best_reachable(home, (first, last), NO_VALUE) == truth.best_reachable(
        home, known[["account_id", "as_of"]], NO_VALUE
    )
    assert known["as_of"].nunique() == 3


def test_the_stored_probability_is_that_of_thirty_days(home: Home) -> None:
    as_of = datetime(2026, 7, 1)
    stored = (
        duckdb.sql(f"from '{home.root}/demo/truth/beliefs/*.parquet'")
        .filter(f"as_of = '{as_of}'")
        .order("account_id")
        .df()
    )
    known = truth.probabilities(home, as_of, as_of, HORIZON)
    np.testing.assert_allclose(stored["p_churn_30d"], known["p_churn"], rtol=1e-12)


def test_days_that_are_not_matured_have_no_truth_yet(home: Home) -> None:
    as_of = NOW.replace(hour=0) - HORIZON
    assert truth.probabilities(home, as_of, NOW, HORIZON)["as_of"].max() == as_of
    with pytest.raises(truth.TruthMissing, match="the truth ends at 2026-10-22"):
        truth.probabilities(home, as_of + timedelta(days=1), NOW, HORIZON)


def test_errors_name_the_way_out(home: Home, tmp_path: Path) -> None:
    day = datetime(2026, 7, 1)
    with pytest.raises(truth.TruthMissing, match="Next: python -m demo write"):
        truth.probabilities(Home(tmp_path), day, day, HORIZON)
    with pytest.raises(ValueError, match="allowed is a whole number of days"):
        truth.probabilities(home, day, day, timedelta(hours=36))
    with pytest.raises(ValueError, match="value cell tp is 'saved_usd'"):
        truth.best_reachable(home, (day, day), NO_VALUE | {"tp": "saved_usd"})
    with pytest.raises(ValueError, match=r"decisions lack \['as_of'\]"):
        truth.best_reachable(home, pd.DataFrame({"account_id": ["A000001"]}), NO_VALUE)


def paths(days: int) -> Iterator[tuple[int, ...]]:
    return itertools.product(range(3), repeat=days + 1)


@settings(max_examples=examples(15), deadline=None)
@given(
    first=st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    multiplier=st.floats(0.1, 3),
    days=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 2), st.booleans(), st.booleans()), min_size=1, max_size=4
    ),
)
def test_the_filter_is_the_sum_over_all_hidden_histories(
    first: list[float], multiplier: float, days: list[tuple[int, int, bool, bool]]
) -> None:
    start, baseline = np.array(first) / sum(first), 6.0
    hazard = np.minimum(multiplier * health.HAZARD, 0.5)
    weight = np.zeros(3)
    for path in paths(len(days)):
        chance = start[path[0]]
        for (before, after), (actions, ticket, billed, failed) in zip(itertools.pairwise(path), days, strict=True):
            mean, shape = baseline * health.USAGE_LEVEL[after], health.USAGE_SHAPE
            usage = (shape / (shape + mean)) ** shape * (mean / (shape + mean)) ** actions
            tickets = [1 - health.TICKET[after].sum(), *health.TICKET[after]][ticket]
            invoice = (health.INVOICE_FAILS[after] if failed else 1 - health.INVOICE_FAILS[after]) if billed else 1
            chance *= health.TRANSITION[before, after] * (1 - hazard[after]) * usage * tickets * invoice
        weight[path[-1]] += chance
    belief, risk = start[None, :], np.array([multiplier])
    for actions, ticket, billed, failed in days:
        likelihood = (
            health.usage_likelihood(np.array([actions]), np.array([baseline]))
            * health.ticket_likelihood(np.array([ticket]))
            * health.invoice_likelihood(np.array([billed]), np.array([failed]))
        )
        belief = health.filtered(belief, risk, likelihood)
    np.testing.assert_allclose(belief[0], weight / weight.sum(), rtol=1e-9)


@pytest.mark.parametrize("days", [1, 2, 4])
def test_churn_probability_is_one_minus_all_histories_that_survive(days: int) -> None:
    start, multiplier = np.array([0.5, 0.3, 0.2]), 1.7
    hazard = np.minimum(multiplier * health.HAZARD, 0.5)
    survives = sum(
        start[path[0]] * math.prod(health.TRANSITION[a, b] * (1 - hazard[b]) for a, b in itertools.pairwise(path))
        for path in paths(days)
    )
    found = health.churn_probability(start[None, :], np.array([multiplier]), days)
    np.testing.assert_allclose(found, [1 - survives], rtol=1e-12)
