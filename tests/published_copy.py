"""A home with a small published copy: matured and pending decisions, a champion, one failing check of each kind."""

import json
from datetime import datetime
from pathlib import Path

import duckdb

from ml.home import Home

NOW = datetime(2026, 11, 21, 6)


def published_home(root: Path) -> Home:
    """Write the copy below `root` and return its home."""
    home = Home(root).ensure()
    with duckdb.connect(str(home.published_warehouse)) as con:
        for schema in ("raw", "staging", "churn", "ops"):
            con.execute(f"create schema {schema}")
        con.execute(
            "create table raw.accounts as select range as id, timestamp '2026-11-21 00:00' as known_at from range(7)"
        )
        con.execute("create view staging.accounts as select * from raw.accounts where id < 5")
        con.execute("create table churn.predictions (prediction_id uuid, as_of timestamp)")
        con.execute(
            "insert into churn.predictions select uuid(), timestamp '2026-11-21' - to_days(range::int) from range(3)"
        )
        con.execute("create table churn.outcomes as select unnest(['positive', 'negative', 'early_positive']) as state")
        con.execute("create table churn.action_list as select unnest([false, false, true]) as is_holdout")
        _performance(con)
        _ops(con)
    return home


def _performance(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """
        create table churn.performance (window_kind varchar, window_end timestamp,
            slice_name varchar, model_version varchar, basis varchar, n bigint, n_matured bigint,
            roc_auc double, roc_auc_low double, roc_auc_high double,
            value double, value_treat_none double, value_treat_all double);
        insert into churn.performance values
            ('28d', '2026-10-20', 'overall', 'all', 'matured', 2, 2, 0.81, 0.75, 0.87, 1234.5, 0, -600),
            ('28d', '2026-11-20', 'overall', 'all', 'matured', 9, 4, 0.99, 0.98, 1.00, 9999, 0, 0),
            ('7d', '2026-11-10', 'overall', 'all', 'matured', 3, 3, 0.55, 0.50, 0.60, 7, 0, 0),
            ('28d', '2026-10-20', 'plan', 'all', 'matured', 2, 2, 0.11, 0.10, 0.12, 1, 0, 0)
        """
    )


def _ops(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """
        create table ops.model_versions (product varchar, version integer, algorithm varchar,
            labels_known_until timestamp, serves_from timestamp, serves_to timestamp, reason varchar,
            metrics json, is_champion boolean);
        create table ops.runs (run_id varchar);
        create table ops.check_results (run_id varchar, asset varchar, check_name varchar, is_passed boolean,
            severity varchar, status varchar, owner varchar, message varchar, evaluated_at timestamp)
        """
    )
    metrics = json.dumps({"roc_auc": 0.79, "roc_auc_low": 0.76, "roc_auc_high": 0.82})
    con.executemany(
        "insert into ops.model_versions values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            [
                "churn",
                1,
                "logistic_regression",
                datetime(2026, 7, 24),
                datetime(2026, 7, 24),
                None,
                "first",
                metrics,
                False,
            ],
            [
                "churn",
                2,
                "hist_gradient_boosting",
                datetime(2026, 9, 22),
                datetime(2026, 9, 22),
                None,
                "",
                metrics,
                True,
            ],
        ],
    )
    con.executemany(
        "insert into ops.check_results values ('run', 'churn/performance', ?, ?, ?, 'failed', 'ml_engineering', ?, ?)",
        [
            ["floor", True, "error", "0.81, floor 0.70", datetime(2026, 11, 20)],
            ["floor", False, "error", "0.61, floor 0.70, 28d", datetime(2026, 11, 21)],
            ["mended", False, "error", "was broken", datetime(2026, 11, 20)],
            ["mended", True, "error", "fine again", datetime(2026, 11, 21)],
            ["coverage", False, "warn", "0.93 of 0.95", datetime(2026, 11, 21)],
        ],
    )
