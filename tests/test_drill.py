"""Drills for real: a fault on a copy of the drill company, the page that arrives, and the quiet after the repair."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from receivers import http
from warehouse_diff import OF_THE_DISK, VOLATILE, differences

from demo.faults import FAULTS, Fault
from demo.market import HOLIDAYS
from ml import clock
from ml.home import Home
from ml.warehouse import open_warehouse
from orchestration.cli.drill import COMPANY_SEED
from orchestration.cli.main import cli
from orchestration.definitions import load_graph
from orchestration.drill import build
from orchestration.drill.board import confidences, not_over, spoken, table, wilson
from orchestration.drill.company import HOLIDAYS_AHEAD, WARM_UP_MORNINGS, Company, copied, drop_older, snapshot
from orchestration.drill.company import environment as environment_of
from orchestration.drill.day import Days
from orchestration.drill.many import Crashed, Task, play_all
from orchestration.drill.play import Drill

MADE_WITHOUT_DBT = {f"features_{name}" for name in ("accounts", "invoices", "subscriptions", "tickets", "usage")}
ADDRESSES = ("PAGE_DATA", "PAGE_ANALYTICS", "PAGE_ML", "PAGE_SUCCESS")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One home for all of them: the company is rehearsed once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATON_HOME", str(tmp_path_factory.mktemp("drills")))
        yield


def run(*arguments: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        for name in ADDRESSES:
            patch.delenv(name, raising=False)
        return CliRunner().invoke(cli, ["drill", *arguments])


def test_a_null_spike_is_one_page_at_the_address_of_the_group_that_can_mend_it(
    home: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a new user rehearses it: an address per group, one command, and what arrives."""
    with http() as receiver:
        for name in ADDRESSES:
            monkeypatch.setenv(name, receiver.url(name))
        before = environment()
        shown = CliRunner().invoke(cli, ["drill", "--fault", "null_spike"])
    assert shown.exit_code == 0, shown.output
    assert environment() == before
    assert "ok   null_spike" in shown.output
    assert "noticed    on the first run that could" in shown.output
    (page, over) = (body for path, body in receiver.got if path == "/PAGE_DATA")
    assert page["title"] == "Drill: raw/usage_events is broken: null spike"
    for said in ("Since ", "the data, not the model", "is null in", "Customer churn", "baton ack 1", "baton sql"):
        assert said in page["message"]
    assert over["title"] == "Drill: Over: raw/usage_events"
    for name in ("PAGE_ML", "PAGE_ANALYTICS", "PAGE_SUCCESS"):
        told = "Drill: For your information: raw/usage_events is broken, data_engineering is on it"
        assert receiver.titles(f"/{name}") == [told, over["title"]]


def environment() -> dict[str, str]:
    """Without what scikit-learn sets when it is first imported."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KMP_")}


@pytest.fixture(scope="module")
def board(home: None) -> dict[str, Drill]:
    """One drill of each fault up to its page, two at a time; the full board is tests/soak/test_drill.py."""
    tasks = [Task(COMPANY_SEED, fault.name, seed=1, mends=False) for fault in FAULTS]
    with pytest.MonkeyPatch.context() as patch:
        for name in ADDRESSES:
            patch.delenv(name, raising=False)
        found = list(play_all(tasks, Path(os.environ["BATON_HOME"]), print))
    crashed = [each for each in found if isinstance(each, Crashed)]
    assert not crashed, crashed[0].why
    return {each.fault: each for each in found if isinstance(each, Drill)}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_one_drill_of_each_fault(fault: Fault, board: dict[str, Drill]) -> None:
    played = board[fault.name]
    assert played.right_group, played
    assert played.right_cause, played
    assert played.right_number, played
    assert played.at_once, played


@pytest.mark.long
def test_ten_days_without_a_fault_are_quiet() -> None:
    shown = run("--healthy", "--days", "10", "--json")
    found = json.loads(shown.stdout)
    assert found["pages"] == []
    assert set(found["causes"]) <= {"benign", "healthy"}


@pytest.mark.parametrize("breaks", [pytest.param(False, marks=pytest.mark.long), True], ids=["sound", "a test fails"])
def test_asking_known_tests_leaves_what_dbts_own_build_leaves(breaks: bool, tmp_path: Path) -> None:
    """Three mornings, from the second on without dbt's tests, the third without its tables; of the other copy with."""
    company = snapshot(Home(Path(os.environ["BATON_HOME"])).ensure(), COMPANY_SEED, print)
    told = {}
    for way in ("asked", "dbt"):
        with environment_of(copy := copied(company, tmp_path / way, with_project=False), COMPANY_SEED):

            def spoil(moment: str, as_of: datetime, copy: Company = copy) -> None:
                if breaks and moment == "raw" and as_of > clock.as_of(company.next_morning + clock.DAY):
                    with open_warehouse(copy.home) as con:
                        con.execute("update raw.subscriptions set mrr_usd = -1 where row_id % 3 = 0")

            days = Days(copy.home, load_graph(copy.home), spoil)
            for number in range(3):
                if way == "dbt":
                    build._KNOWN.clear()
                told[way] = days.play(copy.next_morning + number * clock.DAY)
            if way == "asked":
                steady = build._KNOWN[days.graph.file.key].tables.steady
                assert {uid.split(".")[-1] for uid in steady} == {"churn_events", *MADE_WITHOUT_DBT}
    one, other = told["asked"], told["dbt"]
    assert [str(each) for each in one.failures] == [str(each) for each in other.failures]
    assert bool(one.failures) == breaks
    assert sorted(one.passed) == sorted(other.passed)
    places = [tmp_path / way / "home" / "warehouse.duckdb" for way in told]
    assert differences(*places, volatile={*VOLATILE, *OF_THE_DISK}) == []


