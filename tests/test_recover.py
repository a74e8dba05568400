"""A run killed inside a step leaves nothing that stops the next one."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from company import NOW, Small, is_free, start_job, wait_for

from ml.home import PROJECT_ROOT
from orchestration import launch, recover, run_lock
from orchestration.instance import get_instance
from orchestration.outcome import Progress
from orchestration.paging.pager import messages
from orchestration.paging.store import Store
from orchestration.processes import is_alive, started_at
from orchestration.run_info import HOST, PID, PID_STARTED

SLOW = (
    "select count(*)::double as takings from range({{ env_var('TEST_ROWS', '1') }}) a, range(1000000) b "
    "where a.range + b.range < 0"
)


@pytest.fixture
def slow(small: Small) -> Small:
    """shop_best takes for ever with TEST_ROWS=1000000, no time without."""
    (small.project / "models/shop/shop_best.sql").write_text(f"{SLOW} -- {{{{ ref('shop_daily') }}}}")
    return small


@pytest.fixture
def instance(small: Small) -> Iterator[dg.DagsterInstance]:
    with get_instance(small.home) as found:
        yield found


def newest(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.get_runs(limit=1)[0]


def kill_in_mid_query(slow: Small, instance: dg.DagsterInstance, number: signal.Signals) -> dg.DagsterRun:
    """Start a run elsewhere, wait until its slow query is what dbt builds, send the signal, wait for the end."""
    before = {run.run_id for run in instance.get_runs()}
    process = start_job("daily", NOW, {"TEST_ROWS": "1000000"})

    def is_in_the_slow_query() -> bool:
        assert process.poll() is None, process.stdout and process.stdout.read()
        new = [run for run in instance.get_runs(limit=1) if run.run_id not in before]
        done = {
            event.asset_key.path[-1]
            for run in new
            for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
            if (event := entry.get_dagster_event()) and event.asset_key
        }
        return "daily" in done

    wait_for(is_in_the_slow_query, 120)
    time.sleep(0.5)
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    return newest(instance)


@pytest.mark.parametrize("host", [platform.node(), "the-container-before"])
def test_sigkill_in_mid_query_then_the_next_run_is_green(slow: Small, instance: dg.DagsterInstance, host: str) -> None:
    killed = kill_in_mid_query(slow, instance, signal.SIGKILL)
    instance.add_run_tags(killed.run_id, {HOST: host})
    assert killed.status == dg.DagsterRunStatus.STARTED, "nobody could mark it"
    assert instance.event_log_storage.get_concurrency_info("warehouse").slot_count == 1
    assert instance.event_log_storage.get_concurrency_info("warehouse").active_slot_count == 1

    outcome = launch.run_job(slow.home, "daily", now=NOW)

    assert outcome.success
    found = instance.get_run_by_id(killed.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.FAILURE
    assert instance.event_log_storage.get_concurrency_info("warehouse").active_slot_count == 0


def test_ctrl_c_in_mid_query_fails_the_run_and_frees_the_file(slow: Small, instance: dg.DagsterInstance) -> None:
    stopped = kill_in_mid_query(slow, instance, signal.SIGINT)
    assert stopped.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    failed = [entry.step_key for entry in instance.all_logs(stopped.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)]
    assert failed == ["dbt"]
    assert is_free(slow.home.warehouse)
    with Store(slow.home) as kept:
        told = [message["title"] for message in messages(kept) if stopped.run_id in message["body"]]
    assert told == [], "whoever stopped it by hand knows"
    assert instance.event_log_storage.get_concurrency_info("warehouse").active_slot_count == 0


def a_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    @dg.job
    def nothing() -> None: ...

    run = instance.create_run_for_job(nothing, tags=tags)
    instance.handle_new_event(_started(run))
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


def _started(run: dg.DagsterRun) -> dg.EventLogEntry:
    event = dg.DagsterEvent("PIPELINE_START", run.job_name, message="started by a test")
    return dg.EventLogEntry(
        error_info=None, level=20, user_message="", run_id=run.run_id, timestamp=time.time(), dagster_event=event
    )


def process_of(pid: int, start: str | None) -> dict[str, str]:
    return {HOST: platform.node(), PID: str(pid), PID_STARTED: start or ""}


def test_a_living_run_is_left_alone(small: Small, instance: dg.DagsterInstance) -> None:
    run = a_run(instance, **process_of(os.getpid(), started_at(os.getpid())))
    assert run.run_id not in recover.recover(small.home, instance)
    instance.report_run_failed(run)


def test_a_reused_process_id_is_no_sign_of_life(small: Small, instance: dg.DagsterInstance) -> None:
    run = a_run(instance, **process_of(os.getpid(), "another start"))
    assert run.run_id in recover.recover(small.home, instance)


def test_a_run_of_another_machine_is_not_ours_to_judge(small: Small, instance: dg.DagsterInstance) -> None:
    run = a_run(instance, **{**process_of(1, "long ago"), HOST: "elsewhere.example.com"})
    assert run.run_id not in recover.recover(small.home, instance)
    instance.report_run_failed(run)


def test_a_lock_says_more_than_host_and_process_id(small: Small, instance: dg.DagsterInstance) -> None:
    """Held by another process: alive, though id and host are of nobody; freed: dead, though they are of us."""
    living = a_run(instance, **process_of(os.getpid(), "another start"))
    dead = a_run(instance, **{**process_of(os.getpid(), started_at(os.getpid())), HOST: "elsewhere.example.com"})
    hold = (
        "import sys, time; from ml.home import Home; from orchestration import run_lock;"
        "run_lock.hold(Home.from_env(), sys.argv[1]); print('held', flush=True); time.sleep(60)"
    )
    run_lock.hold(small.home, dead.run_id)
    run_lock.let_go(small.home, dead.run_id)
    command = [sys.executable, "-c", hold, living.run_id]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert recover.recover(small.home, instance) == [dead.run_id]
        assert run_lock.known(small.home) == [living.run_id]
        holder.kill()
    assert recover.recover(small.home, instance) == [living.run_id]
    assert run_lock.known(small.home) == []


def test_a_run_under_way_elsewhere_is_said(small: Small, instance: dg.DagsterInstance) -> None:
    run = a_run(instance, **process_of(os.getpid(), started_at(os.getpid())))
    heard: list[Progress] = []
    assert launch.run_job(small.home, "daily", now=NOW, on_progress=heard.append).success
    said = [event.name for event in heard if event.kind == "phase" and run.run_id in event.name]
    assert len(said) == 1
    assert "under way elsewhere" in said[0]
    instance.report_run_failed(run)


def test_a_run_that_ended_in_order_leaves_nothing(small: Small, instance: dg.DagsterInstance) -> None:
    outcome = launch.run_job(small.home, "daily", now=NOW)
    assert recover.recover(small.home, instance) == []
    assert run_lock.known(small.home) == []
    found = instance.get_run_by_id(outcome.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.SUCCESS


def test_the_sensor_that_looks_every_half_minute_is_on(small: Small, instance: dg.DagsterInstance) -> None:
    assert recover.killed_runs.default_status == dg.DefaultSensorStatus.RUNNING
    assert recover.killed_runs.minimum_interval_seconds == 30
    run = a_run(instance, **process_of(os.getpid(), "another start"))
    reason = recover.killed_runs(dg.build_sensor_context(instance=instance))
    assert isinstance(reason, dg.SkipReason)
    assert run.run_id in str(reason.skip_message)


def test_a_zombie_counts_as_gone(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    try:
        wait_for(lambda: not is_alive(pid, ""), 10)
    finally:
        os.waitpid(pid, 0)
