"""`baton doctor` on a pager that is asleep, cannot send, cannot reach its store, or has nobody who would miss it."""

import time
from dataclasses import replace
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
from paging_world import HOUR, NOW, TEAMS, Recorder, pager, seen

from ml.home import Home
from orchestration.cli import findings_paging
from orchestration.instance import get_instance
from orchestration.observing import homes
from orchestration.observing.sensor import NAME
from orchestration.observing.watch import LOOKED, LOOKED_BY
from orchestration.paging import store
from orchestration.paging.delivery import COMMAND, LIVES, Courier
from orchestration.paging.store import Store

PATIENT = replace(COMMAND, seconds=600)  # a slow machine does not end a round


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
    looked(home, -timedelta(hours=5))
    assert found(findings_paging.looking, home)[0][0] == "error", "the clock went back, and nobody looked since"


def test_two_homes_that_look_in_turns_at_one_store_are_an_error_one_that_followed_another_is_none(
    tmp_path: Path,
) -> None:
    one, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    now = datetime.now(UTC).replace(tzinfo=None)

    def looks(*times: tuple[Home, timedelta]) -> list[str]:
        with Store(one) as kept, kept.transaction() as con:
            for home, after in times:
                homes.remember(con, home, now + after)
        return [text for level, text in found(findings_paging.incidents, one) if level == "error"]

    assert looks((one, 0 * HOUR), (one, HOUR), (other, 2 * HOUR)) == []
    assert looks((other, 3 * HOUR)) == [], "the home has moved"
    (text,) = looks((one, 4 * HOUR))
    assert text.endswith(f"{one.root}; {other.root}")
    assert looks((other, 96 * HOUR), (other, 97 * HOUR)) == [], "the first has stopped"


def test_letters_are_listed_what_waits_apart_from_what_is_dead_and_with_the_way_out(tmp_path: Path) -> None:
    paged = pager(tmp_path)
    paged.observe([[seen("raw/usage")]], NOW)
    waiting = found(findings_paging.incidents, Home(tmp_path))
    assert waiting[0][0] == "warning"
    head, first, *others = waiting[0][1].splitlines()
    assert head == "4 messages wait to be sent:"
    assert first == (
        "  - raw/usage is broken: rows: opened to data_engineering, incident 1, since Sat 21 Nov 2026 06:00 UTC: "
        "not tried yet"
    )
    assert len(others) == 3
    paged.observe([[seen("churn/performance", severity="warn")]], NOW + HOUR)
    channel = Recorder(down=lambda address: True)
    Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(NOW + LIVES)
    paged.store.close()
    dead, still, broken = list(findings_paging.incidents(Home(tmp_path)))
    assert (dead.level, still.level) == ("error", "warning")
    assert dead.found.startswith("4 messages reached nobody and are tried no more")
    assert "raw/usage is broken: rows: opened to data_engineering, incident 1" in dead.found
    assert "nobody answered" in dead.found
    assert "baton page --retry" in dead.fix
    assert still.found.startswith("1 messages wait to be sent:")
    assert "digest to ml_engineering, since" in still.found
    assert broken.found == "open incidents: 1 raw/usage (data_engineering, open)"


def test_an_address_with_a_secret_in_the_groups_file_is_a_warning_that_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Manifest:
        def load(self) -> dict[str, object]:
            pages = {"ml": "slack://geheimA/geheimB/geheimC/#ml", "data-eng": "env:PAGE_DATA", "ops": "json://host:80"}
            path = "models/groups.yml"
            return {
                "groups": {
                    name: {"name": name, "config": {"meta": {"page": page}}, "original_file_path": path}
                    for name, page in pages.items()
                }
            }

    monkeypatch.setattr("orchestration.dbt.manifest.ensure_manifest", lambda home: Manifest())
    (warning,) = findings_paging.written_out(Home(tmp_path))
    assert (warning.level, "geheim" in str(warning)) == ("warning", False)
    assert "the page address of ml is written out in models/groups.yml" in warning.found
    assert 'page: "env:PAGE_ML"' in warning.fix


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