def test_two_healthy_weeks_hold_the_holidays_of_the_year_s_end() -> None:
    first = clock.as_of(HOLIDAYS_AHEAD) + (WARM_UP_MORNINGS + 1) * clock.DAY
    judged = {first + (number - 1) * clock.DAY for number in range(14)}  # a morning judges the day before it
    held = {(day.month, day.day) for day in judged} & HOLIDAYS
    assert held == {(12, 24), (12, 25), (12, 26), (12, 31), (1, 1)}


def test_a_drill_that_breaks_off_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    said: list[str] = []
    (found,) = play_all([Task(COMPANY_SEED, "gremlins")], tmp_path / "no" / "folder" / "\0", said.append, processes=1)
    assert isinstance(found, Crashed)
    assert said == [f"1 of 1: gremlins seed 0: {found.why.strip().splitlines()[-1]}"]


def test_a_new_snapshot_takes_the_place_of_those_that_older_code_made(tmp_path: Path) -> None:
    for name in ("1-old", "1-new", "11-old"):
        (tmp_path / name / "home").mkdir(parents=True)
    drop_older(tmp_path / "1-new", name="1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-new", "11-old"]


@pytest.mark.long
def test_a_day_and_a_strength_may_be_chosen() -> None:
    shown = run("--fault", "null_spike", "--strength", "0.02", "--day", "2", "--json")
    (weak,) = json.loads(shown.stdout)
    assert weak["first_bad"].startswith("2026-09-09"), "two sound mornings after the company's"
    assert weak["cause"] != "null_spike", "a fiftieth of the spike is within what every day has"
    (large,) = json.loads(run("--fault", "null_spike", "--day", "2", "--json").stdout)
    assert (large["cause"], large["noticed_after"]) == ("null_spike", 0)


def test_day_and_strength_are_the_demo_companys() -> None:
    assert "say them without --own" in run("--own", "--day", "3").output


def test_an_unknown_fault_says_which_there_are() -> None:
    shown = run("--fault", "gremlins")
    assert shown.exit_code == 2
    assert "null_spike" in shown.output


def test_confidence_is_held_against_drills_in_which_somebody_was_paged() -> None:
    page = (("data_engineering", "raw/x is broken"),)
    noticed = Drill(
        *("null_spike", 1, "null_spike", "data_engineering", datetime(2026, 9, 7), 0, "null_spike"),
        *(0.9, "raw/x", "data_engineering", "x is null", page, (), 0, 2, 1.0),
    )
    missed = replace(noticed, cause="benign", confidence=0.8, pages=())
    wrong = replace(noticed, wanted_cause="unit_change", confidence=0.7)
    assert confidences([noticed, missed, wrong])[2:] == ["| null_spike | 80 % | 1 of 2 (50 %, 9 to 91) |"]


def test_the_board_counts_what_harms_nobody_apart() -> None:
    page = (("data_engineering", "raw/x is broken"),)
    noticed = Drill(
        *("null_spike", 1, "null_spike", "data_engineering", datetime(2026, 9, 7), 0, "null_spike"),
        *(0.9, "raw/x", "data_engineering", "x is null", page, (), None, 2, 1.0),
    )
    quiet = replace(noticed, fault="benign", wanted_cause="benign", wanted_group="", pages=(), noticed_after=None)
    rows = table([noticed, quiet, replace(quiet, pages=page)])
    assert "| right group paged | 1 of 1 (100 %, 21 to 100) |" in rows
    assert "| over within four mornings of the repair | 0 of 1 (0 %, 0 to 79) |" in rows
    assert "| nobody paged for a change that harms nobody | 1 of 2 (50 %, 9 to 91) |" in rows
    assert not_over([noticed, quiet]) == {"null_spike": 1}


def test_the_interval_of_the_board_is_wilsons() -> None:
    low, high = wilson(19, 20)
    assert (round(low, 6), round(high, 6)) == (0.763869, 0.991119)  # scipy binomtest(19, 20).proportion_ci("wilson")
    assert wilson(0, 0) == (0.0, 1.0)
    assert spoken(19, 20) == "19 of 20 (95 %, 76 to 99)"
