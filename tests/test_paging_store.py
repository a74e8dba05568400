"""Incidents on SQLite and on PostgreSQL: what is kept, what a crash loses (nothing), versions, locks."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import postgres
import pytest
import sqlalchemy as sa
from paging_world import ANALYTICS, DATA, DAY, HOUR, ML, NOW, TEAMS, WORLD, Recorder, all_ok, seen

from ml.home import Home
from orchestration.paging import copied, schema, store
from orchestration.paging.delivery import COMMAND, Courier
from orchestration.paging.pager import Pager, incidents, messages
from orchestration.paging.schema import StoreTooNew
from orchestration.paging.store import Store, StoreError


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("server")
        used = Store(Home(tmp_path), url)
        with used.transaction() as con:
            schema.METADATA.drop_all(con)
        used.close()
    with Store(Home(tmp_path), url) as found:
        yield found


def test_what_a_look_left_is_there_for_the_next_one(kept: Store) -> None:
    pager = Pager(kept, WORLD)
    look = pager.observe([[seen("raw/usage"), seen("churn/performance", severity="warn")]], NOW)
    with kept.transaction() as con:
        again = store.load(con)
    assert again == look.state
    assert [m["key"] for m in messages(kept)] == [m.key for m in look.messages]
    pager.acknowledge(1, "ann", NOW)
    pager.pass_on(1, ML, "not ours", NOW + HOUR)
    pager.snooze(1, NOW + 9 * HOUR, "bob", NOW + HOUR)
    (incident,) = incidents(kept)
    assert (incident.group, incident.state, incident.acknowledged_by, incident.misrouted) == (ML, "snoozed", "bob", 1)
    pager.observe([all_ok(NOW + 2 * HOUR)], NOW + 2 * HOUR)
    assert incidents(kept) == []
    assert [each.state for each in incidents(kept, everything=True)] == ["resolved"]


def test_digests_at_an_instant_that_a_clock_comes_back_to_are_messages_of_their_own(kept: Store) -> None:
    later = NOW + 2 * DAY
    for now, asset in ((NOW, "raw/usage"), (later, "raw/invoices"), (NOW, "staging/usage"), (later, "churn/model")):
        Pager(kept, WORLD).observe([[seen(asset, at=now, severity="warn", group=DATA)]], now)
    assert [m["kind"] for m in messages(kept)] == ["digest"] * 4
    assert len({m["key"] for m in messages(kept)}) == 4


def test_opening_a_store_again_changes_nothing(kept: Store) -> None:
    Pager(kept, WORLD).observe([[seen("raw/usage")]], NOW)
    with Store(kept.home, kept.url.render_as_string(hide_password=False)) as again, again.transaction() as con:
        assert store.fact(con, "store")
        assert len(store.load(con).incidents) == 1


def test_an_older_store_is_migrated_and_a_newer_one_refused(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    Pager(kept, WORLD).observe([[seen("raw/usage")]], NOW)
    url = kept.url.render_as_string(hide_password=False)

    def second(con: sa.Connection) -> None:
        con.execute(sa.text("alter table incidents add column more integer"))

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, second))
        with Store(kept.home, url) as newer, newer.transaction() as con:
            assert con.execute(sa.text("select id, more from incidents")).all() == [(1, None)]
    with pytest.raises(StoreTooNew, match=f"version {len(schema.MIGRATIONS) + 1}"):
        Store(kept.home, url).__enter__()


def test_a_store_of_the_first_version_keeps_its_incidents(kept: Store) -> None:
    Pager(kept, WORLD).observe([[seen("raw/usage")]], NOW)
    with kept.transaction() as con:
        con.execute(sa.text("alter table incidents drop column escalated_to"))
        con.execute(schema.VERSION.update().values(version=1))
    with Store(kept.home, kept.url.render_as_string(hide_password=False)) as again:
        Pager(again, WORLD).observe([], NOW + 5 * HOUR)
        (incident,) = incidents(again)
    assert (incident.asset, incident.escalated_to) == ("raw/usage", ANALYTICS)


def test_a_store_that_is_too_new_or_broken_leaves_its_tables_in_the_warehouse_as_they_were(tmp_path: Path) -> None:
    with Store(Home(tmp_path)) as found:
        Pager(found, WORLD).observe([[seen("raw/usage")]], NOW)
    with duckdb.connect() as con:
        copied.copy_into(con, Home(tmp_path))
        with Store(Home(tmp_path)) as found, found.transaction() as held:
            held.execute(schema.VERSION.update().values(version=99))
        copied.copy_into(con, Home(tmp_path))
        Home(tmp_path).incidents_db.write_bytes(b"not a database" * 100)
        copied.copy_into(con, Home(tmp_path))
        assert con.execute("select id, asset from ops.incidents").fetchall() == [(1, "raw/usage")]


def test_a_home_that_cannot_be_written_is_said_as_such(tmp_path: Path) -> None:
    with Store(Home(tmp_path)) as found:
        (tmp_path / "incidents.observe.lock").mkdir()
        with pytest.raises(StoreError, match=r"incidents\.observe\.lock.*baton doctor"), found.alone("observe"):
            pass
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="baton doctor"):
        Store(Home(tmp_path / "file" / "home")).__enter__()


def test_a_look_that_dies_half_way_has_not_happened(kept: Store) -> None:
    pager = Pager(kept, WORLD)
    with kept.transaction() as con:
        before = store.load(con)
    count = 0
    for stop in range(1, 100):
        calls = 0

        def die(*_: object, stop: int = stop) -> None:
            nonlocal calls
            calls += 1
            if calls == stop:
                raise KeyboardInterrupt

        sa.event.listen(kept.engine, "before_cursor_execute", die)
        try:
            pager.observe([[seen("raw/usage")]], NOW)
        except KeyboardInterrupt:
            count += 1
        else:
            break
        finally:
            sa.event.remove(kept.engine, "before_cursor_execute", die)
        with kept.transaction() as con:
            assert store.load(con) == before
    assert count > 5
    assert len(incidents(kept)) == 1
    assert len({m["key"] for m in messages(kept)}) == len(messages(kept)) == 4


def _look(root: str, url: str, barrier: object) -> None:
    with Store(Home(Path(root)), url) as own:
        barrier.wait()  # type: ignore[attr-defined]
        for n in range(5):
            Pager(own, WORLD).observe([[replace(seen("raw/usage"), event_id=n)]], NOW)
            Courier(own, TEAMS, Recorder(), COMMAND).deliver(NOW)


def test_looks_of_several_processes_make_one_incident_and_one_page(kept: Store) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, url = context.Barrier(3), kept.url.render_as_string(hide_password=False)
    crowd = [context.Process(target=_look, args=(str(kept.home.root), url, barrier)) for _ in range(3)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join(60)
        assert process.exitcode == 0
    assert len(incidents(kept)) == 1
    told = messages(kept)
    assert sorted(m["kind"] for m in told) == ["blocked", "blocked", "blocked", "opened"]
    assert {(m["state"], m["attempts"]) for m in told} == {("sent", 1)}


def test_a_lock_is_held_by_one(kept: Store) -> None:
    with (
        Store(kept.home, kept.url.render_as_string(hide_password=False)) as other,
        kept.alone("observe") as mine,
        other.alone("observe", wait=False) as theirs,
    ):
        assert (mine, theirs) == (True, False)
    with kept.alone("observe", wait=False) as again:
        assert again


def test_a_database_that_does_not_answer_is_said_without_its_password(tmp_path: Path) -> None:
    nowhere = f"postgresql://baton:geheim@127.0.0.1:{postgres.free_port()}/incidents"
    with pytest.raises(StoreError) as raised:
        Store(Home(tmp_path), nowhere).__enter__()
    assert "geheim" not in str(raised.value)
    assert "baton doctor" in str(raised.value)


def test_a_database_that_goes_away_while_a_lock_of_it_is_held_is_said(server: str, tmp_path: Path) -> None:
    end = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like '%lock%'"
    with Store(Home(tmp_path), server) as kept:
        with pytest.raises(StoreError, match="baton doctor"), kept.alone("deliver") as is_mine:  # noqa: PT012
            assert is_mine
            with kept.transaction() as con:
                con.execute(sa.text(end))
        with kept.alone("deliver", wait=False) as again:
            assert again


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    Home(tmp_path).incidents_db.write_text("not a database " * 200)
    with pytest.raises(StoreError, match=r"incidents\.db"):
        Store(Home(tmp_path)).__enter__()


def test_pages_go_to_the_accountable_group(kept: Store) -> None:
    channel = Recorder()
    Pager(kept, WORLD).observe([[seen("raw/usage")]], NOW)
    Courier(kept, TEAMS, channel, COMMAND).deliver(NOW)
    assert [address for address, message, _ in channel.got if message.kind == "opened"] == ["test://data"]
    assert {m["channel"] for m in messages(kept)} == {"test"}
    assert DATA in channel.got[0][1].body
