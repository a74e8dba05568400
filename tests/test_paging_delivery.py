"""Pages on their way: real HTTP and SMTP receivers, channels that are down, backups, dead letters, files, secrets."""

import contextlib
import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_string, policy
from pathlib import Path

import pytest
from paging_world import ANALYTICS, DATA, DAY, HOUR, ML, NOW, SUCCESS, TEAMS, Recorder, all_ok, pager, seen
from receivers import http, smtp

from orchestration.paging.channels import Apprise, NotDelivered, address_of, may_hold_a_secret
from orchestration.paging.delivery import (
    COMMAND,
    LISTED,
    LIVES,
    SENSOR,
    Courier,
    lines,
    outcomes,
    retry_dead,
    undelivered,
)
from orchestration.paging.model import FAILED, OK, Message, Team
from orchestration.paging.pager import Pager, messages

PATIENT = replace(COMMAND, seconds=600)  # a slow machine does not end a round
MESSAGE = Message(
    "baton-t-1.1", 1, "opened", ML, "churn/model is broken: späte Daten", "What  it\nref baton-t-1.1\n", NOW
)


def test_a_page_arrives_at_a_web_receiver() -> None:
    with http() as receiver:
        Apprise().send(receiver.url("ml"), MESSAGE, MESSAGE.title)
    ((_, body),) = receiver.got
    assert (body["title"], body["type"]) == (MESSAGE.title, "failure")
    assert "ref baton-t-1.1" in body["message"]


def test_a_page_arrives_by_mail() -> None:
    with smtp() as (port, mails):
        Apprise().send(f"mailto://127.0.0.1:{port}?from=baton@example.com&to=ml@example.com", MESSAGE, MESSAGE.title)
    mail = message_from_string(mails[0], policy=policy.default)
    assert mail["Subject"] == MESSAGE.title
    assert mail["To"] == "ml@example.com"
    assert "ref baton-t-1.1" in mail.get_body(("html", "plain")).get_content()  # type: ignore[union-attr]


def test_what_goes_wrong_names_scheme_and_status_and_never_the_address(caplog: pytest.LogCaptureFixture) -> None:
    with http() as receiver, caplog.at_level(logging.DEBUG):
        receiver.status = 503
        with pytest.raises(NotDelivered) as refused:
            Apprise().send(f"json://user:geheim@127.0.0.1:{receiver.port}/hook-geheim", MESSAGE, "t")
    assert str(refused.value) == "json: the receiver answered 503"
    with pytest.raises(NotDelivered, match="nobody answered"):
        Apprise().send(f"json://user:geheim@127.0.0.1:{receiver.port}", MESSAGE, "t")
    with pytest.raises(NotDelivered, match="no address"):
        Apprise().send("nonsense-geheim://x", MESSAGE, "t")
    assert "geheim" not in caplog.text


@pytest.mark.parametrize(
    "address", ["geheim-token", "https//hooks.example.com/geheim", "slack:/geheim/B/C", "geheim@json://127.0.0.1:1/"]
)
def test_an_address_that_is_mistyped_is_never_taken_for_its_scheme(address: str) -> None:
    with pytest.raises(NotDelivered) as refused:
        Apprise().send(address, MESSAGE, "t")
    assert "geheim" not in str(refused.value)
    assert "geheim" not in address_of(Team("x", address)).scheme
    assert "hooks" not in str(refused.value)


@pytest.fixture
def paged(tmp_path: Path) -> Iterator[Pager]:
    """One incident of the data engineers, four messages waiting."""
    found = pager(tmp_path)
    found.observe([[seen("raw/usage")]], NOW)
    yield found
    found.store.close()


def test_a_channel_that_is_down_is_tried_again_later_and_later(paged: Pager) -> None:
    channel = Recorder(down=lambda address: True)
    courier = Courier(paged.store, TEAMS, channel, SENSOR)
    tries, now = [], NOW
    for minute in range(200):
        now = NOW + minute * timedelta(seconds=15)
        tries += [now] * sum(d.message.kind == "opened" and d.target == DATA for d in courier.deliver(now))
    waits = [(b - a).total_seconds() for a, b in itertools.pairwise(tries)]
    assert len(tries) == SENSOR.attempts
    assert all(later > sooner for sooner, later in zip(waits[:-2], waits[2:], strict=True)), waits
    assert waits[0] >= 15


