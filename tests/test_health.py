"""One row per day: the worst of each kind in the words of the check itself; earlier days stay as they were judged."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt.adapters.factory import FACTORY
from dbt.cli.main import dbtRunner
from macro_harness import PACKAGE, MacroHarness

TODAY = datetime(2025, 3, 30)
KINDS = ("data", "predictions", "performance", "calibration", "drift", "outcomes")
BASE: dict[str, Any] = {"entity": "account_id", "outcome": {"horizon": "3 days"}, "decide": {"per": "1 day"}}
FLOORS = [
    {"metric": "accuracy", "window": "7d", "at_least": 0.8},
    {"metric": "log_loss", "window": "7d", "at_most": 0.5, "severity": "warn"},
]
PRODUCTS = {
    "churn": {**BASE, "monitor": {"windows": ["1d", "7d"], "floors": FLOORS}},
    "no_floors": {**BASE, "monitor": {"windows": ["1d", "7d"]}},
}
TABLES = {
    "population": {"account_id": "varchar", "as_of": "timestamp"},
    "predictions": {"account_id": "varchar", "as_of": "timestamp", "role": "varchar", "score": "double"},
    "parity": {
        "window_end": "timestamp", "feature": "varchar", "n": "bigint", "n_equal": "bigint",
        "n_missing_logged": "bigint", "n_missing_replayed": "bigint", "exact_match_rate": "double",
        "largest_difference": "double", "evaluated_at": "timestamp",
    },
    "performance": {
        "window_kind": "varchar", "window_end": "timestamp", "slice_name": "varchar", "model_version": "varchar",
        "basis": "varchar", "n": "bigint", "n_matured": "bigint", "accuracy": "double", "accuracy_low": "double",
        "accuracy_high": "double", "log_loss": "double",
    },
    "worst_slices": {
        "window_kind": "varchar", "window_end": "timestamp", "metric": "varchar", "slice_name": "varchar",
        "slice_value": "varchar", "status": "varchar", "value": "double", "value_reference": "double",
        "share_of_change": "double", "p_value": "double", "q_value": "double", "rank": "bigint",
    },
    "calibration": {
        "window_kind": "varchar", "window_end": "timestamp", "model_version": "varchar", "bin": "integer",
        "n": "bigint", "mean_score": "double", "positive_rate": "double", "positive_rate_low": "double",
        "positive_rate_high": "double", "gap": "double", "status": "varchar",
    },
    "outcomes": {
        "as_of": "timestamp", "matures_at": "timestamp", "outcome_known_at": "timestamp", "state": "varchar",
    },
    "delay": {
        "stratum": "varchar", "age_seconds": "bigint", "age_hours": "double", "n_seen": "bigint",
        "share_seen": "double", "n_closed": "bigint", "n_positives": "bigint", "status": "varchar",
    },
}  # fmt: skip

LOADED: dict[str, list[tuple[Any, ...]]] = {}


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("health"), PRODUCTS, now="2025-03-30 06:00:00") as harness:
        yield harness


def performance(accuracy: float, n: int = 100, loss: float = 0.3) -> tuple[Any, ...]:
    low, high = accuracy - 0.05, accuracy + 0.05
    return ("7d", TODAY, "overall", "all", "matured", n, n, accuracy, low, high, loss)


def bins(second: float, status: str = "ok") -> list[tuple[Any, ...]]:
    """Ten bins that mean what they say but for the second, whose realised rate is given; an older one that does not."""
    rates = [(0, 0.05), (1, second), *((b, b / 10 + 0.05) for b in range(2, 10))]
    newest = [
        ("7d", TODAY, "all", b, 500, b / 10 + 0.05, r, r - 0.02, r + 0.02, b / 10 + 0.05 - r, status) for b, r in rates
    ]
    return [*newest, ("7d", TODAY - timedelta(days=1), "all", 1, 500, 0.15, 0.9, 0.88, 0.92, -0.75, "ok")][
        : 10 + (status == "ok")
    ]


def arrivals(until: datetime) -> list[tuple[Any, ...]]:
    """200 days with 20 decisions each, half of them positive and known a day later, up to the day the feed died."""
    rows = []
    for day in range(200):
        as_of = TODAY - timedelta(days=day)
        for i in range(20):
            known, matured = as_of + timedelta(days=1), as_of + timedelta(days=3) <= TODAY
            seen = i < 10 and known <= min(until, TODAY)
            state = ("positive" if seen else "negative") if matured else ("early_positive" if seen else "pending")
            rows.append((as_of, as_of + timedelta(days=3), known if seen else None, state))
    return rows


HEALTHY: dict[str, list[tuple[Any, ...]]] = {
    "population": [("a", TODAY), ("b", TODAY), ("a", TODAY - timedelta(days=1))],
    "predictions": [("a", TODAY, "champion", 0.1), ("b", TODAY, "champion", 0.2)],
    "parity": [(TODAY, f, 10, 10, 0, 0, 1.0, 0.0, TODAY) for f in ("seats", "plan")],
    "performance": [performance(0.9)],
    "worst_slices": [
        ("7d", TODAY, "accuracy", "plan", "x", "ok", 0.9, 0.91, 0.5, 0.6, 0.6, 1),
        ("7d", TODAY, "accuracy", "plan", "tiny", "insufficient_data", 0.1, 0.9, 0.5, None, None, None),
        ("7d", TODAY - timedelta(days=1), "accuracy", "plan", "x", "worse", 0.1, 0.9, 1.0, 0.0, 0.0, 1),
    ],
    "calibration": bins(0.15),
    "outcomes": arrivals(TODAY),
    "delay": [("all", 0, 0.0, 0, 0.0, 3900, 1950, "ok"), ("all", 86400, 24.0, 1950, 1.0, 3900, 1950, "ok")],
}


def health(macros, product: str = "churn", only: tuple[str, ...] = tuple(TABLES), **changed: Any) -> dict[str, Any]:
    for name, columns in TABLES.items():
        rows = changed.get(name, HEALTHY[name])
        if LOADED.get(name) is not rows:
            macros.load(name, columns, rows)
            LOADED[name] = rows
    names = (*TABLES, "drift")
    tables = {name: name if name in only else None for name in names}
    (row,) = macros.query(macros.render("default__health", product, tables))
    return row


def test_all_is_well(macros):
    row = health(macros)
    assert (row["day"], row["status"], row["text"], row["diagnosis"]) == (TODAY, "ok", None, None)
    assert {kind: (row[f"{kind}_status"], row[f"{kind}_checks"]) for kind in KINDS} == {
        "data": ("ok", 3), "predictions": ("ok", 1), "performance": ("ok", 3), "calibration": ("ok", 10),
        "drift": (None, 0), "outcomes": ("ok", 2),
    }  # fmt: skip
    assert row["n_checks"] == 19


SICK = [
    ("data", "failed", "ends at 2025-03-29 00:00:00, today is 2025-03-30",
     {"population": HEALTHY["population"][2:], "predictions": [("a", TODAY - timedelta(days=1), "champion", 0.1)]}),
    ("data", "failed", "other values of seats", {"parity": [(TODAY, "seats", 10, 9, 0, 0, 0.9, 5.0, TODAY)]}),
    ("predictions", "failed", "1 of 2 rows", {"predictions": HEALTHY["predictions"][:1]}),
    ("performance", "failed", "accuracy 0.7 (95 % interval 0.65 to 0.75) breaks >= 0.8",
     {"performance": [performance(0.7)]}),
    ("performance", "warning", "log_loss 0.9 breaks <= 0.5", {"performance": [performance(0.9, loss=0.9)]}),
    ("performance", "insufficient_data", "(and 1 more)", {"performance": [performance(0.1, n=9)]}),
    ("performance", "warning", "accuracy of plan x went from 0.9 to 0.5, 80.0 % of the overall change, in the 7d",
     {"worst_slices": [("7d", TODAY, "accuracy", "plan", "a", "worse", 0.8, 0.9, 0.2, 1e-9, 1e-9, 2),
                       ("7d", TODAY, "accuracy", "plan", "x", "worse", 0.5, 0.9, 0.8, 1e-9, 1e-9, 1)]}),
    ("calibration", "warning", "scores around 0.15 came true for 0.19 (95 % interval 0.17 to 0.21) in the 7d window",
     {"calibration": bins(0.19)}),
    ("outcomes", "failed", "outcomes became known in the", {"outcomes": arrivals(TODAY - timedelta(days=10))}),
    ("outcomes", "insufficient_data", "too few outcomes of closed cohorts",
     {"delay": [("all", 86400, 24.0, 2, 1.0, 9, 2, "insufficient_data")]}),
    ("outcomes", "warning", "delay and score go together",
     {"delay": [(*row[:-1], "score_correlates") for row in HEALTHY["delay"]]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "status", "said", "changed"), SICK)
def test_what_is_wrong_is_said_in_its_kind_and_nowhere_else(macros, kind, status, said, changed):
    row = health(macros, **changed)
    assert (row[f"{kind}_status"], row["status"]) == (status, status)
    assert said in row[f"{kind}_text"]
    assert row["text"] == row[f"{kind}_text"]
    assert {row[f"{other}_status"] for other in KINDS if other != kind} <= {"ok", None}


def test_a_bin_that_is_off_by_chance_is_not_said(macros):
    """2.5 standard errors of one bin out of ten is what chance brings once in ten times."""
    assert health(macros, calibration=bins(0.175))["calibration_status"] == "ok"
    assert health(macros, calibration=bins(0.6, "insufficient_data"))["calibration_status"] is None


def test_the_worst_kind_and_the_worst_check_speak(macros):
    """Within a kind failed hides warning; a failed kind speaks for the day."""
    worse = [("7d", TODAY, "accuracy", "plan", "x", "worse", 0.5, 0.9, 0.8, 1e-9, 1e-9, 1)]
    row = health(macros, performance=[performance(0.7, loss=0.9)], worst_slices=worse)
    assert (row["performance_status"], row["performance_checks"]) == ("failed", 3)
    assert "breaks >= 0.8" in row["performance_text"]
    row = health(macros, worst_slices=worse, predictions=[])
    assert (row["status"], row["performance_status"]) == ("failed", "warning")
    assert row["text"] == row["predictions_text"]


def test_what_is_not_watched_is_null(macros):
    row = health(macros, only=())
    assert {row[f"{kind}_{part}"] for kind in KINDS for part in ("status", "text")} == {None}
    assert (row["status"], row["n_checks"]) == (None, 0)
    assert health(macros, "no_floors", only=("performance",))["performance_status"] is None


DEFINED = {"performance": "performance", "population": "population", "predictions": "predictions"}


class Project:
    """A dbt project in `folder` whose health rests on three tables of its warehouse."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / "warehouse.duckdb"
        duck = {"type": "duckdb", "path": str(self.path), "threads": 1}
        exposure = {"name": "churn", "type": "ml", "owner": {"name": "ml"}}
        exposure["config"] = {"meta": {"product": PRODUCTS["churn"]}}
        tables = [{"name": name, "config": {"group": "ml_engineering"}} for name in DEFINED]
        group = {"name": "ml_engineering", "owner": {"name": "ML", "email": "ml@example.com"}}
        documents = {
            "dbt_project.yml": {"name": "watched", "version": "1.0", "config-version": 2, "profile": "watched"},
            "packages.yml": {"packages": [{"local": str(PACKAGE)}]},
            "profiles.yml": {"watched": {"target": "duckdb", "outputs": {"duckdb": duck}}},
            "models/all.yml": {
                "groups": [group],
                "exposures": [exposure],
                "sources": [{"name": "raw", "schema": "main", "tables": tables}],
            },
        }
        (folder / "models").mkdir()
        for name, content in documents.items():
            (folder / name).write_text(yaml.safe_dump(content))
        arguments = ", ".join(f"{name}=source('raw', '{table}')" for name, table in DEFINED.items())
        (folder / "models/health.sql").write_text(f"{{{{ baton.health('churn', {arguments}) }}}}")
        self.dbt("deps")

    def judge(self, day: int, accuracy: float, *arguments: str) -> list[tuple[Any, ...]]:
        """Run health at 06:00 of a day with what is known then; rows (day of month, status, text)."""
        at = TODAY + timedelta(days=day)
        rows: dict[str, list[tuple[Any, ...]]] = {
            "performance": [("7d", at, *performance(accuracy)[2:])],
            "population": [("a", at)],
            "predictions": [("a", at, "champion", 0.1)],
        }
        with duckdb.connect(str(self.path)) as con:
            for name, lines in rows.items():
                con.execute(
                    f"create or replace table {name} ({', '.join(f'{c} {t}' for c, t in TABLES[name].items())})"
                )
                con.executemany(f"insert into {name} values ({', '.join('?' * len(TABLES[name]))})", lines)
        self.dbt("build", "--vars", yaml.safe_dump({"now": str(at + timedelta(hours=6))}), *arguments)
        with duckdb.connect(str(self.path)) as con:
            return con.execute("select day(day), status, text from health order by day").fetchall()

    def dbt(self, *command: str) -> None:
        flags = ["--quiet", "--no-send-anonymous-usage-stats", "--log-level-file", "none"]
        places = ["--project-dir", str(self.folder), "--profiles-dir", str(self.folder)]
        outcome = dbtRunner().invoke([*flags, *command, *places])
        for adapter in FACTORY.adapters.values():
            adapter.connections.close_all_connections()
        assert outcome.success, outcome.exception or outcome.result


def test_earlier_days_stay_as_they_were_judged_then(tmp_path: Path):
    project = Project(tmp_path)
    ((day, status, text),) = project.judge(0, accuracy=0.5)
    assert (day, status) == (30, "failed")
    assert "accuracy 0.5" in text
    assert [row[:2] for row in project.judge(1, accuracy=0.95)] == [(30, "failed"), (31, "ok")]
    assert [row[:2] for row in project.judge(1, accuracy=0.6)] == [(30, "failed"), (31, "failed")]
    assert [row[:2] for row in project.judge(1, 0.9, "--full-refresh")] == [(30, "failed"), (31, "ok")]
