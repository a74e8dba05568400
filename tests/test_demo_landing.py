import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from demo import delivery
from demo.__main__ import main
from demo.company import Company, CompanySettingError, load
from demo.customers import SECONDS, StateError
from demo.landing import write_missing_days
from demo.tables import SUFFIX
from ml.home import PROJECT_ROOT, Home

START = date(2026, 1, 20)
COMPANY = Company(seed=3, start=START, days=25, accounts=250)
AFTER_HISTORY = datetime(2026, 2, 14, 6)
KILLED = Company(seed=3, start=START, days=90, accounts=1_500)
KILLED_NOW = datetime(2026, 4, 20)
CONTRACT = PROJECT_ROOT / "dbt_project" / "models" / "sources" / "demo_company.yml"


def tree(home: Home) -> dict[str, bytes]:
    """Every file of the home by name."""
    return {str(path.relative_to(home.root)): path.read_bytes() for path in home.root.rglob("*") if path.is_file()}


def written(folder: Path, until: datetime, company: Company = COMPANY) -> Home:
    home = Home(folder)
    write_missing_days(home, until, company)
    return home


def declared() -> dict[str, dict[str, str]]:
    """Column types by table, as the source's contract declares them."""
    [source] = yaml.safe_load(CONTRACT.read_text())["sources"]
    return {table["name"]: {each["name"]: each["data_type"] for each in table["columns"]} for table in source["tables"]}


def landed(home: Home) -> duckdb.DuckDBPyConnection:
    """Every table's files as a view, read strictly with the declared types, with the file's name."""
    con = duckdb.connect()
    for table, columns in declared().items():
        types = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
        files = f"'{home.landing}/{table}/*.{SUFFIX[table]}', filename = true"
        reader = {
            "jsonl": f"read_json({files}, columns = {{{types}}}, format = 'newline_delimited')",
            "csv": f"read_csv({files}, types = {{{types}}}, header = true)",
            "parquet": f"read_parquet({files})",
        }
        con.execute(f"create view {table} as from {reader[SUFFIX[table].removesuffix('.gz')]}")
    return con


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A company of 400 over 100 days and 10 daily deliveries."""
    company = Company(seed=5, start=START, days=100, accounts=400)
    return written(tmp_path_factory.mktemp("history"), datetime(2026, 5, 10), company)


def test_day_by_day_equals_all_at_once(tmp_path: Path) -> None:
    at_once = written(tmp_path / "at once", AFTER_HISTORY + timedelta(days=9))
    for day in range(10):
        day_by_day = written(tmp_path / "day by day", AFTER_HISTORY + timedelta(days=day, hours=day))
    assert tree(at_once) == tree(day_by_day)


def test_three_mornings_add_one_days_files_each_and_touch_no_other(tmp_path: Path) -> None:
    home = written(tmp_path, AFTER_HISTORY)
    assert len(list(home.landing.rglob("*.*"))) == 2 * len(SUFFIX)  # January and February
    for day in range(1, 4):
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in home.landing.rglob("*.*")}
        facts = write_missing_days(home, AFTER_HISTORY + timedelta(days=day))
        after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in home.landing.rglob("*.*")}
        newest = f"{AFTER_HISTORY + timedelta(days=day - 1):%Y-%m-%d}"
        assert {path: after[path] for path in before} == before
        assert {path.relative_to(home.landing).as_posix() for path in set(after) - set(before)} == {
            f"{table}/{newest}.{suffix}" for table, suffix in SUFFIX.items()
        }
        assert (facts["days_written"], facts["files"], facts["newest_day"]) == (1, len(SUFFIX), newest)


@pytest.mark.parametrize("now", [AFTER_HISTORY, AFTER_HISTORY - timedelta(days=3), datetime(2020, 1, 1)])
def test_nothing_is_missing_before_the_newest_day(tmp_path: Path, now: datetime) -> None:
    home = written(tmp_path, AFTER_HISTORY)
    before = tree(home)
    facts = write_missing_days(home, now)
    assert (facts["days_written"], facts["files"], facts["newest_day"]) == (0, 0, "2026-02-13")
    assert tree(home) == before


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return tree(written(tmp_path_factory.mktemp("undisturbed"), KILLED_NOW, KILLED))


@pytest.mark.parametrize("files", [1, 7, 18])
def test_killed_and_called_again_equals_undisturbed(tmp_path: Path, undisturbed: dict[str, bytes], files: int) -> None:
    settings = {f"BATON_DEMO_{name.upper()}": str(getattr(KILLED, name)) for name in ("accounts", "days", "seed")}
    command = [sys.executable, "-m", "demo", "write", "--now", f"{KILLED_NOW}", "--home", str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, env=os.environ | settings, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(tmp_path.glob("landing/*/*"))) < files:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert len(tree(Home(tmp_path))) < len(undisturbed)
    assert tree(written(tmp_path, KILLED_NOW, KILLED)) == undisturbed


def test_seeds_differ(tmp_path: Path) -> None:
    one = written(tmp_path / "one", AFTER_HISTORY)
    other = written(tmp_path / "other", AFTER_HISTORY, Company(seed=4, start=START, days=25, accounts=250))
    files = [name for name in tree(one) if name.startswith("landing/")]
    assert all(tree(one)[name] != tree(other)[name] for name in files)


@pytest.fixture(scope="module")
def con(history: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The landing files of that company as views."""
    with landed(history) as views:
        yield views


