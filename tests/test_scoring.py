"""The prediction log: the version that served then, each prediction once, the same table after any death."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import ml_world
import numpy as np
import pytest

from ml import scoring
from ml.checks import PREDICTION_CHECKS, CheckResult, prediction_checks
from ml.errors import (
    DuplicateRows,
    EmptyScoringSet,
    FeatureTypeChanged,
    MatrixError,
    MissingFeature,
    ModelError,
    ModelMissing,
    NoServingVersion,
    UnexpectedNulls,
)
from ml.features import frame
from ml.home import Home
from ml.ids import bucket, prediction_id
from ml.model_store import load
from ml.ops_tables import ensure_ops, ensure_product_log
from ml.registry import artifact, champion
from ml.scoring import ScoringResult, score
from ml.scoring_input import open_source
from ml.training import train

PRODUCT = ml_world.product(train={"candidates": {"hist_gradient_boosting": {"max_iter": 20}}})
DAYS = ml_world.days()
VOLATILE = "predicted_at, dagster_run_id, mlflow_run_id"


@dataclass(frozen=True)
class World:
    con: duckdb.DuckDBPyConnection
    home: Home

    def score(self, days: list[datetime] | None = None, now: datetime = DAYS[-1], **more: Any) -> ScoringResult:
        return score(
            self.con,
            PRODUCT,
            as_of_days=DAYS if days is None else days,
            now=now,
            home=self.home,
            run_id="run-1",
            **more,
        )

    def log(self) -> list[Any]:
        """The whole log without its volatile columns."""
        return self.con.execute(
            f"select * exclude ({VOLATILE}) from churn.predictions join churn.prediction_features "
            "using (prediction_id) order by prediction_id"
        ).fetchall()

    def one(self, query: str) -> Any:
        return self.con.execute(query).fetchall()[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(ml_world.warehouse(), Home(tmp_path_factory.mktemp("scoring")))
    train(world.con, PRODUCT, cut=DAYS[0], now=DAYS[0], home=world.home, tags={})
    world.con.execute("create schema keep")
    for table in ("churn.scoring_set", "ops.model_versions", "ops.model_reference"):
        world.con.execute(f"create table keep.{table.split('.')[1]} as from {table}")
    yield world
    world.con.close()


@pytest.fixture
def world(trained: World) -> Iterator[World]:
    """A trained product with an empty log; scoring set and versions as they were made."""
    yield trained
    for table in ("churn.scoring_set", "ops.model_versions", "ops.model_reference"):
        trained.con.execute(f"create or replace table {table} as from keep.{table.split('.')[1]}")
    for table in ("predictions", "prediction_features"):
        trained.con.execute(f"drop table if exists churn.{table}")
    ensure_product_log(trained.con, PRODUCT)


def add_version(world: World, number: int, serves_from: datetime) -> None:
    """A second version: the same model under another fingerprint, serving from some day on."""
    con = world.con
    con.execute("update ops.model_versions set serves_to = ?, is_champion = false", [serves_from])
    con.execute(
        "insert into ops.model_versions select * replace (?::integer as version, 'fp' || ? as fingerprint, "
        "? as serves_from, null as serves_to, true as is_champion) from keep.model_versions",
        [number, number, serves_from],
    )
    con.execute(
        "insert into ops.model_reference select * replace (?::integer as version) from keep.model_reference", [number]
    )


def test_each_row_of_the_scoring_set_is_scored_once(world: World) -> None:
    result = world.score()
    assert (result.scored, result.already_there) == (1500, 0)
    assert [(day.as_of, day.scored, day.version) for day in result.days] == [(day, 300, 1) for day in DAYS]
    assert world.one("select count(*), count(distinct prediction_id) from churn.predictions") == (1500, 1500)
    before = world.log()
    again = world.score()
    assert (again.scored, again.already_there) == (0, 1500)
    assert world.log() == before


def test_a_row_says_everything_the_log_promises(world: World) -> None:
    world.score(DAYS[:1])
    served = champion(world.con, PRODUCT)
    assert served is not None
    row = world.con.execute("from churn.predictions where account_id = 'A00017'").df().iloc[0]
    assert str(row.prediction_id) == prediction_id("A00017", DAYS[0], served.fingerprint, "champion")
    assert list(world.con.execute("from churn.predictions").df().columns) == [
        "prediction_id",
        "account_id",
        "as_of",
        "predicted_at",
        "known_at",
        "raw_score",
        "score",
        "threshold",
        "predicted_label",
        "reasons",
        "model_version",
        "model_fingerprint",
        "role",
        "is_holdout",
        "origin",
        "spec_hash",
        "dagster_run_id",
        "mlflow_run_id",
    ]
    assert (row.role, row.origin, row.reasons) == ("champion", "batch", None)
    assert (row.model_version, row.model_fingerprint, row.mlflow_run_id) == (
        1,
        served.fingerprint,
        served.mlflow_run_id,
    )
    assert (row.threshold, row.predicted_label) == (served.threshold, int(row.score >= served.threshold))
    assert (row.spec_hash, row.dagster_run_id) == (PRODUCT.spec_hash, "run-1")


def test_scores_and_features_are_those_of_the_model_on_the_scoring_set(world: World) -> None:
    world.score(chunk_rows=70)
    stored = artifact(world.con, PRODUCT, 1)
    served = champion(world.con, PRODUCT)
    assert served is not None
    model, features = load(world.home, stored["path"]), open_source(world.con, PRODUCT, served, world.home).features
    rows = world.con.sql(
        "select s.*, p.score, p.raw_score, f.plan is not distinct from s.plan and f.actions_7d is not distinct from "
        "s.actions_7d and f.tickets_28d = s.tickets_28d and f.is_annual = s.is_annual as same from churn.scoring_set s "
        "join churn.predictions p using (account_id, as_of) join churn.prediction_features f using (prediction_id)"
    ).to_arrow_table()
    assert len(rows) == 1500
    assert set(rows.column("same").to_pylist()) == {True}
    expected = model.scores(frame(rows, features))
    assert rows.column("score").to_numpy() == pytest.approx(expected.score, abs=1e-12)
    assert rows.column("raw_score").to_numpy() == pytest.approx(expected.raw, abs=1e-12)
    assert rows.column("score").to_numpy() == pytest.approx(
        model.estimator.predict_proba(frame(rows, features))[:, 1], abs=1e-12
    )


def test_a_past_day_is_scored_by_the_version_that_served_then(world: World) -> None:
    add_version(world, 2, DAYS[2])
    result = world.score()
    assert [day.version for day in result.days] == [1, 1, 2, 2, 2]
    found = world.con.execute(
        "select as_of, min(model_version), max(model_version), any_value(model_fingerprint) "
        "from churn.predictions group by as_of order by as_of"
    ).fetchall()
    assert [row[1:3] for row in found] == [(1, 1), (1, 1), (2, 2), (2, 2), (2, 2)]
    assert found[4][3] == "fp2"


def test_a_version_that_knew_later_labels_never_scores_a_day(world: World) -> None:
    world.con.execute("update ops.model_versions set labels_known_until = ?", [DAYS[1]])
    with pytest.raises(NoServingVersion, match=f"no version of churn serves as_of {DAYS[0]}"):
        world.score()
    assert world.log() == []
    assert world.score(DAYS[1:]).scored == 1200


def known_at(world: World) -> list[Any]:
    return world.con.execute("select distinct as_of, known_at from churn.predictions order by as_of").fetchall()


def test_a_rehearsed_day_was_known_at_its_as_of(world: World) -> None:
    now = DAYS[2] + timedelta(hours=6)
    world.score(now=now, rehearsal=True)
    assert known_at(world) == [(DAYS[0], DAYS[0]), (DAYS[1], DAYS[1]), *((day, now) for day in DAYS[2:])]


def test_a_missed_day_is_known_when_it_is_scored_and_the_log_before_it_stays(world: World) -> None:
    rehearsed, live = DAYS[1] + timedelta(hours=6), DAYS[4] + timedelta(hours=6)
    world.score(DAYS[:2], now=rehearsed, rehearsal=True)
    world.score(DAYS[4:], now=live)
    later = live + timedelta(hours=2)
    world.score(now=later)
    missed = [(DAYS[2], later), (DAYS[3], later)]
    assert known_at(world) == [(DAYS[0], DAYS[0]), (DAYS[1], rehearsed), *missed, (DAYS[4], live)]


def test_a_rehearsal_that_was_killed_ends_as_if_it_had_not_been(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now, real = DAYS[-1] + timedelta(hours=6), scoring.append
    world.score(now=now, rehearsal=True)
    undisturbed = world.log()
    world.con.execute("delete from churn.predictions; delete from churn.prediction_features")

    def dies(*args: Any) -> Any:
        if world.one("select count(*) > 500 from churn.predictions")[0]:
            raise Killed
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "append", dies)
        with pytest.raises(Killed):
            world.score(now=now, rehearsal=True, chunk_rows=60)
    assert 0 < world.one("select count(*) from churn.predictions")[0] < 1500
    world.score(now=now, rehearsal=True)
    assert world.log() == undisturbed


def test_predicted_at_is_a_watermark_even_when_the_clock_goes_back(world: World) -> None:
    world.score(DAYS[:1])
    future = datetime(2999, 1, 1)
    world.con.execute("update churn.predictions set predicted_at = ?", [future])
    world.score(DAYS[1:])
    assert world.one("select count(*) from churn.predictions where predicted_at > '2999-01-01'") == (1200,)


def test_the_holdout_is_the_same_share_of_entities_every_day(world: World) -> None:
    world.score()
    drawn = {
        row[0]
        for row in world.con.execute("select distinct account_id from churn.predictions where is_holdout").fetchall()
    }
    assert drawn == {f"A{i:05}" for i in range(300) if bucket(f"A{i:05}", 10_000, "holdout|churn") < 500}
    assert world.one(
        "select max(n) - min(n) from (select count(*) filter (is_holdout) as n from churn.predictions group by as_of)"
    ) == (0,)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["append", "transaction", "next_instant", "_release_cache", "ensure_feature_columns"])
@pytest.mark.parametrize("at", [0, 2])
def test_dying_anywhere_and_scoring_again_gives_the_same_log(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, at: int
) -> None:
    world.score(chunk_rows=60)
    undisturbed = world.log()
    world.con.execute("delete from churn.predictions; delete from churn.prediction_features")
    calls, real = 0, getattr(scoring, step)

    def dies(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > at:
            raise Killed
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, step, dies)
        with suppress(Killed):  # steps that happen less often than `at` end undisturbed
            world.score(chunk_rows=20)
    whole = (
        world.one("select count(*) from churn.predictions"),
        world.one("select count(*) from churn.prediction_features"),
    )
    assert whole[0] == whole[1]
    world.score(chunk_rows=60)
    assert world.log() == undisturbed


def test_rows_that_come_later_are_added_to_a_day(world: World) -> None:
    world.con.execute("delete from churn.scoring_set where account_id < 'A00100'")
    assert world.score(DAYS[:1]).scored == 200
    world.con.execute("create or replace table churn.scoring_set as from keep.scoring_set")
    day = world.score(DAYS[:1]).days[0]
    assert (day.scored, day.already_there) == (100, 200)
    assert world.one("select count(distinct account_id), count(*) from churn.predictions") == (300, 300)


def test_days_of_any_order_and_number_are_asked_once(world: World) -> None:
    assert world.score([DAYS[3], DAYS[1], DAYS[3]]).scored == 600
    assert [day.as_of for day in world.score([DAYS[3], DAYS[1]]).days] == [DAYS[1], DAYS[3]]


@pytest.mark.parametrize(
    ("sql", "error", "says"),
    [
        (
            "alter table churn.scoring_set drop column tickets_28d",
            MissingFeature,
            "version 1 of churn wants tickets_28d; .* has account_id",
        ),
        (
            "alter table churn.scoring_set alter plan type integer using 3",
            FeatureTypeChanged,
            "plan was VARCHAR and is INTEGER",
        ),
        (
            "update churn.scoring_set set tickets_28d = null where account_id = 'A00003'",
            UnexpectedNulls,
            "tickets_28d in 5 of 1500 rows",
        ),
        (
            "update churn.scoring_set set actions_7d = '-inf' where account_id = 'A00003'",
            MatrixError,
            "actions_7d in 5 of 1500",
        ),
        (
            "delete from churn.scoring_set where as_of = '2026-11-03'",
            EmptyScoringSet,
            "no row for as_of 2026-11-03; it has days from",
        ),
        ("delete from churn.scoring_set", EmptyScoringSet, "it has no rows at all"),
        ("drop table churn.scoring_set", EmptyScoringSet, "does not exist"),
        ("insert into churn.scoring_set from churn.scoring_set limit 1", DuplicateRows, "has 2 rows for account_id"),
        ("delete from ops.model_versions", NoServingVersion, "none is registered"),
        (
            "update ops.model_reference set detail = replace(detail::varchar, 'models', 'gone')",
            ModelMissing,
            "holds no model",
        ),
    ],
)
def test_what_cannot_be_scored_fails_clearly_and_writes_nothing(
    world: World, sql: str, error: type[ModelError], says: str
) -> None:
    world.con.execute(sql)
    with pytest.raises(error, match=says) as caught:
        world.score()
    assert any(
        way_out in str(caught.value) for way_out in ("baton retrain", "baton run", "dbt build", "dbt test", "nullif")
    )
    assert world.log() == []


def test_a_null_where_training_had_nulls_is_scored(world: World) -> None:
    world.con.execute("update churn.scoring_set set actions_7d = null")
    assert world.score().scored == 1500
    assert world.one("select count(*) from churn.predictions where score is null or isnan(score)") == (0,)


def test_the_feature_log_gains_columns_and_never_retypes_one(world: World) -> None:
    world.con.execute("alter table churn.prediction_features add column of_an_older_model integer")
    world.score(DAYS[:1])
    columns = [row[0] for row in world.con.execute("describe churn.prediction_features").fetchall()]
    assert columns == ["prediction_id", "of_an_older_model", "plan", "actions_7d", "tickets_28d", "is_annual"]
    world.con.execute("alter table churn.scoring_set alter tickets_28d type double")
    with pytest.raises(FeatureTypeChanged, match="never retypes a column: tickets_28d is DOUBLE, logged as INTEGER"):
        world.score(DAYS[1:])
    assert world.one("select count(*) from churn.predictions") == (300,)


def test_the_memory_limit_is_put_back(world: World) -> None:
    world.con.execute("set memory_limit = '3GiB'")
    world.score(memory_limit="900MiB")
    assert world.one("select current_setting('memory_limit')") == ("3.0 GiB",)


def test_entities_may_be_numbers(tmp_path: Path, trained: World, world: World) -> None:
    world.con.execute("alter table churn.scoring_set alter account_id type bigint using substr(account_id, 2)::bigint")
    made = "select data_type from duckdb_columns() where table_name = 'predictions' and column_name = 'account_id'"
    assert world.one(made) == ("VARCHAR",)
    assert world.score(DAYS[:1]).scored == 300
    assert world.one("select typeof(any_value(account_id)) from churn.predictions") == ("BIGINT",)
    assert world.score(DAYS[:1]).scored == 0


def test_tables_are_made_once_and_have_the_promised_columns() -> None:
    con = duckdb.connect()
    for _ in range(2):
        ensure_ops(con)
        ensure_product_log(con, PRODUCT)
    columns = [row[0] for row in con.execute("describe ops.model_versions").fetchall()]
    assert columns == [
        "product",
        "version",
        "fingerprint",
        "algorithm",
        "labels_known_until",
        "serves_from",
        "serves_to",
        "reason",
        "threshold",
        "mlflow_run_id",
        "trained_rows",
        "metrics",
        "spec_hash",
        "is_champion",
    ]
    assert con.execute("select count(*) from churn.predictions").fetchall() == [(0,)]


def checked(world: World, days: list[datetime] = DAYS, now: datetime = DAYS[-1]) -> dict[str, CheckResult]:
    results = prediction_checks(world.con, PRODUCT, as_of_days=days, now=now)
    assert tuple(result.name for result in results) == PREDICTION_CHECKS
    return {result.name: result for result in results}


@pytest.mark.parametrize(
    ("name", "fault", "severity", "says"),
    [
        (
            "population_covered",
            "delete from churn.predictions where account_id = 'A00001'",
            "error",
            "1495 of 1500 rows",
        ),
        (
            "no_day_missed",
            "insert into churn.scoring_set select * replace (as_of - interval 1 day as as_of) from churn.scoring_set "
            "where as_of = '2026-11-02'; update ops.model_versions set serves_from = '2026-10-01'",
            "warn",
            "1 days of the scoring set have no champion's prediction; allowed is 0. as_of 2026-11-01: baton backfill "
            "2026-10-31 2026-10-31",
        ),
        (
            "scores_in_range",
            "update churn.predictions set score = 1.5 where account_id = 'A00001'",
            "error",
            "5 scores are",
        ),
        (
            "scores_in_range",
            "update churn.predictions set score = null where account_id = 'A00001'",
            "error",
            "5 scores are",
        ),
        (
            "prediction_id_unique",
            "insert into churn.predictions from churn.predictions limit 3",
            "error",
            "3 rows repeat",
        ),
        ("model_not_stale", "update ops.model_versions set labels_known_until = '2026-10-01'", "warn", "36 days ago"),
    ],
)
def test_a_prediction_check_fails_with_number_threshold_and_window(
    world: World, name: str, fault: str, severity: str, says: str
) -> None:
    world.score()
    assert all(result.passed for result in checked(world).values())
    world.con.execute(fault)
    failed = checked(world)
    assert [key for key, result in failed.items() if not result.passed] == [name]
    assert (failed[name].severity, failed[name].status) == (severity, "failed")
    assert says in failed[name].message
    assert "allowed is" in failed[name].message


def test_predictions_of_another_role_cover_nobody(world: World) -> None:
    world.score()
    world.con.execute("update churn.predictions set role = 'shadow'")
    found = checked(world)
    assert [name for name, result in found.items() if not result.passed] == ["population_covered", "no_day_missed"]
    assert "0 of 1500 rows" in found["population_covered"].message
    assert "5 days of the scoring set" in found["no_day_missed"].message


def test_a_day_before_any_version_served_was_not_missed(world: World) -> None:
    world.score(DAYS[3:])
    world.con.execute("update ops.model_versions set serves_from = ?", [DAYS[2]])
    missed = checked(world, days=DAYS[3:])["no_day_missed"]
    assert "as_of 2026-11-04: baton backfill 2026-11-03 2026-11-03" in missed.message


def test_scoring_does_not_loop_over_rows(world: World) -> None:
    """20 times the rows in at most 6 times the time: what costs is per call, not per row."""
    import time

    def seconds(rows: int) -> float:
        world.con.execute(
            "create or replace table churn.scoring_set as select * replace (range::varchar as account_id) "
            f"from keep.scoring_set, range({rows // 300}) where as_of = '2026-11-02' and account_id < 'A00300'"
        )
        world.con.execute(
            "create or replace table churn.scoring_set as select * replace (row_number() over () || 'x' as account_id) "
            "from churn.scoring_set"
        )
        world.con.execute("delete from churn.predictions; delete from churn.prediction_features")
        start = time.process_time()
        assert world.score(DAYS[:1]).scored == rows
        return time.process_time() - start

    small, large = min(seconds(3000) for _ in range(3)), seconds(60_000)
    assert np.isfinite(small)
    assert large < 6 * max(small, 0.15)
