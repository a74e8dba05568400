"""From a real run of the small project to a page: a failing check, its repair, a killed run, a broken store."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from company import NOW, Small
from receivers import Receiver, http

from orchestration import launch
from orchestration.cli import findings_paging
from orchestration.cli.main import cli
from orchestration.definitions import build, load_graph
from orchestration.instance import get_instance
from orchestration.observing.sensor import pager_sensor
from orchestration.observing.watch import Watched, watch
from orchestration.outcome import Progress
from orchestration.paging.model import World
from orchestration.paging.pager import Pager, incidents, messages
from orchestration.paging.store import Store, StoreError, load
from orchestration.run_info import NOW as NOW_TAG

DAY = timedelta(days=1)
BAD, GOOD = (1, -2.5, "2026-11-20 10:00"), (1, 2.5, "2026-11-20 10:00")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with http() as found:
        monkeypatch.setenv("PAGE_DATA", found.url("data"))
        monkeypatch.setenv("PAGE_ANALYTICS", found.url("analytics"))
        yield found


@pytest.fixture
def fresh(small: Small) -> Small:
    """The small project with nothing in the pager's memory, and no earlier run for it to find."""
    for left in small.home.root.glob("incidents*"):
        left.unlink()
    with get_instance(small.home) as instance:
        for run in instance.get_runs():
            instance.delete_run(run.run_id)
    return small


def test_a_failing_check_pages_its_group_once_and_says_when_it_is_over(fresh: Small, receiver: Receiver) -> None:
    fresh.orders(BAD)
    assert not launch.run_due(fresh.home, NOW).success
    assert receiver.titles("/analytics") == ["staging/orders is broken: amount is not negative"]
    page = receiver.got[0][1]["message"]
    assert "amount -2.5 below 0" in page
    assert "baton dbt test --select amount_is_not_negative" in page
    assert "shop/daily" in page
    assert "Sat 21 Nov 2026 06:00 UTC" in page
    assert f"BATON_HOME {fresh.home.root}: type the commands there" in page
    with Store(fresh.home) as kept:
        Pager(kept, World({}, {}, {})).acknowledge(1, "ann", NOW)
    launch.run_due(fresh.home, NOW + DAY)
    assert len(receiver.titles("/analytics")) == 1, "still broken is no second page"
    fresh.orders(GOOD, (2, 1.0, "2026-11-22 10:00"))
    assert launch.run_due(fresh.home, NOW + 2 * DAY).success
    assert receiver.titles("/analytics")[1:] == ["Over: staging/orders"]
    told = ["For your information: staging/orders is broken, analytics_engineering is on it"]
    assert receiver.titles("/data") == [*told, "Over: staging/orders"]
    assert "published/warehouse" in receiver.got[1][1]["message"]
    assert "is of an earlier run" in receiver.got[1][1]["message"]
    with Store(fresh.home) as kept:
        assert [each.state for each in incidents(kept, everything=True)] == ["resolved"]
        assert {message["state"] for message in messages(kept)} == {"sent"}


