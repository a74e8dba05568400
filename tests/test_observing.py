"""What of Dagster's events becomes an observation: freshness, old partitions, cancelled runs, ten thousand events."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from company import NOW, live_graph
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.storage.dagster_run import DagsterRun, RunRecord

from ml.diagnosis.verdict import KIND_OF, Cause, Diagnosis
from ml.home import Home
from orchestration.instance import get_instance
from orchestration.observing.collect import Collected, observations
from orchestration.observing.diagnosing import applied, diagnoser
from orchestration.observing.read import RUNS, STATES, News, news, remember
from orchestration.observing.world import Commands, asset_of_node, world_of
from orchestration.paging import pager, store
from orchestration.paging.model import CHECK, FAILED, OK, PAGES, Incident, Observation
from orchestration.paging.pager import Pager, incidents, messages
from orchestration.paging.store import Store
from orchestration.run_info import AS_OF
from orchestration.run_info import NOW as NOW_TAG

GRAPH = live_graph()
WORLD = world_of(GRAPH)
COMMANDS = Commands(GRAPH)
DAY = timedelta(days=1)


def record(status: dg.DagsterRunStatus, tags: dict[str, str] | None = None, ended: datetime = NOW) -> RunRecord:
    """A finished run of `daily`."""
    at = ended.replace(tzinfo=UTC)
    told = {NOW_TAG: str(ended), AS_OF: str(ended.replace(hour=0)), **(tags or {})}
    run = DagsterRun(job_name="daily", run_id="r", status=status, tags=told)
    stamp = at.timestamp()
    return RunRecord(0, run, create_timestamp=at, update_timestamp=at, start_time=stamp - 60, end_time=stamp)


def check(asset: str, name: str, status: str = FAILED, message: str = "3 rows") -> dict[str, Any]:
    return {"asset": asset, "name": name, "status": status, "severity": "error", "group": "", "message": message}


def failed(collected: Collected, **of: Any) -> list[tuple[str, str, str]]:
    found = observations(collected, record(dg.DagsterRunStatus.FAILURE, **of), GRAPH)
    return [(seen.source, seen.asset, seen.kind) for seen in found if seen.status == FAILED]


def test_the_graph_names_groups_parents_and_those_who_act() -> None:
    assert WORLD.groups["raw/usage_events"] == "data_engineering"
    assert "staging/usage" in WORLD.parents["features/usage"]
    acting = {consumer.name: consumer for consumer in WORLD.consumers}
    assert acting["customer_success_calls"].group == "customer_success"
    assert acting["churn"].is_product
    assert "churn/action_list" in acting["customer_success_calls"].assets
    assert all(WORLD.groups.values())
    assert WORLD.teams["ml_engineering"].escalate_after == timedelta(hours=4)


def test_every_failure_has_a_command_that_shows_it() -> None:
    shown = COMMANDS.of_check("raw/invoices", "data_is_fresh")
    assert shown == """baton sql 'select max("known_at") from "raw"."invoices"'"""
    assert COMMANDS.of_step("features/usage") == "baton dbt build --select features_usage"
    assert COMMANDS.of_step("churn/model") == "baton run"
    assert WORLD.checks is not None
    asset, name = min(each for each in WORLD.checks if each[0] == "staging/usage" and each[1] != "data_is_fresh")
    assert COMMANDS.of_check(asset, name) == f"baton dbt test --select {name}"


def test_a_step_that_names_dbt_nodes_is_theirs_and_one_that_names_none_is_of_what_it_was_at() -> None:
    plan = {"staging/usage": "dbt_2", "features/usage": "dbt_2", "churn/model": "churn_model"}
    named = Collected("r", planned=dict(plan), broken={"dbt_2": (["model.baton_demo.features_usage"], "SQL")})
    assert failed(named) == [
        ("step", "features/usage", ""),
        ("not_run", "churn/model", ""),
        ("not_run", "staging/usage", ""),
    ]
    bare = Collected("r", planned=dict(plan), made={"staging/usage": None}, broken={"dbt_2": ([], "no space left")})
    assert failed(bare)[0] == ("step", "features/usage", "platform")
    killed = Collected("r", planned=dict(plan), running={"churn_model": None}, why="The process is gone.")
    assert failed(killed)[0] == ("step", "churn/model", "platform")
    before_any_step = Collected("r", planned=dict(plan), why="The process is gone.")
    assert failed(before_any_step)[0] == ("step", "staging/usage", "platform")
    checks_only = Collected("r", broken={"source_freshness": ([], "gone")})
    assert failed(checks_only)[0][1] in WORLD.groups


def test_a_step_that_only_looks_is_mended_when_it_looks_again(kept: Store) -> None:
    """Nothing is ever materialized by it."""
    broken = observations(
        Collected("r", broken={"source_freshness": ([], "gone")}), record(dg.DagsterRunStatus.FAILURE), GRAPH
    )
    pager = Pager(kept, WORLD)
    pager.observe([broken], NOW)
    (found,) = incidents(kept)
    assert found.cause == "source_freshness could not run"
    mended = observations(
        Collected("s", done={"source_freshness": None}), record(dg.DagsterRunStatus.SUCCESS, ended=NOW + DAY), GRAPH
    )
    pager.observe([mended], NOW + DAY)
    assert incidents(kept) == []


def test_a_test_that_dbt_attaches_to_nothing_is_of_the_table_furthest_down() -> None:
    source = next(uid for uid in GRAPH.manifest["sources"] if uid.endswith("usage_events"))
    nodes = {
        "test.x.unattached": [source],
        "test.x.across": [source, "model.baton_demo.features_usage", "model.baton_demo.staging_usage"],
    }
    for name, on in nodes.items():
        GRAPH.manifest["nodes"][name] = {"resource_type": "test", "schema": "audit", "depends_on": {"nodes": on}}
    try:
        assert [asset_of_node(GRAPH, name) for name in nodes] == ["raw/usage_events", "features/usage"]
        said = Collected("r", broken={"dbt_2": (["test.x.across"], "3 failing rows")})
        assert failed(said) == [("step", "features/usage", "")]
    finally:
        for name in nodes:
            del GRAPH.manifest["nodes"][name]


def test_a_failed_test_is_told_once_by_its_check_not_again_by_its_step() -> None:
    said = Collected(
        "r",
        planned={"staging/usage": "dbt_2"},
        made={"staging/usage": None},
        checks=[check("staging/usage", "unique")],
        broken={"dbt_2": (["model.baton_demo.staging_usage"], "test unique on staging_usage failed")},
    )
    assert failed(said) == [("check", "staging/usage", "")]


def test_a_cancelled_run_broke_nothing() -> None:
    stopped = Collected("r", planned={"churn/model": "churn_model"}, running={"churn_model": None})
    found = observations(stopped, record(dg.DagsterRunStatus.CANCELED), GRAPH)
    assert found == []


def test_no_value_of_a_row_leaves_in_a_message() -> None:
    from ml.masking import masked

    assert masked("Conversion Error: Could not convert string 'Ann Miller' to INT32") == (
        "Conversion Error: Could not convert string '...' to INT32"
    )
    assert "example.com" not in masked('Constraint Error: Duplicate key "email: ann@example.com" violates')
    assert masked("'dict object' has no attribute 'exposures'") == "'dict object' has no attribute 'exposures'"


@pytest.fixture
def kept(tmp_path: Any) -> Iterator[Store]:
    with Store(Home(tmp_path)) as found:
        yield found


def test_ten_thousand_events_are_one_look(kept: Store) -> None:
    assets = sorted(WORLD.groups)
    crowd = Collected("r", checks=[check(assets[n % len(assets)], f"check_{n}") for n in range(10_000)])
    open_world = replace(WORLD, checks=None)
    began = time.process_time()
    batch = observations(crowd, record(dg.DagsterRunStatus.FAILURE), GRAPH)
    look = Pager(kept, open_world).observe([batch], NOW)
    assert time.process_time() - began < 10
    pages = [message for message in look.messages if message.kind in PAGES]
    assert len(pages) == len(incidents(kept)) > 0
    assert {incident.asset for incident in incidents(kept)} <= {a for a in assets if not WORLD.parents[a]}


@pytest.mark.parametrize("is_stopped", [False, True])
def test_the_published_copy_waits_only_where_the_run_stopped(kept: Store, is_stopped: bool) -> None:
    """It depends on everything: else every incident would be everybody's."""
    published = "published/warehouse"
    assert published in WORLD.parents
    checks = [check("churn/drift", "no_feature_drifts_for_long")]
    ran = Collected("r", planned={published: "p"}, made={} if is_stopped else {published: None}, checks=checks)
    status = dg.DagsterRunStatus.FAILURE if is_stopped else dg.DagsterRunStatus.SUCCESS
    Pager(kept, replace(WORLD, checks=None)).observe([observations(ran, record(status), GRAPH)], NOW)
    found = next(each for each in incidents(kept) if each.asset == "churn/drift")
    assert (published in found.blocked) == is_stopped


