"""Evidence is read from whatever tables a product has: logs of other makes, tables that nobody has made yet."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import ml_world
import pytest

from ml.diagnosis import record
from ml.diagnosis.evidence import Load
from ml.diagnosis.lineage import Lineage, Raw, lineage
from ml.diagnosis.read import read
from ml.diagnosis.rules import diagnose
from ml.home import Home

NOW = datetime(2026, 11, 2, 6)
DAY = datetime(2026, 11, 2)
NO_LINEAGE = Lineage(sources=(), code={}, groups={})
USAGE = Raw(
    asset="raw/usage",
    relation='"raw"."usage"',
    group="data",
    columns={"plan": "varchar"},
    key=("account_id",),
    known_at="known_at",
    written_at=None,
    is_landed=True,
    is_outcome=False,
)
LINEAGE = Lineage(sources=(USAGE,), code={"features/usage": "abc"}, groups={})


def landed(path: Path) -> Path:
    """A warehouse with a landed table in it and no record of loads."""
    with duckdb.connect(str(path)) as con:
        con.execute("create schema raw")
        con.execute(
            "create table raw.usage as select 1 as row_id, timestamp '2026-11-01 07:00' as known_at, "
            "'A' as account_id, 'pro' as plan"
        )
    return path


@pytest.mark.parametrize("extra", ["", ", 'champion' as role", ", 'shadow' as role"], ids=["vendor", "own", "shadow"])
def test_coverage_counts_who_decides_in_a_log_with_and_without_roles(extra: str, tmp_path: Path) -> None:
    product = ml_world.product()
    with ml_world.warehouse(accounts=30, weeks=2) as con:
        con.execute(
            f"create table churn.predictions as select account_id, as_of, 0.1 as score{extra} "
            "from churn.scoring_set where account_id <> 'A00007'"
        )
        known = read(con, product, NO_LINEAGE, NOW, (), Home(tmp_path))
    assert known.population == 30
    assert known.scored == (0 if "shadow" in extra else 29)


def test_scores_are_told_by_median_and_mean_and_what_is_no_number_counts_in_neither(tmp_path: Path) -> None:
    with ml_world.warehouse(accounts=30, weeks=2) as con:
        con.execute(
            "create table churn.predictions as select account_id, as_of, case account_id when 'A00001' then 0.9 "
            "when 'A00002' then 'nan'::double else 0.1 end as score from churn.scoring_set"
        )
        scores = read(con, ml_world.product(), NO_LINEAGE, NOW, (), Home(tmp_path)).scores
    assert scores is not None
    (score,) = scores.values
    assert score.middle[-1] == pytest.approx(0.1)
    assert score.mean[-1] == pytest.approx((28 * 0.1 + 0.9) / 29)


def test_a_log_that_names_no_entity_says_nothing_of_coverage(tmp_path: Path) -> None:
    with ml_world.warehouse(accounts=30, weeks=2) as con:
        con.execute("create table churn.predictions as select as_of, 0.1 as score from churn.scoring_set")
        known = read(con, ml_world.product(), NO_LINEAGE, NOW, (), Home(tmp_path))
    assert known.scored is None


def test_an_empty_warehouse_has_no_evidence_and_a_verdict(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        known = read(con, ml_world.product(), NO_LINEAGE, NOW, (), Home(tmp_path))
        assert diagnose(known).cause == "healthy"


@pytest.mark.parametrize("is_recorded", [False, True])
def test_reading_writes_nothing(is_recorded: bool, tmp_path: Path) -> None:
    file = landed(tmp_path / "warehouse.duckdb")
    load = Load(DAY, files=1, rows=1)
    if is_recorded:
        with duckdb.connect(str(file)) as con:
            record.record_load(con, USAGE.asset, load, last_row_id=1)
            record.record_code(con, DAY, {"features/usage": "before"})
    with duckdb.connect(str(file), read_only=True) as con:
        known = read(con, ml_world.product(), LINEAGE, NOW, (), Home(tmp_path))
    assert known.sources[0].loads == ((load,) if is_recorded else ())
    assert [change.asset for change in known.changed] == (["features/usage"] if is_recorded else [])
    assert known.sources[0].table.rows[-1] == 1


@pytest.mark.parametrize("lag_hours", [0, 24])
def test_rows_count_to_the_morning_that_brought_them_whenever_they_were_known(lag_hours: int, tmp_path: Path) -> None:
    """Without a load_lag rows are known when they are loaded, at 06:00: after the midnight that ends the judged day."""
    came = [100, 10, 11, 12, 4]  # the past in one load, then a morning each
    with duckdb.connect() as con:
        con.execute("create schema raw")
        con.execute("create table raw.usage (row_id bigint, known_at timestamp, account_id varchar, plan varchar)")
        last = 0
        for number, n in enumerate(came):
            as_of = DAY - timedelta(days=len(came) - 1 - number)
            known_at = as_of + timedelta(hours=6 - lag_hours)
            con.execute(
                "insert into raw.usage select ? + i, ?, 'A' || i, 'pro' from range(1, ? + 1) r(i)", [last, known_at, n]
            )
            last += n
            record.record_load(con, USAGE.asset, Load(as_of, files=1, rows=n), last_row_id=last)
        today = read(con, ml_world.product(), LINEAGE, NOW, (), Home(tmp_path)).sources[0].table
        before = read(con, ml_world.product(), LINEAGE, NOW - timedelta(days=1), (), Home(tmp_path)).sources[0].table
    assert today.rows[-5:] == tuple(came)
    assert before.rows[-4:] == tuple(came[:-1])


def test_what_is_flagged_personal_anywhere_is_never_profiled() -> None:
    """The values of a category stand in the evidence, and so in pages."""
    source = {
        "schema": "raw",
        "name": "accounts",
        "columns": {name: {"data_type": "varchar"} for name in ("plan", "Contact", "account_id")},
        "config": {"meta": {"landing": {"path": "accounts/*", "key": ["account_id"]}}},
    }
    staging = {"schema": "staging", "name": "accounts", "columns": {"contact": {"meta": {"pii": True}}}}
    manifest = {
        "sources": {"source.demo.raw.accounts": source},
        "nodes": {"model.demo.staging": staging, **ml_world.manifest()["nodes"]},
        "parent_map": {"model.demo.churn_scoring_set": ["source.demo.raw.accounts"]},
    }
    for name, node in manifest["nodes"].items():
        node |= {"schema": "churn", "depends_on": {}} if "churn" in name else {"depends_on": {}}
    (raw,) = lineage(manifest, ml_world.product()).sources
    assert raw.columns == {"plan": "varchar"}


@pytest.mark.parametrize(
    ("breaches", "cause"),
    [
        ({"jensen_shannon": 3, "ks": 2}, "covariate_drift"),
        ({"psi": 2, "ks": 1, "wasserstein": 2}, "covariate_drift"),
        ({"jensen_shannon": 1, "ks": 3, "wasserstein": 3}, "benign"),  # alarms that last on one breach of three
        ({"ks": 3, "psi": None}, "benign"),  # psi was compared too, and is no alarm
        ({"psi": 2}, "covariate_drift"),  # nothing else was compared
        ({}, "benign"),
    ],
)
def test_the_scores_have_moved_when_every_comparison_says_so_steadily(
    breaches: dict[str, int | None], cause: str, tmp_path: Path
) -> None:
    with ml_world.warehouse(accounts=30, weeks=2) as con:
        con.execute(
            "create table churn.drift (window_kind varchar, window_end timestamp, feature varchar, method varchar, "
            "value double, threshold double, is_alarm boolean, n_breaches bigint)"
        )
        rows = [
            ("usage", "psi", True, 3),
            *(("score", method, n is not None, n or 0) for method, n in breaches.items()),
        ]
        con.executemany("insert into churn.drift values ('1d', ?, ?, ?, 2, 0.1, ?, ?)", [(DAY, *row) for row in rows])
        known = read(con, ml_world.product(), NO_LINEAGE, NOW, (), Home(tmp_path))
    assert diagnose(known).cause == cause