def test_the_command_tries_an_address_and_says_what_came_of_it(
    fresh: Small, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = CliRunner().invoke(cli, ["page", "--test", "data_engineering"])
    assert sent.exit_code == 0, sent.output
    assert str(receiver.port) not in sent.output
    assert receiver.titles("/data") == ["Test page for data_engineering"]
    receiver.status = 500
    refused = CliRunner().invoke(cli, ["page", "--test", "data_engineering"])
    assert refused.exit_code == 1
    assert "answered 500" in refused.output
    monkeypatch.delenv("PAGE_DATA")
    unset = CliRunner().invoke(cli, ["page", "--test", "data_engineering"])
    assert unset.exit_code == 1
    assert "PAGE_DATA is not set" in unset.output
    assert list((fresh.home.root / "pages").iterdir())
    unknown = CliRunner().invoke(cli, ["page", "--test", "nobody"])
    assert unknown.exit_code == 2
    assert "analytics_engineering, data_engineering" in unknown.output


def test_an_incident_is_acknowledged_snoozed_passed_on_and_shown_by_the_command(
    fresh: Small, receiver: Receiver
) -> None:
    def baton(*arguments: str) -> "tuple[int, str]":
        done = CliRunner().invoke(cli, [*arguments, "--now", str(NOW)])
        return done.exit_code, done.output

    assert baton("incidents")[0] == 3, "nobody has looked yet"
    fresh.orders(BAD)
    launch.run_due(fresh.home, NOW)
    assert "staging/orders" in baton("incidents")[1]
    assert baton("ack", "1", "--as", "ann")[0] == 0
    assert "ann works on it" not in baton("status")[1], "nothing is published before the first green run"
    assert baton("snooze", "1", "--until", "2026-11-21T12:00", "--as", "ann")[0] == 0
    assert baton("snooze", "1", "--until", "2026-11-21T05:00")[0] == 2
    assert baton("ack", "9") == (2, "Error: incident 9 does not exist; open are: 1. Next: baton incidents\n")
    code, said = baton("pass", "1", "--to", "data_engineering", "--reason", "the shop sends refunds as orders")
    assert code == 0, said
    assert "the shop sends refunds as orders" in receiver.got[-2][1]["message"]
    shown = json.loads(baton("incidents", "--json")[1])
    assert [(each["group"], each["misrouted"], each["state"]) for each in shown] == [("data_engineering", 1, "open")]
    assert "handover to data_engineering: sent by json" in baton("incidents", "1")[1]
    found = [(finding.level, finding.found) for finding in findings_paging.incidents(fresh.home)]
    assert found == [("warning", "open incidents: 1 staging/orders (data_engineering, open)")]


def test_an_answer_does_not_wait_for_a_diagnosis_and_is_not_forgotten_by_it(
    fresh: Small, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.orders(BAD)
    launch.run_due(fresh.home, NOW)
    answered: list[str] = []

    def diagnose(asset: str, _seen: object) -> None:
        if not answered:
            with Store(fresh.home) as kept:
                Pager(kept, World({}, {}, {})).acknowledge(1, "ann", NOW + DAY)
        answered.append(asset)

    monkeypatch.setattr("orchestration.observing.watch.diagnoser", lambda *_: diagnose)
    launch.run_due(fresh.home, NOW + DAY)
    assert answered
    with Store(fresh.home) as kept:
        (incident,) = incidents(kept)
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "ann")


def test_a_store_that_does_not_answer_fails_the_run_and_nothing_is_lost(
    fresh: Small, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.orders(BAD)
    monkeypatch.setenv("BATON_INCIDENTS_URL", "postgresql://baton:geheim@127.0.0.1:9/none")
    outcome = launch.run_due(fresh.home, NOW)
    assert outcome.failed_steps[-1].step == "pager"
    assert "geheim" not in outcome.failed_steps[-1].message
    (cry,) = receiver.got
    assert cry[0] == "/data", "the group of the published copy"
    assert cry[1]["title"] == "The pager cannot record what is broken"
    assert "staging/orders amount_is_not_negative: amount -2.5 below 0" in cry[1]["message"]
    assert "geheim" not in cry[1]["message"]
    monkeypatch.delenv("BATON_INCIDENTS_URL")
    look(fresh, "command")
    assert receiver.titles("/analytics") == ["staging/orders is broken: amount is not negative"]


def test_a_command_that_never_got_to_look_says_so_and_the_next_look_pages(
    fresh: Small, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.paging.store.WAIT_SECONDS", 0.2)
    fresh.orders(BAD)
    with Store(fresh.home) as kept, kept.alone("observe"):
        outcome = launch.run_due(fresh.home, NOW)
    assert outcome.unpaged is not None
    assert "another look has been under way" in outcome.unpaged.message
    assert receiver.got == []
    look(fresh, "command")
    assert receiver.titles("/analytics") == ["staging/orders is broken: amount is not negative"]


@pytest.mark.parametrize("table", ["runs", "daemon_heartbeats"])
def test_a_storage_of_dagsters_that_does_not_answer_is_not_called_the_incidents(
    fresh: Small, receiver: Receiver, table: str
) -> None:
    launch.run_due(fresh.home, NOW)
    with get_instance(fresh.home) as instance:

        def rename(old: str, new: str) -> None:
            with instance.run_storage.connect() as con:  # type: ignore[attr-defined]
                con.execute(sa.text(f"alter table {old} rename to {new}"))

        rename(table, "gone")
        try:
            with pytest.raises(StoreError, match="Dagster's storage") as raised:
                watch(fresh.home, instance, load_graph(fresh.home), NOW, by="command")
        finally:
            rename("gone", table)
    assert "incidents.db" not in str(raised.value)


def look(small: Small, by: str) -> Watched:
    """One look at the home, by the sensor's or the command's rules."""
    with get_instance(small.home) as instance:
        return watch(small.home, instance, load_graph(small.home), NOW, by=by)


def test_heard_and_read_are_the_same_and_a_second_look_finds_nothing(fresh: Small, receiver: Receiver) -> None:
    fresh.orders(BAD)
    launch.run_due(fresh.home, NOW)
    with Store(fresh.home) as kept, kept.transaction() as con:
        heard = load(con)
    assert look(fresh, "sensor").messages == ()
    for left in fresh.home.root.glob("incidents*"):
        left.unlink()
    receiver.got.clear()
    read = look(fresh, "sensor")
    assert [message.kind for message in read.messages] == ["opened", "blocked"]
    with Store(fresh.home) as kept, kept.transaction() as con:
        again = load(con)
    assert dict(again.signals) == dict(heard.signals)
    assert [(each.asset, each.signals, each.blocked) for each in again.incidents.values()] == [
        (each.asset, each.signals, each.blocked) for each in heard.incidents.values()
    ]


def test_the_sensor_runs_by_default_and_pages_what_a_killed_run_was_at(fresh: Small, receiver: Receiver) -> None:
    launch.run_due(fresh.home, NOW)
    graph = load_graph(fresh.home)
    sensor = pager_sensor(graph)
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    with get_instance(fresh.home) as instance:
        job = build(graph).resolve_job_def("daily")
        run = instance.create_run_for_job(job, tags={NOW_TAG: str(NOW)})
        instance.report_run_failed(run, "The process 7 of this run is gone (killed, or the machine restarted).")
        with dg.build_sensor_context(instance=instance) as context:
            said = sensor(context)
    assert isinstance(said, dg.SkipReason)
    assert "opened to" in str(said.skip_message)
    (page,) = [body for to, body in receiver.got if "is broken" in body["title"] and body["type"] == "failure"]
    assert "is gone (killed" in page["message"]
    assert "code, machine or service" in page["message"]


def test_the_accountable_asset_and_what_it_blocks_show_the_incident_in_dagster(
    fresh: Small, receiver: Receiver
) -> None:
    fresh.orders(BAD)
    launch.run_due(fresh.home, NOW)
    with get_instance(fresh.home) as instance:

        def newest(*key: str) -> dict[str, Any]:
            wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(key))
            (record,) = instance.fetch_observations(wanted, limit=1).records
            return {name: value.value for name, value in record.asset_observation.metadata.items()}  # type: ignore[union-attr]

        own, below = newest("staging", "orders"), newest("shop", "daily")
    assert (own["accountable group"], own["incident"], own["state"]) == ("analytics_engineering", 1, "open")
    assert own["run"]
    assert below["blocked by"] == "staging/orders (amount is not negative)"


def test_messages_that_wait_show_on_the_accountable_asset_too(fresh: Small, receiver: Receiver) -> None:
    receiver.status = 500
    fresh.orders(BAD)
    heard: list[Progress] = []
    launch.run_due(fresh.home, NOW, heard.append)
    said = [event.message for event in heard if event.kind == "page"]
    assert any("waiting, json: the receiver answered 500" in text for text in said)
    assert len(said) == len(set(said)), "each message once, however often it was tried"
    with get_instance(fresh.home) as instance:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(["staging", "orders"]))
        (record,) = instance.fetch_observations(wanted, limit=1).records
    told = record.asset_observation.metadata["waits to be delivered"].value  # type: ignore[union-attr]
    assert "opened to analytics_engineering, incident 1" in told
    assert "json: the receiver answered 500" in told


def test_incidents_and_messages_are_tables_too(fresh: Small, receiver: Receiver) -> None:
    fresh.orders(BAD)
    launch.run_due(fresh.home, NOW)
    fresh.orders(GOOD)
    assert launch.run_due(fresh.home, NOW).success
    assert fresh.query('select asset, "group", state from ops.incidents') == [
        ("staging/orders", "analytics_engineering", "open")
    ]
    assert fresh.query("select kind, state from ops.messages order by key") == [("opened", "sent"), ("blocked", "sent")]
    assert fresh.query("select json_array_length(blocked) > 0 from ops.incidents") == [(True,)]


def test_each_look_gives_a_sign_of_life(fresh: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    with http() as receiver:
        monkeypatch.setenv("BATON_DEADMAN_URL", f"http://127.0.0.1:{receiver.port}/ping")
        look(fresh, "sensor")
    assert receiver.pings == ["/ping"]
    look(fresh, "sensor")  # nobody answers: no reason to fail, silence is the alarm