@pytest.mark.parametrize("table", SUFFIX)
def test_files_hold_what_the_contract_declares(con: duckdb.DuckDBPyConnection, table: str) -> None:
    assert con.table(table).columns == [*declared()[table], "filename"]
    nulls = " + ".join(f"count(*) - count({column})" for column in declared()[table])
    [(n, missing)] = con.sql(f"select count(*), {nulls} from {table}").fetchall()
    assert n > 0
    assert missing == 0


@pytest.mark.parametrize("table", SUFFIX)
def test_a_file_holds_what_was_written_before_it_closed(con: duckdb.DuckDBPyConnection, table: str) -> None:
    day = r"regexp_extract(filename, '(\d{4}-\d\d-\d\d)\.[a-z.]+$', 1)"
    closed = f"strptime({day}, '%Y-%m-%d') + interval 1 day"
    assert con.sql(f"from {table} where event_at > written_at or written_at >= {closed}").fetchall() == []


def test_rows_come_late_twice_corrected_and_out_of_order(con: duckdb.DuckDBPyConnection) -> None:
    [(late, twice, corrected)] = con.sql(
        """
        select
            avg((written_at - event_at > interval 2 hour)::int),
            count(*) / count(distinct (usage_id, written_at)) - 1,
            count(distinct (usage_id, written_at)) / count(distinct usage_id) - 1
        from usage_events
        """
    ).fetchall()
    assert 0.02 < late < 0.05
    assert 0.002 < twice < 0.01
    assert 0.002 < corrected < 0.008
    times = con.sql("select written_at from usage_events").fetchnumpy()["written_at"]
    assert 0.01 < (times[1:] < times[:-1]).mean() < 0.2


@pytest.mark.parametrize(("table", "key"), [("invoices", "invoice_id"), ("support_tickets", "ticket_id")])
def test_a_deletion_is_the_last_version(con: duckdb.DuckDBPyConnection, table: str, key: str) -> None:
    [(n_deleted, is_last)] = con.sql(
        f"""
        with deleted as (select {key}, max(written_at) as deleted_at from {table} where is_deleted group by {key})
        select count(distinct {key}), bool_and(is_deleted or written_at < deleted_at)
        from deleted join {table} using ({key})
        """
    ).fetchall()
    assert n_deleted > 0
    assert is_last


def test_a_failed_invoice_may_be_paid_at_the_second_attempt(con: duckdb.DuckDBPyConnection) -> None:
    attempts = con.sql("select distinct n_attempts, status from invoices where not is_deleted order by all").fetchall()
    assert attempts == [(1, "failed"), (1, "paid"), (2, "paid")]


def test_churn_is_reported_within_two_days_but_for_one_percent() -> None:
    lag = delivery.reported(np.random.default_rng(1), 200_000) / SECONDS
    assert 0.895 < (lag < 1).mean() < 0.905
    assert 0.989 < (lag < 2).mean() < 0.991
    assert lag.max() < 6