def report(instance: dg.DagsterInstance, asset: str, state: FreshnessState, at: datetime) -> None:
    """A change of Dagster's freshness, as its daemon reports it."""
    change = FreshnessStateChange(
        key=dg.AssetKey(asset.split("/")),
        new_state=state,
        previous_state=FreshnessState.UNKNOWN,
        state_change_timestamp=at.replace(tzinfo=UTC).timestamp(),
    )
    instance.report_runless_asset_event(change)


def look(kept: Store, instance: dg.DagsterInstance) -> News:
    wall = datetime.now(UTC).replace(tzinfo=None)
    with kept.transaction() as con:
        found = news(con, instance, GRAPH, {}, wall)
        pager.observe(con, found.batches, wall, WORLD)
        remember(con, found)
    return found


def test_dagsters_freshness_is_read_once_and_the_worse_of_both_halves_counts(kept: Store) -> None:
    wall = datetime.now(UTC).replace(tzinfo=None)
    with get_instance(kept.home) as instance:
        report(instance, "raw/invoices", FreshnessState.UNKNOWN, wall)
        report(instance, "raw/invoices", FreshnessState.FAIL, wall)
        assert len(look(kept, instance).batches) == 1
        assert [each.cause for each in incidents(kept)] == ["nothing has run"]
        report(instance, "raw/invoices", FreshnessState.PASS, wall)
        assert look(kept, instance).batches == []
        assert len(incidents(kept)) == 1, "any materialization makes Dagster green"
    later = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=1)
    old = Collected("old", made={"raw/invoices": None})
    fresh = record(dg.DagsterRunStatus.SUCCESS, {NOW_TAG: str(later), AS_OF: str(later - 9 * DAY)}, later)
    Pager(kept, WORLD).observe([observations(old, fresh, GRAPH)], later)
    assert len(incidents(kept)) == 1, "the re-run of an old partition mends nothing"
    today = {NOW_TAG: str(later), AS_OF: str(later.replace(hour=0, minute=0, second=0, microsecond=0))}
    stale = Collected("new", made={"raw/invoices": None}, checks=[check("raw/invoices", "data_is_fresh")])
    Pager(kept, WORLD).observe([observations(stale, record(dg.DagsterRunStatus.SUCCESS, today, later), GRAPH)], later)
    assert [each.cause for each in incidents(kept)] == ["data is fresh"], "it ran, and loaded nothing"
    later += timedelta(minutes=1)
    good = Collected("good", made={"raw/invoices": None}, checks=[check("raw/invoices", "data_is_fresh", OK)])
    Pager(kept, WORLD).observe([observations(good, record(dg.DagsterRunStatus.SUCCESS, today, later), GRAPH)], later)
    assert incidents(kept) == []
    assert [m["kind"] for m in messages(kept) if m["kind"] == "opened" and m["state"] == "waiting"] == []


