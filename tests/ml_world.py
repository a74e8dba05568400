"""A made-up product in a DuckDB of its own: churn that depends on two columns, months of it, no dbt."""

from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np

from ml.evaluation import Sample
from ml.product import Product, load_products
from ml.value import Cells

START = datetime(2026, 1, 5)
CUT = datetime(2026, 11, 2)
PARAMETERS: dict[str, Any] = {
    "entity": "account_id",
    "outcome": {"model": "churn_events", "horizon": "30 days", "grace": "2 days"},
    "decide": {"per": "30 days", "policy": "first"},
    "slices": ["plan"],
    "value": {"currency": "USD", "tp": "saved_usd", "fp": -20, "fn": 0, "tn": 0},
    "holdout": 0.05,
    "train": {
        "candidates": {"logistic_regression": {}, "hist_gradient_boosting": {"max_iter": 30}},
        "split": {"validation": "30 days", "test": "30 days"},
        "promote": {"min_matured": 100, "min_positives": 20},
    },
}


def manifest(parameters: dict[str, Any] | None = None, columns: dict[str, Any] | None = None) -> dict[str, Any]:
    """The part of a dbt manifest that declares the product `churn`."""
    models = ("churn_training_set", "churn_scoring_set", "churn_events")
    nodes = {f"model.demo.{name}": {"name": name, "columns": columns or {}} for name in models}
    exposure = {
        "name": "churn",
        "type": "ml",
        "label": "Customer churn",
        "description": "Who leaves.",
        "owner": {"name": "ml_engineering", "email": "ml@example.com"},
        "original_file_path": "models/exposures.yml",
        "depends_on": {"nodes": list(nodes)},
        "config": {"meta": {"product": PARAMETERS if parameters is None else parameters}},
    }
    return {"exposures": {"exposure.demo.churn": exposure}, "nodes": nodes}


def product(columns: dict[str, Any] | None = None, flagged: tuple[str, ...] = (), **changed: Any) -> Product:
    """The product with some of its parameters changed; `train` is merged. `flagged`: columns of a source with PII."""
    train = {**PARAMETERS["train"], **changed.pop("train", {})}
    raw = {"name": "accounts", "columns": {name: {"config": {"meta": {"pii": True}}} for name in flagged}}
    nodes = manifest({**PARAMETERS, "train": train, **changed}, columns)
    return load_products({**nodes, "sources": {"source.demo.raw.accounts": raw}})["churn"]


FEATURES = """
    select
        'A' || lpad(a::varchar, 5, '0') as account_id,
        as_of,
        case when a % 3 = 0 then 'basic' when a % 3 = 1 then 'pro' else 'enterprise' end as plan,
        case when hash(a * 11 + 1) % 10 = 0 then null else (hash(a * 7919 + d) % 1000) / 100.0 end as actions_7d,
        (hash(a * 104729 + d * 31) % 50)::integer as tickets_28d,
        hash(a * 17 + 5) % 2 = 0 as is_annual,
        20.0 + hash(a * 13) % 200 as saved_usd
"""


def warehouse(
    accounts: int = 300, weeks: int = 38, signal: float = 1.0, path: str = ":memory:"
) -> duckdb.DuckDBPyConnection:
    """A training set of `weeks` Mondays from START on, and a scoring set of the 5 days up to CUT."""
    con = duckdb.connect(path)
    con.execute("set TimeZone = 'UTC'")
    con.execute("create schema churn")
    con.execute(
        f"""
        create table churn.training_set as
        with rows as ({FEATURES} from range({accounts}) t(a), (
            select range as d, timestamp '{START}' + to_days((range * 7)::integer) as as_of from range({weeks}))),
        odds as (select *, -2.2 + {signal} * (0.09 * (tickets_28d - 25) - 0.35 * (coalesce(actions_7d, 5) - 5)
            + case when plan = 'basic' then 0.8 else 0 end) as log_odds from rows)
        select * exclude (log_odds),
            ((hash(account_id || as_of::varchar) % 100000) / 100000.0 < 1 / (1 + exp(-log_odds)))::integer
                as outcome_label,
            as_of + interval 32 days as label_known_at
        from odds
        """
    )
    con.execute(
        f"""
        create table churn.scoring_set as
        {FEATURES} from range({accounts}) t(a), (
            select 1000 + range as d, timestamp '{CUT}' + to_days(range::integer) as as_of from range(5))
        """
    )
    return con


def days(n: int = 5) -> list[datetime]:
    """The first n scored days."""
    return [CUT + timedelta(days=i) for i in range(n)]


def cells(n: int, tp: float = 100, fp: float = -10, fn: float = -50, tn: float = 0) -> Cells:
    """The same money in every row."""
    return Cells(*(np.full(n, float(cell)) for cell in (tp, fp, fn, tn)))


def sample(
    n: int, seed: int = 0, per_entity: int = 1, decimals: int | None = None, noise: float = 1.0, threshold: float = 0.5
) -> Sample:
    """Decisions on entities of known odds; `noise` is added to the log-odds they are scored with."""
    rng = np.random.default_rng(seed)
    entity = np.arange(n) // per_entity
    margin = rng.normal(-1, 1, entity.max() + 1)[entity]
    outcome = (rng.random(entity.max() + 1)[entity] < 1 / (1 + np.exp(-margin))).astype(np.int8)
    score = 1 / (1 + np.exp(-margin - rng.normal(0, noise, n)))
    score = score if decimals is None else score.round(decimals)
    return Sample(outcome, score, score >= threshold, cells(n), entity)
