"""`baton drill --own`: a fault in the newest morning's deliveries of a home, on a scratch copy that leaves no trace."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner, Result
from demo_runs import NOW, copied, day_after, inside
from receivers import Receiver, http

from demo.faults import changes
from demo.faults.files import Delivery, read, write
from demo.faults.own import OWN_FAULTS, Cannot
from ml.clock import DAY
from ml.diagnosis.evidence import Source, TableDays
from ml.diagnosis.lineage import Raw
from ml.home import Home
from orchestration import run_lock
from orchestration.cli.main import cli
from orchestration.drill.aims import aims_of
from orchestration.drill.channels import ON_OWN, Marked
from orchestration.drill.company import shell
from orchestration.drill.others import Delivered, Refused, put_in, taken_out
from orchestration.drill.rewind import taken_back
from orchestration.drill.scratch import ScratchError, refuse_without_room
from orchestration.paging.model import Message
from orchestration.sources.loader import load_table
from orchestration.sources.table import Column, SourceTable


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after two green mornings; no test here changes it."""
    return copied(day_after(tmp_path_factory), tmp_path_factory.mktemp("own"))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """What arrives at the real addresses of the groups."""
    with http() as receiver:
        for name in ("PAGE_DATA", "PAGE_ANALYTICS", "PAGE_ML", "PAGE_SUCCESS"):
            monkeypatch.setenv(name, receiver.url())
        yield receiver


def own(home: Home, *arguments: str) -> Result:
    with inside(home):
        return CliRunner().invoke(cli, ["drill", "--own", *arguments])