def test_the_first_look_is_not_told_what_was_stale_a_month_ago(kept: Store) -> None:
    """A new incident store, or one that moved: what is stale now, Baton's own check says."""
    wall = datetime.now(UTC).replace(tzinfo=None)
    with get_instance(kept.home) as instance:
        report(instance, "raw/invoices", FreshnessState.FAIL, wall)
        with kept.transaction() as con:
            assert news(con, instance, GRAPH, {}, wall + 30 * DAY).batches == []
        assert len(look(kept, instance).batches) == 1


def killed(instance: dg.DagsterInstance) -> None:
    """A run that another process failed just now."""
    run = instance.add_run(DagsterRun(job_name="daily", run_id=str(uuid.uuid4())))
    instance.report_run_failed(run, "The process 7 of this run is gone.")


def test_a_run_is_read_though_the_clock_was_wound_back_since_the_last_look(kept: Store) -> None:
    with get_instance(kept.home) as instance:
        killed(instance)
        assert len(look(kept, instance).batches) == 1
        with kept.transaction() as con:  # as a clock that was three days ahead left it
            store.remember(con, **{RUNS: str(time.time() + 3 * 86400)})
        killed(instance)
        assert len(look(kept, instance).batches) == 1, "the new run, and not the one that was read"
        assert look(kept, instance).batches == []