def test_what_comes_back_up_in_time_is_delivered_once_to_its_own_group(paged: Pager) -> None:
    channel = Recorder(down=lambda address: True)
    Courier(paged.store, TEAMS, channel, SENSOR).deliver(NOW)
    channel.down = lambda address: False
    for minute in range(5):
        Courier(paged.store, TEAMS, channel, SENSOR).deliver(NOW + minute * timedelta(minutes=1))
    assert sorted(address for address, _, _ in channel.got) == [
        "test://analytics", "test://data", "test://ml", "test://success",
    ]  # fmt: skip


def test_a_group_that_cannot_be_reached_has_its_pages_sent_to_its_backup(paged: Pager) -> None:
    channel = Recorder(down=lambda address: address == "test://data")
    slept: list[float] = []
    Courier(paged.store, TEAMS, channel, COMMAND, slept.append).deliver(NOW)
    titles = [title for address, m, title in channel.got if address == "test://analytics" and m.kind == "opened"]
    assert titles == [f"For {DATA}: raw/usage is broken: rows"]
    assert slept
    assert {m["state"] for m in messages(paged.store)} == {"sent"}


def test_what_nobody_takes_is_a_dead_letter_with_its_text_kept_and_can_be_sent_again(paged: Pager) -> None:
    channel, late = Recorder(down=lambda address: True), NOW + LIVES
    Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(late)
    assert {m["state"] for m in messages(paged.store)} == {"dead"}
    written = sorted((paged.store.home.root / "pages").iterdir())
    assert len(written) == 4
    assert any("raw/usage has 3 rows" in path.read_text() for path in written)
    channel.down = lambda address: False
    assert retry_dead(paged.store, late + HOUR) == 4
    Courier(paged.store, TEAMS, channel, COMMAND).deliver(late + HOUR)
    assert [address for address, m, _ in channel.got if m.kind == "opened"] == ["test://data"]


def test_a_dead_letter_about_what_is_over_is_taken_back_and_the_last_message_tells_it_all(paged: Pager) -> None:
    channel, late = Recorder(down=lambda address: True), NOW + LIVES
    Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(late)
    paged.observe([all_ok(late + HOUR)], late + HOUR)
    channel.down = lambda address: False
    assert retry_dead(paged.store, late + DAY) == 0, "nobody is woken for what is over"
    Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(late + DAY)
    ((_, message, _),) = channel.got
    assert message.kind == "resolved_late"
    assert "raw/usage has 3 rows" in message.body


def by_minute(paged: Pager, channel: Recorder, begin: datetime, minutes: int = 5) -> None:
    """What a daemon sends in these minutes."""
    for minute in range(minutes):
        Courier(paged.store, TEAMS, channel, SENSOR).deliver(begin + minute * timedelta(minutes=1))


def test_a_page_that_did_not_get_out_is_taken_back_when_the_incident_is_passed_on(paged: Pager) -> None:
    channel = Recorder(down=lambda address: address == "test://data")
    by_minute(paged, channel, NOW, 1)
    paged.pass_on(1, ML, "not the data's", NOW + timedelta(minutes=1))
    channel.down, channel.got = (lambda address: False), []
    by_minute(paged, channel, NOW + timedelta(minutes=1))
    assert [(m.kind, m.group) for _, m, _ in channel.got] == [("handover", ML), ("handed_over", DATA)]


def test_whoever_was_paged_hears_that_it_is_over_though_the_news_between_did_not_get_out(paged: Pager) -> None:
    channel = Recorder()
    by_minute(paged, channel, NOW, 1)
    channel.down = lambda address: address == "test://data"
    paged.pass_on(1, ML, "not the data's", NOW + timedelta(minutes=1))
    by_minute(paged, channel, NOW + timedelta(minutes=1), 1)
    paged.observe([all_ok(NOW + HOUR)], NOW + HOUR)
    channel.down, channel.got = (lambda address: False), []
    by_minute(paged, channel, NOW + HOUR)
    over = {(m.kind, m.group) for _, m, _ in channel.got}
    assert over == {("resolved", ML), ("unblocked", DATA), ("unblocked", ANALYTICS), ("unblocked", SUCCESS)}


def test_what_broke_again_before_its_over_got_out_is_over_for_everybody_who_heard_of_it(paged: Pager) -> None:
    channel = Recorder()
    by_minute(paged, channel, NOW, 1)
    channel.down = lambda address: True
    for hour, status in ((1, OK), (2, FAILED), (3, OK), (4, OK), (5, OK)):
        at = NOW + hour * HOUR
        paged.observe([[seen("raw/usage", status, at)]], at)
        by_minute(paged, channel, at, 1)
    channel.down, channel.got = (lambda address: False), []
    by_minute(paged, channel, NOW + 6 * HOUR)
    assert {(m.kind, m.group) for _, m, _ in channel.got} == {
        ("resolved_late", DATA), ("unblocked", ANALYTICS), ("unblocked", ML), ("unblocked", SUCCESS),
    }  # fmt: skip