def content(home: Home) -> dict[str, str]:
    """Every file of the home, but for the folder of drills, by content."""
    files = (path for path in home.root.rglob("*") if path.is_file() and path.parent != home.root / "drill")
    return {str(path.relative_to(home.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_one_page_to_the_right_group_that_nobody_gets_and_no_trace(home: Home, heard: Receiver) -> None:
    before = content(home)
    shown = own(home, "--product", "churn", "--fault", "null_spike", "--fault", "source_late", "--json")
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["now"] == f"{NOW + DAY:%Y-%m-%dT%H:%M:%S}"
    (played,), (left,) = told["played"], told["not_played"]
    found = played["drill"]
    assert (found["cause"], found["asset"], found["group"]) == ("null_spike", "raw/usage_events", "data_engineering")
    assert found["pages"] == [["data_engineering", "raw/usage_events is broken: null spike"]]
    assert (found["noticed_after"], found["resolved_after"]) == (0, 0)
    assert "is empty in 70 % of" in played["did"]
    assert left["fault"] == "source_late"
    assert "of 1 mornings on record before it 1 brought a file" in left["why"]
    assert heard.got == []
    assert content(home) == before
    assert not list((home.root / "drill").glob("own-*"))
    assert "removed afterwards" in shown.stderr


def test_a_morning_that_is_broken_already_plays_nothing(home: Home, tmp_path: Path) -> None:
    broken = copied(home, tmp_path)
    with duckdb.connect(str(broken.warehouse)) as con:
        con.execute("update ops.model_versions set serves_to = serves_from, is_champion = false")
    shown = own(broken, "--fault", "null_spike")
    assert shown.exit_code == 1
    assert "broken without any fault" in shown.output
    assert "champion missing at churn/model" in shown.output
    assert "baton diagnose churn" in shown.output
    assert "null_spike (seed" not in shown.output


def test_a_morning_that_was_loaded_and_never_scored_is_not_played(home: Home, tmp_path: Path) -> None:
    broken = copied(home, tmp_path)
    with duckdb.connect(str(broken.warehouse)) as con:
        con.execute("insert into ops.loads select * replace (as_of + interval 1 day as as_of) from ops.loads where as_of = ?", [NOW.replace(hour=0) + DAY])  # fmt: skip  # noqa: E501
    shown = own(broken, "--fault", "null_spike")
    assert shown.exit_code == 1
    assert "churn: nothing is scored for 2026-11-23" in shown.output


def test_a_run_that_goes_on_is_not_disturbed(home: Home) -> None:
    with run_lock.held(home, "abcdef0123"):
        shown = own(home)
    run_lock.sweep(home, "abcdef0123")
    assert shown.exit_code == 1
    assert "a run goes on" in shown.output


def test_a_second_drill_does_not_take_the_copy_of_the_first(home: Home) -> None:
    (home.root / "drill").mkdir(exist_ok=True)
    with (home.root / "drill" / "own.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        shown = own(home)
    assert shown.exit_code == 1
    assert "another baton drill --own" in shown.output


def test_a_home_without_a_run_says_what_to_do(tmp_path: Path, home: Home) -> None:
    empty = Home(tmp_path / "home").ensure()
    (empty.root / "dbt").symlink_to(home.root / "dbt")  # parsed already
    shown = own(empty)
    assert shown.exit_code == 1
    assert "Next: baton run" in shown.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fault", "concept_drift"), "on own products there are file_unreadable"),
        (("--product", "churns"), "this project trains churn"),
        (("--healthy",), "without --own"),
    ],
)
def test_wrong_usage_says_what_there_is(arguments: tuple[str, ...], said: str, home: Home) -> None:
    shown = own(home, *arguments)
    assert shown.exit_code == 2
    assert said in shown.output


def test_a_disk_without_room_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    gigabyte = 2**30
    refuse_without_room(gigabyte, 2 * gigabyte, tmp_path)
    with pytest.raises(ScratchError, match=r"1\.0 GB free; a drill on a copy of this home needs 1\.0 GB"):
        refuse_without_room(gigabyte, gigabyte, tmp_path)


def test_a_message_that_is_sent_says_first_that_it_is_a_drill(heard: Receiver) -> None:
    message = Message("key", 1, "opened", "data_engineering", "raw/x is broken", "What       raw/x", NOW)
    Marked(ON_OWN).send(os.environ["PAGE_DATA"], message, message.title)
    ((_, got),) = heard.got
    assert got["title"] == "Drill: raw/x is broken"
    assert got["message"].startswith("This is a drill on a copy")
    assert got["message"].endswith("What       raw/x")


def test_a_table_that_another_tool_loads_is_told_from_one_that_nothing_came_for() -> None:
    days = TableDays("raw/orders", "data_engineering", (), ())
    orders = SourceTable("raw", "orders", "", "parquet", (), ())
    file = Delivered(orders, Path("orders.parquet"), 20)
    unreadable = next(fault for fault in OWN_FAULTS if fault.name == "file_unreadable")
    assert list(aims_of(unreadable, [Source(days)], (), {"raw/orders"})) == [
        Cannot("raw/orders", "nothing came that morning")
    ]
    (told,) = aims_of(unreadable, [Source(days)], (file,), set())
    assert isinstance(told, Cannot)
    assert "another tool loads it" in told.why
    (aim,) = aims_of(unreadable, [Source(days)], (file,), {"raw/orders"})
    assert not isinstance(aim, Cannot)


def test_rows_of_another_tool_are_taken_out_and_put_in_as_they_were(tmp_path: Path) -> None:
    columns = {"known_at": "timestamp", "id": "uuid", "n": "integer not null", "usd": "decimal(9, 2)", "note": "json"}
    orders = Raw("raw/orders", '"raw"."orders"', "data", {}, (), "known_at", None, is_landed=False, is_outcome=False)
    with duckdb.connect() as con:
        con.execute("create schema raw")
        con.execute(f"create table raw.orders ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        con.execute(
            "insert into raw.orders select timestamp '2026-03-01' + interval (i) hour, uuid(), i, i + 0.25, "
            "'{\"a\": 1}' from range(72) t(i)"
        )
        before = con.execute("from raw.orders order by n").fetchall()
        (file,) = taken_out(con, orders, datetime(2026, 3, 4), tmp_path)
        assert con.execute("from raw.orders order by n").fetchall() == before[:48]
        put_in(con, file)
        assert con.execute("from raw.orders order by n").fetchall() == before
        con.execute("delete from raw.orders where n >= 48")
        write(file.path, changes.multiplied(read(file.path, "parquet"), "n", 100))
        put_in(con, file)
        assert con.execute("select min(n), count(*) from raw.orders where n > 47").fetchall() == [(4800, 24)]
        write(file.path, changes.emptied(read(file.path, "parquet"), "n", 2, np.random.default_rng(1)))
        with pytest.raises(Refused, match="raw/orders: the table does not take"):
            put_in(con, file)


def test_a_drill_never_reaches_the_incidents_of_the_team(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from orchestration.paging.store import Store

    monkeypatch.setenv("BATON_INCIDENTS_URL", "postgresql://127.0.0.1:1/incidents")
    with shell({"BATON_HOME": str(tmp_path)}):
        assert Store(Home(tmp_path)).url.database == str(tmp_path / "incidents.db")


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "csv.gz", "csv", "parquet"])
@pytest.mark.parametrize("is_gone", [False, True], ids=["there", "gone"])
def test_what_is_taken_back_comes_again_as_it_was(suffix: str, is_gone: bool, tmp_path: Path) -> None:
    """An export of three days first, then a file of the morning; each as the newest load."""
    landing, target, day = tmp_path / "landing", tmp_path / "again", datetime(2026, 3, 4)
    columns = (
        Column("id", "BIGINT"),
        Column("text", "VARCHAR"),
        Column("paid", "BOOLEAN"),
        Column("usd", "DECIMAL(9,2)"),
    )
    sales = SourceTable(
        *("raw", "sales", f"sales/*.{suffix}", suffix.removesuffix(".gz"), ("id",), columns),
        deleted="gone",
        load_lag=DAY,
        assumed_lag=timedelta(hours=1),
    )

    def deliver(name: str, first: int, days: int) -> None:
        rows = [
            {
                "id": first + 10 * back + number,
                "text": f'a, "b" {number}' if number else "",
                "paid": number % 2 == 0,
                "usd": f"{number}.25",
                "event_at": str(day - back * DAY - timedelta(hours=2)),
                "gone": False,
            }
            for back in range(days)
            for number in range(5)
        ]
        if suffix.startswith("csv"):
            rows = [row | {"paid": str(row["paid"]).lower(), "gone": "false"} for row in rows]
        write(landing / "sales" / f"{name}.{suffix}", Delivery(sales.format, rows, suffix.endswith(".gz")))

    everything = "select id, text, paid, usd, event_at, is_deleted, file from raw.sales order by id"
    with duckdb.connect() as con:
        for name, first, days, as_of, left in (("export", 0, 3, day, 10), ("morning", 100, 1, day + DAY, 15)):
            deliver(name, first, days)
            load_table(con, sales, landing, as_of + timedelta(hours=6))
            before = con.execute(everything).fetchall()
            if is_gone:
                (landing / "sales" / f"{name}.{suffix}").unlink()
            (came,) = taken_back(con, sales, as_of, landing, target)
            assert (came.n_rows, con.execute("select count(*) from raw.sales").fetchall()) == (5, [(left,)])
            assert len(read(came.path, sales.format).records) == 5
            report = load_table(con, sales, target, as_of + timedelta(hours=6))
            assert (report.rows_new, report.rows_rejected, report.files_failed) == (5, 0, ())
            assert con.execute(everything).fetchall() == before
            con.execute("create schema if not exists ops")
            con.execute("create or replace table ops.loads as select timestamp '2026-03-04' as as_of, "
                        "'raw/sales' as asset, max(row_id) as last_row_id from raw.sales")  # fmt: skip
            landing.joinpath("sales").rename(tmp_path / name)