def test_who_left_leaves_no_traces_later_and_is_cancelled_at_once(con: duckdb.DuckDBPyConnection) -> None:
    usage = "select * from usage_events u join churn_events c using (account_id) where u.event_at >= c.event_at"
    assert con.sql(usage).fetchall() == []
    pairs = "select distinct account_id, event_at from"
    not_cancelled = f"{pairs} churn_events except {pairs} subscriptions where status = 'cancelled'"
    assert con.sql(not_cancelled).fetchall() == []


def test_the_company_stays_about_constant_and_new_accounts_join_after_the_history(
    con: duckdb.DuckDBPyConnection,
) -> None:
    sign_ups = "select count(distinct account_id) from accounts where signed_up_at"
    [(ever,)] = con.sql(f"{sign_ups} < '2026-04-30'").fetchall()
    [(joined,)] = con.sql(f"{sign_ups} >= '2026-04-30'").fetchall()
    assert 370 < ever < 430
    assert joined > 0


def test_settings_come_from_the_environment_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    for name, value in {"ACCOUNTS": "50", "DAYS": "10", "SEED": "9"}.items():
        monkeypatch.setenv(f"BATON_DEMO_{name}", value)
    write_missing_days(home, AFTER_HISTORY)
    assert load(home) == Company(seed=9, start=date(2026, 2, 4), days=10, accounts=50)
    monkeypatch.setenv("BATON_DEMO_ACCOUNTS", "80")
    write_missing_days(home, AFTER_HISTORY + timedelta(days=1))
    assert load(home) == Company(seed=9, start=date(2026, 2, 4), days=10, accounts=50)
    with pytest.raises(CompanySettingError, match="another home"):
        write_missing_days(home, AFTER_HISTORY, COMPANY)


@pytest.mark.parametrize(("name", "value"), [("ACCOUNTS", "many"), ("ACCOUNTS", "3"), ("DAYS", "0"), ("SEED", "-1")])
def test_a_bad_setting_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"BATON_DEMO_{name}", value)
    with pytest.raises(CompanySettingError, match=f"BATON_DEMO_{name} is '{value}'; allowed is .* unset"):
        write_missing_days(Home(tmp_path), AFTER_HISTORY)


def test_a_broken_state_is_named(tmp_path: Path) -> None:
    home = written(tmp_path, AFTER_HISTORY)
    (home.root / "demo" / "state.npz").write_bytes(b"half a file")
    with pytest.raises(StateError, match=r"no readable state .* Delete the demo's folders"):
        write_missing_days(home, AFTER_HISTORY + timedelta(days=1))


def test_nothing_else_needs_the_demo() -> None:
    """Nothing imports it when it is loaded; what imports it later asks first, of the drill the command that begins."""
    importing = re.compile(r"^( *)(from|import) demo\b", re.MULTILINE)
    entrance, inside = (
        PROJECT_ROOT / "orchestration/cli/drill.py",
        ("orchestration.drill", "orchestration.cli.drill_own"),
    )
    for room in ("ml", "orchestration"):
        for path in (PROJECT_ROOT / room).rglob("*.py"):
            module = ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts)
            is_inside = module.startswith(inside)
            if not is_inside and path != entrance:
                assert not any(name in path.read_text() for name in inside), f"{path} goes round {entrance}"
            code = re.sub(r"^if TYPE_CHECKING:\n(    .*\n|\n)*", "", path.read_text(), flags=re.MULTILINE)
            indents = [match[1] for match in importing.finditer(code)]
            assert all(indents), f"{path} imports the demo when it is loaded"
            assert is_inside or not indents or 'find_spec("demo")' in code, (
                f"{path} imports the demo without asking whether it is there"
            )


def test_the_command_line_plays_and_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DEMO_ACCOUNTS": "60", "DEMO_DAYS": "40", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(f"BATON_{name}", value)

    def demo(*words: str) -> str:
        return CliRunner().invoke(main, words).output

    assert "Next: python -m demo write" in demo("show")
    assert '"days_written": 40' in demo("write", "--now", "2026-03-01", "--json")
    assert "accounts  60" in demo("show")
    assert "log_loss" in demo("best", "--from", "2026-01-25", "--to", "2026-02-10", "--horizon", "7 days")
    assert "now is 'soon'; allowed is an ISO date" in demo("write", "--now", "soon")