def test_a_group_gets_the_messages_about_an_incident_in_the_order_in_which_they_were_written(paged: Pager) -> None:
    channel = Recorder()
    by_minute(paged, channel, NOW, 1)
    paged.pass_on(1, ML, "not the data's", NOW + timedelta(minutes=1))
    channel.down = lambda address: address == "test://data"
    by_minute(paged, channel, NOW + timedelta(minutes=1), 1)
    channel.down, channel.got = (lambda address: False), []
    paged.pass_on(1, DATA, "it is", NOW + timedelta(minutes=1, seconds=5))
    by_minute(paged, channel, NOW + timedelta(minutes=1, seconds=5))
    assert [m.kind for _, m, _ in channel.got if m.group == DATA] == ["handed_over", "handover"]


def test_an_outage_of_an_hour_costs_a_command_seconds_and_no_page(paged: Pager) -> None:
    channel = Recorder(down=lambda address: True)
    slept: list[float] = []
    done = Courier(paged.store, TEAMS, channel, PATIENT, slept.append).deliver(NOW)
    assert {each.state for each in outcomes(done)} == {"waiting"}
    assert len(done) == 4 * 2 * COMMAND.attempts, "each group and its backup, and then no more"
    assert sum(slept) < COMMAND.seconds
    channel.down = lambda address: False
    for _ in range(2):
        Courier(paged.store, TEAMS, channel, PATIENT, slept.append).deliver(NOW + HOUR)
    assert sorted(address for address, _, _ in channel.got) == [
        "test://analytics", "test://data", "test://ml", "test://success",
    ]  # fmt: skip


def test_every_later_command_tries_again_until_it_has_been_undeliverable_for_hours(paged: Pager) -> None:
    channel = Recorder(down=lambda address: True)
    for minute in (0, 0, 239):
        now = NOW + timedelta(minutes=minute)
        done = Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(now)
        assert len(outcomes(done)) == 4
        assert not any(letter.is_dead for letter in undelivered(paged.store))
    Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(NOW + LIVES)
    assert [letter.is_dead for letter in undelivered(paged.store)] == [True] * 4


def test_what_waits_for_a_channel_that_hangs_keeps_no_new_page_waiting(paged: Pager) -> None:
    channel = Recorder(down=lambda address: True)
    Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(NOW)
    paged.observe([[seen("raw/usage"), seen("raw/invoices", at=NOW + HOUR, name="late")]], NOW + HOUR)
    done = Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(NOW + HOUR)
    assert done[0].message.created_at == NOW + HOUR


def test_what_a_sensor_left_for_later_is_tried_by_the_next_command(paged: Pager) -> None:
    channel = Recorder(down=lambda address: True)
    Courier(paged.store, TEAMS, channel, SENSOR).deliver(NOW)
    channel.down = lambda address: False
    Courier(paged.store, TEAMS, channel, PATIENT, lambda seconds: None).deliver(NOW)
    assert len(channel.got) == 4


def test_letters_are_listed_with_title_group_incident_time_and_reason_the_oldest_first(paged: Pager) -> None:
    paged.observe([[seen("churn/performance", severity="warn")]], NOW + HOUR)
    Courier(paged.store, TEAMS, Recorder(down=lambda address: True), PATIENT, lambda seconds: None).deliver(NOW + LIVES)
    letters = undelivered(paged.store)
    first, last = letters[0], letters[-1]
    assert (first.line, first.is_dead) == (
        "raw/usage is broken: rows: opened to data_engineering, incident 1, since Sat 21 Nov 2026 06:00 UTC: "
        "test: nobody answered",
        True,
    )
    assert (last.kind, last.is_dead) == ("digest", False), "written an hour later"
    assert "incident" not in last.line
    assert lines(letters * 3)[LISTED:] == [f"and {len(letters) * 3 - LISTED} more"]


def test_what_a_daemon_tried_often_is_tried_again_by_a_command_before_it_is_given_up(paged: Pager) -> None:
    channel, now = Recorder(down=lambda address: True), NOW
    for _ in range(COMMAND.attempts + 1):
        Courier(paged.store, TEAMS, channel, SENSOR).deliver(now)
        now += HOUR / 4
    assert min(row["attempts"] for row in messages(paged.store)) >= COMMAND.attempts
    channel.down = lambda address: False
    done = Courier(paged.store, TEAMS, channel, COMMAND, lambda seconds: None).deliver(now)
    assert {each.state for each in done} == {"sent"}
    assert len(channel.got) == 4


