"""`baton doctor` on a pager that is asleep, cannot send, cannot reach its store, or has nobody who would miss it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from paging_world import NOW, TEAMS, Recorder, pager, seen

from ml.home import Home
from orchestration.cli import findings_paging
from orchestration.instance import get_instance
from orchestration.observing.sensor import NAME
from orchestration.observing.watch import LOOKED, LOOKED_BY
from orchestration.paging import store
from orchestration.paging.delivery import COMMAND, Courier
from orchestration.paging.store import Store


def found(examination: findings_paging.Examination, home: Home) -> list[tuple[str, str]]:
    return [(finding.level, finding.found) for finding in examination(home)]


def looked(home: Home, ago: timedelta, by: str = "sensor") -> None:
    instant = datetime.now(UTC).replace(tzinfo=None) - ago
    with Store(home) as kept, kept.transaction() as con:
        store.remember(con, **{LOOKED: instant.isoformat(), LOOKED_BY: by})


def test_a_pager_that_never_looked_is_said_and_nothing_is_made_by_asking(tmp_path: Path) -> None:
    assert found(findings_paging.incidents, Home(tmp_path)) == [("warning", "has never looked on this home")]
    assert found(findings_paging.looking, Home(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_sensor_that_sleeps_under_a_living_daemon_is_an_error_that_says_why(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    looked(home, timedelta(hours=1))
    assert found(findings_paging.looking, home)[0][0] == "ok", "without a daemon each command looks at its end"
    with get_instance(home) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", "id", []))
        ((level, text),) = found(findings_paging.looking, home)
        assert level == "error"
        assert "nobody would be paged" in text
        location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="orchestration.definitions"))
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), NAME)
        instance.add_instigator_state(
            InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, SensorInstigatorData())
        )
    assert "the sensor is switched off" in found(findings_paging.looking, home)[0][1]
    looked(home, timedelta(seconds=20))
    assert found(findings_paging.looking, home)[0][0] == "ok"


def test_dead_letters_name_group_and_reason_and_the_way_out(tmp_path: Path) -> None:
    paged = pager(tmp_path)
    paged.observe([[seen("raw/usage")]], NOW)
    waiting = found(findings_paging.incidents, Home(tmp_path))
    assert waiting[0] == (
        "warning",
        "4 messages wait to be sent: analytics_engineering (not tried yet), customer_success (not tried yet), "
        "data_engineering (not tried yet), ml_engineering (not tried yet)",
    )
    Courier(paged.store, TEAMS, Recorder(down=lambda address: True), COMMAND, lambda seconds: None).deliver(NOW)
    paged.store.close()
    dead, broken = list(findings_paging.incidents(Home(tmp_path)))
    assert dead.level == "error"
    assert "4 messages could not be delivered" in dead.found
    assert "nobody answered" in dead.found
    assert "baton page --retry" in dead.fix
    assert broken.found == "open incidents: 1 raw/usage (data_engineering, open)"


def test_a_database_that_is_gone_is_an_error_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.URL, "postgresql://baton:geheim@127.0.0.1:9/none")
    ((level, text),) = found(findings_paging.incidents, Home(tmp_path))
    assert level == "error"
    assert "geheim" not in text


def test_nobody_who_would_miss_the_pager_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATON_DEADMAN_URL", raising=False)
    assert found(findings_paging.dead_man, Home(tmp_path))[0][0] == "warning"
    monkeypatch.setenv("BATON_DEADMAN_URL", "https://example.com/geheim")
    ((level, text),) = found(findings_paging.dead_man, Home(tmp_path))
    assert (level, "geheim" in text) == ("ok", False)
