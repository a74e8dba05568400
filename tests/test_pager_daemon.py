"""Dagster's own daemon: it pages by itself; with definitions that do not load it lives on, and two others notice."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from company import Small, wait_for
from receivers import http

from ml.home import PROJECT_ROOT
from orchestration import children
from orchestration.cli import findings_graph, findings_paging
from orchestration.instance import get_instance
from orchestration.observing.watch import LOOKED
from orchestration.paging import store
from orchestration.paging.store import Store

SECONDS = 120.0
TURN = 35.0  # seconds in which a sensor that lives looks at least once

pytestmark = pytest.mark.long  # two daemons, half a minute of silence


@contextmanager
def daemon(small: Small) -> Iterator[None]:
    """Dagster's daemon on the workspace as committed; its heartbeats of before are forgotten."""
    with get_instance(small.home) as instance:
        instance.wipe_daemon_heartbeats()
    log = small.home.root / "daemon.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"],
            cwd=PROJECT_ROOT,
            env=os.environ,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: beats(small) or process.poll() is not None, SECONDS)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        children.stop([process.pid])
        process.wait()


def beats(small: Small) -> float:
    """The newest heartbeat, seconds since 1970; 0 without any."""
    with get_instance(small.home) as instance:
        return max((beat.timestamp for beat in instance.get_daemon_heartbeats().values()), default=0.0)


def test_definitions_that_do_not_load_stop_the_pager_and_silence_and_doctor_tell(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http() as receiver:
        monkeypatch.setenv("BATON_DEADMAN_URL", f"http://127.0.0.1:{receiver.port}/ping")
        with daemon(small):
            wait_for(lambda: receiver.pings, SECONDS)
        described = 'description: "Orders, cast. One row per order."'
        (file,) = (each for each in small.project.rglob("*.yml") if described in each.read_text())
        file.write_text(file.read_text().replace(described, 'description: ""'))
        receiver.pings.clear()
        with daemon(small):
            began = beats(small)
            wait_for(lambda: beats(small) > began + TURN, SECONDS)
            assert receiver.pings == [], "the daemon lives, nobody looks, and whoever waits for the ping hears nothing"
            long_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
            with Store(small.home) as kept, kept.transaction() as con:
                store.remember(con, **{LOOKED: long_ago.isoformat()})
            (asleep,) = findings_paging.looking(small.home)
            found = [*findings_graph.manifest(small.home), *findings_graph.definitions(small.home)]
    assert (asleep.level, "nobody would be paged" in asleep.found) == ("error", True)
    broken = [each for each in found if each.level == "error"]
    assert broken
    assert "orders" in broken[0].found