def test_a_message_that_kills_its_sender_each_time_is_given_up_with_that_reason(paged: Pager) -> None:
    class Deadly:
        def send(self, address: str, message: Message, title: str) -> None:
            raise SystemExit("killed")

    alone = {name: replace(team, backup=None) for name, team in TEAMS.items()}
    for _ in range(4 * (COMMAND.attempts + 1)):
        with contextlib.suppress(SystemExit):
            Courier(paged.store, alone, Deadly(), COMMAND).deliver(NOW)
    assert {(row["state"], row["error"]) for row in messages(paged.store)} == {("dead", "its sender died each time")}


def test_without_any_address_pages_become_files_for_people(paged: Pager) -> None:
    bare = {name: replace(team, page=f"env:NOT_SET_{name}") for name, team in TEAMS.items()}
    done = Courier(paged.store, bare, Recorder(), COMMAND).deliver(NOW)
    assert {each.state for each in done} == {"sent"}
    text = next(Path(d.where).read_text() for d in done if d.message.kind == "opened")
    assert text.startswith("raw/usage is broken: rows\nTo data_engineering.")
    assert f"NOT_SET_{DATA} is not set" in text
    assert {m["channel"] for m in messages(paged.store)} == {"file"}


def test_a_folder_that_takes_no_file_keeps_nobody_elses_page_waiting(paged: Pager) -> None:
    (paged.store.home.root / "pages").write_text("in the way")
    teams = {**TEAMS, ANALYTICS: Team(ANALYTICS), ML: Team(ML, "test://ml")}
    channel, late = Recorder(down=lambda address: address == "test://ml"), NOW + LIVES
    done = Courier(paged.store, teams, channel, PATIENT, lambda seconds: None).deliver(NOW)
    assert {(each.message.group, each.state) for each in outcomes(done)} == {
        (DATA, "sent"), (SUCCESS, "sent"), (ANALYTICS, "waiting"), (ML, "waiting"),
    }  # fmt: skip
    Courier(paged.store, teams, channel, PATIENT, lambda seconds: None).deliver(late)
    letters = {letter.group: letter for letter in undelivered(paged.store)}
    assert all(letter.is_dead for letter in letters.values())
    assert "no page address, and no file could be written" in letters[ANALYTICS].reason
    assert "nobody answered; no file could be written" in letters[ML].reason


def test_a_group_without_address_is_stood_in_for_by_its_backup(paged: Pager) -> None:
    some = {**TEAMS, DATA: replace(TEAMS[DATA], page=None)}
    channel = Recorder()
    Courier(paged.store, some, channel, COMMAND).deliver(NOW)
    assert [a for a, m, _ in channel.got if m.kind == "opened"] == ["test://analytics"]


def test_a_look_at_a_clock_that_was_wound_back_still_delivers(paged: Pager) -> None:
    channel = Recorder(down=lambda address: True)
    Courier(paged.store, TEAMS, channel, SENSOR).deliver(NOW + 900 * 24 * HOUR)
    channel.down = lambda address: False
    Courier(paged.store, TEAMS, channel, SENSOR).deliver(NOW)
    assert len(channel.got) == 4


@pytest.mark.parametrize(
    ("page", "is_secret"),
    [
        ("env:PAGE_X", False),
        ("json://127.0.0.1:8000/", False),
        ("mailto://mail.example.com:25?from=baton@example.com&to=ml@example.com", False),
        ("slack://TokenA/TokenB/TokenC/#ml", True),
        ("mailto://user:geheim@example.com?to=ml@example.com", True),
        ("mailto://example.com?user=baton&pass=geheim", True),
        ("https://hooks.slack.com/services/T/B/geheim", True),
        ("json://host/geheim", True),
        ("json://[geheim", True),
    ],
)
def test_an_address_that_is_written_out_is_open_only_where_nothing_in_it_opens_anything(
    page: str, is_secret: bool
) -> None:
    assert may_hold_a_secret(page) is is_secret


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_X", " json://host/ ")
    assert address_of(Team("x", "env:PAGE_X")).url == "json://host/"
    assert address_of(Team("x", "slack://a/b/c")).scheme == "slack"
    monkeypatch.delenv("PAGE_X")
    assert address_of(Team("x", "env:PAGE_X")).missing == "PAGE_X is not set"
    assert address_of(None).url is None
