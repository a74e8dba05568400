"""A damaged warehouse comes back from what is published, its prediction log included."""

import gzip
import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import demo_runs
import duckdb
import pytest
from company import LIVE_HOME, live_graph
from demo_runs import NOW, baton, run
from warehouse_diff import OF_THE_DISK, VOLATILE, differences

from ml.home import Home
from ml.ops_tables import ensure_product_log
from ml.product import pii_columns
from orchestration.assets.published import swap_copy
from orchestration.restore import restore
from orchestration.sources import load_sources, load_table

TOMORROW = NOW + timedelta(days=1)
RECORDS = "select count(*) from ops.model_versions", "select count(*) from ops.runs"


@pytest.fixture
def damaged(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Home:
    """The home after the first run, its warehouse overwritten at the start."""
    home = demo_runs.first_run(tmp_path_factory).copy(tmp_path)
    with home.warehouse.open("r+b") as file:
        file.write(b"not a database any more" * 1000)
    return home


@pytest.mark.long
def test_the_advice_of_doctor_brings_everything_back(damaged: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    undisturbed = demo_runs.first_run(tmp_path_factory).home
    with duckdb.connect(str(undisturbed.warehouse), read_only=True) as con:
        assert con.execute("select count(email) from raw.accounts").fetchall()[0][0] > 0
    found = json.loads(baton(damaged, "doctor", "--json").stdout)
    assert [finding["fix"][:13] for finding in found if finding["area"] == "warehouse"] == ["baton restore"]
    refused = baton(damaged, "run", "--now", TOMORROW.isoformat())
    assert refused.returncode != 0
    done = baton(damaged, "restore", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert Path(told["aside"]).read_bytes().startswith(b"not a database")
    assert set(told["unfound"].values()) == {0}
    assert not differences(undisturbed.warehouse, damaged.warehouse)
    for question in RECORDS:
        assert demo_runs.ask(damaged, question) == demo_runs.ask(undisturbed, question)
    assert list(damaged.root.glob(".*.duckdb*")) == []
    outcome = run(damaged, TOMORROW)
    assert outcome.success, outcome.failed_steps
    next_day = demo_runs.day_after(tmp_path_factory)
    assert not differences(next_day.warehouse, damaged.warehouse, volatile=VOLATILE | OF_THE_DISK)


def test_a_warehouse_that_opens_is_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    duckdb.connect(str(home.warehouse)).close()
    before = home.warehouse.read_bytes()
    refused = baton(home, "restore")
    assert refused.returncode == 1
    assert "nothing to restore" in refused.stderr
    assert home.warehouse.read_bytes() == before


def test_without_a_published_copy_there_is_nothing_to_restore_from(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    home.warehouse.write_bytes(b"not a database" * 1000)
    refused = baton(home, "restore")
    assert refused.returncode == 3
    assert "nothing to restore from" in refused.stderr
    assert home.warehouse.exists()


ACCOUNT = {
    "account_id": "A1",
    "email": "ann@example.com",
    "phone": "0170",  # no contract declares it
    "event_at": "2026-11-20 10:00:00",
    "written_at": "2026-11-20 10:00:00",
}
KEPT = "select account_id, email, extra from raw.accounts"


def test_what_may_be_personal_leaves_the_copy_and_comes_back(tmp_path: Path) -> None:
    """A field that nobody declared may be anything: readers of the copy do not see it, the restored warehouse does."""
    manifest, home = live_graph().manifest, Home(tmp_path / "home").ensure()
    shutil.copytree(LIVE_HOME.root / "dbt", home.root / "dbt")  # parsed once is enough
    (home.landing / "accounts").mkdir(parents=True)
    landed = home.landing / "accounts" / "2026-11-20.jsonl.gz"
    landed.write_bytes(gzip.compress(json.dumps(ACCOUNT).encode() + b"\n"))
    with duckdb.connect(str(home.warehouse)) as con:
        for table in load_sources(manifest):
            load_table(con, table, home.landing, datetime(2026, 11, 21, 6))
        ensure_product_log(con, live_graph().products["churn"])
        swap_copy(con, home, pii_columns(manifest))
        kept = con.execute(KEPT).fetchall()
    with duckdb.connect(str(home.published_warehouse), read_only=True) as con:
        assert con.execute(KEPT).fetchall() == [("A1", None, None)]
    home.warehouse.write_bytes(b"not a database" * 1000)
    told = restore(home)
    assert (told.personal["raw.accounts"], told.unfound["raw.accounts"]) == (1, 0)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute(KEPT).fetchall() == kept == [("A1", "ann@example.com", '{"phone":"0170"}')]