def test_freshness_is_read_though_dagsters_storage_was_made_anew(kept: Store) -> None:
    wall = datetime.now(UTC).replace(tzinfo=None)
    with get_instance(kept.home) as instance:
        with kept.transaction() as con:  # as a storage with more events left it
            store.remember(con, **{STATES: "100000"})
        report(instance, "raw/invoices", FreshnessState.FAIL, wall)
        assert len(look(kept, instance).batches) == 1
        assert look(kept, instance).batches == []


HOLD = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def held(kept: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another process, a run in good health, holds the warehouse."""
    monkeypatch.setattr("orchestration.diagnosis.WAIT_SECONDS", 0.2)
    command = [sys.executable, "-c", HOLD, str(kept.home.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        yield
        holder.communicate()


def paged(kept: Store, *checks: dict[str, Any]) -> list[Incident]:
    """The open incidents after a look at a run in which these checks were evaluated."""
    finished = record(dg.DagsterRunStatus.SUCCESS)
    with get_instance(kept.home) as instance:
        instance.add_run(finished.dagster_run)
        diagnose = diagnoser(GRAPH, kept.home, instance, NOW, WORLD)
        batch = observations(Collected("r", checks=list(checks)), finished, GRAPH)
        Pager(kept, WORLD).observe([batch], NOW, diagnose)
    return incidents(kept)


@pytest.mark.usefixtures("held")
def test_a_run_that_holds_the_warehouse_while_the_pager_looks_is_not_what_broke(kept: Store) -> None:
    found = paged(kept, check("raw/invoices", "files_load"), check("staging/usage", "unique"))
    assert [(each.asset, each.group, each.cause) for each in found] == [
        ("raw/invoices", "data_engineering", "files load"),
        ("staging/usage", "analytics_engineering", "unique"),
    ]


def verdict(cause: Cause, asset: str) -> Diagnosis:
    return Diagnosis("churn", cause, KIND_OF[cause], asset, "ml_engineering", 0.9, None, ("0.4",), (), "baton status")


def test_only_an_alarm_of_drift_is_silenced_by_a_benign_verdict() -> None:
    benign = verdict(Cause.BENIGN, "churn/health")
    alarm, floor = (Observation(f"churn/{t}", CHECK, "c", FAILED, NOW, NOW) for t in ("drift", "performance"))
    assert applied(benign, "churn/drift", [alarm], WORLD) == benign
    assert applied(benign, "churn/performance", [floor], WORLD) is None
    assert applied(benign, "churn/drift", [alarm, floor], WORLD) is None


def test_a_verdict_on_the_model_says_nothing_of_a_table_above_it() -> None:
    stale, late = verdict(Cause.STALE_MODEL, "churn/model"), verdict(Cause.SOURCE_LATE, "raw/usage_events")
    broken = Observation("staging/usage", CHECK, "unique", FAILED, NOW, NOW)
    assert applied(stale, "staging/usage", [broken], WORLD) is None
    assert applied(stale, "churn/performance", [broken], WORLD) == stale
    assert applied(late, "staging/usage", [broken], WORLD) == late


def test_where_nothing_has_run_no_run_is_diagnosed(kept: Store) -> None:
    """At a clock at which nothing ran, all that was delivered looks lost."""
    wall = datetime.now(UTC).replace(tzinfo=None)
    with get_instance(kept.home) as instance:
        report(instance, "raw/invoices", FreshnessState.FAIL, wall)
        with kept.transaction() as con:
            batches = news(con, instance, GRAPH, {}, wall).batches
        asked: list[object] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("orchestration.diagnosis.of_home", lambda *given: asked.append(given))
            Pager(kept, WORLD).observe(batches, wall, diagnoser(GRAPH, kept.home, instance, wall, WORLD))
    assert asked == []
    assert [each.cause for each in incidents(kept)] == ["nothing has run"]


def test_a_diagnosis_that_fails_keeps_nobody_from_being_paged(
    kept: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise UnboundLocalError("a bug in the diagnosis")

    monkeypatch.setattr("orchestration.diagnosis.of_home", broken)
    assert [each.cause for each in paged(kept, check("churn/performance", "roc_auc"))] == ["roc auc"]
    assert "a bug in the diagnosis" in caplog.text
