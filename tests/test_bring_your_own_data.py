"""A team's own data as a product, by SQL and one exposure: real purchases of 1997-98, no line of Python changed."""

import csv
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from overlay_homes import at
from sklearn.metrics import roc_auc_score

import ml
from ml.home import PROJECT_ROOT, Home

SOURCE = PROJECT_ROOT.parent / "shared" / "data" / "cdnow-sample" / "CDNOW_sample.txt"
OVERLAY = Path(__file__).parent / "overlays" / "cdnow"

pytestmark = pytest.mark.skipif(not SOURCE.exists(), reason="the CDNOW purchase log (../shared/data) is not here")


def export(target: Path) -> None:
    """The purchase log as a shop would export it: CSV with a header, one row per purchase."""
    target.parent.mkdir(parents=True)
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["purchase_id", "customer_id", "purchased_on", "n_cds", "amount_usd"])
        for number, line in enumerate(SOURCE.read_text().splitlines(), 1):
            _, customer, day, cds, dollars = line.split()
            writer.writerow([number, customer, f"{datetime.strptime(day, '%Y%m%d'):%Y-%m-%d}", cds, dollars])


def overlay(project: Path) -> None:
    """A copy of the dbt project in which the shop's models stand where the demo's were; the roster stays."""
    shutil.copytree(
        PROJECT_ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages")
    )
    roster = (project / "models" / "groups.yml").read_text()
    for folder in ("models", "tests", "macros"):
        shutil.rmtree(project / folder, ignore_errors=True)
    shutil.copytree(OVERLAY, project, dirs_exist_ok=True)
    (project / "models" / "groups.yml").write_text(roster)
    shutil.copy(PROJECT_ROOT / "dbt_project" / "macros" / "names.sql", project / "macros")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after the first run on the purchase log."""
    from orchestration.launch import run_due

    root = tmp_path_factory.mktemp("cdnow")
    overlay(root / "project")
    home = Home(root / "home").ensure()
    export(home.landing / "purchases" / "cdnow.csv")
    patch = at(home, root / "project")
    try:
        outcome = run_due(home)
    finally:
        patch.undo()
    assert outcome.success, [*outcome.failed_steps, *outcome.failed_checks]
    assert outcome.now == datetime(1998, 7, 1)  # the last purchase is of 30 June 1998, known a day later
    return home


def test_the_champion_ranks_real_customers_and_leaks_nothing(home: Home) -> None:
    """The cohort as of 1997-12-31, by a champion that saw cohorts matured by then."""
    with ml.connect(home) as con:
        scored = con.sql(
            "select score, outcome_label from lapse.decisions join lapse.outcomes using (decision_key, as_of) "
            "where as_of = timestamp '1997-12-31'"
        ).df()
        known = con.execute(
            "select max(labels_known_until) from ops.model_versions where serves_from <= timestamp '1997-12-31'"
        ).fetchone()
        told = con.execute(
            "select n_matured, roc_auc from lapse.performance where window_kind = '1d' and window_end = timestamp "
            "'1997-12-31' and slice_name = 'overall' and model_version = 'all' and basis = 'matured'"
        ).fetchone()
    assert known == (datetime(1997, 12, 31),)
    auc = roc_auc_score(scored.outcome_label, scored.score)
    assert 0.77 <= auc <= 0.87
    assert told is not None
    assert told[0] == len(scored) == 2357
    assert told[1] == pytest.approx(auc, abs=1e-9)


def test_absence_is_what_the_purchase_log_says(home: Home) -> None:
    """outcome_label 1: no purchase in the 182 days after as_of, counted from the file itself."""
    purchases: dict[str, list[datetime]] = {}
    for line in SOURCE.read_text().splitlines():
        _, customer, day, _, _ = line.split()
        purchases.setdefault(customer, []).append(datetime.strptime(day, "%Y%m%d"))
    with ml.connect(home) as con:
        told = dict(
            con.execute(
                "select customer_id, outcome_label from lapse.outcomes where as_of = timestamp '1997-12-31'"
            ).fetchall()
        )
    start = datetime(1997, 12, 31)
    end = start + timedelta(days=182)
    assert told == {customer: int(not any(start < day <= end for day in days)) for customer, days in purchases.items()}


def test_what_was_loaded_is_on_record_under_the_archives_own_day(home: Home) -> None:
    """Its diagnosis looks back from that day: a load of today would hide it, and every change of the SQL since."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute("select as_of, asset, files from ops.loads").fetchall() == [
            (datetime(1998, 7, 1), "raw/purchases", 1)
        ]


def test_tables_that_another_loader_fills_serve_as_well(tmp_path: Path) -> None:
    """Without `landing` in the source nothing is loaded; the graph reads what is there."""
    from orchestration.launch import run_due

    overlay(tmp_path / "project")
    yml = tmp_path / "project" / "models" / "sources" / "cdnow.yml"
    lines = yml.read_text().splitlines(keepends=True)
    landing = next(number for number, line in enumerate(lines) if "landing:" in line)
    assert [line.strip() for line in lines[landing - 2 : landing]] == ["config:", "meta:"]
    yml.write_text("".join(lines[: landing - 2] + lines[landing + 1 :]))
    home = Home(tmp_path / "home").ensure()
    export(tmp_path / "export" / "cdnow.csv")
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("create schema raw")
        con.execute(
            "create table raw.purchases as select *, purchased_on::timestamp as event_at, event_at + interval 1 day "
            "as known_at, purchase_id as row_id, false as is_deleted from "
            f"read_csv('{tmp_path / 'export' / 'cdnow.csv'}', types = {{'customer_id': 'varchar'}})"
        )
    patch = at(home, tmp_path / "project")
    try:
        outcome = run_due(home)
    finally:
        patch.undo()
    assert outcome.success, [*outcome.failed_steps, *outcome.failed_checks]
    assert [job.job for job in outcome.jobs] == ["rehearse"]
    with ml.connect(home) as con:
        assert con.execute("select count(*) from lapse.decisions where as_of = timestamp '1997-12-31'").fetchone() == (
            2357,
        )


def test_a_source_that_never_got_a_file_is_red(tmp_path: Path) -> None:
    """A wrong path would load nothing for ever and look fine."""
    from orchestration.launch import run_job

    overlay(tmp_path / "project")
    home = Home(tmp_path / "home").ensure()
    patch = at(home, tmp_path / "project")
    try:
        outcome = run_job(home, "load", now=datetime(1998, 7, 1))
    finally:
        patch.undo()
    assert not outcome.success
    found = next(check for check in outcome.checks if check.check == "files_load")
    assert (found.asset, found.passed, found.owner) == ("raw/purchases", False, "data_engineering")
    assert "purchases/*.csv: no file has ever matched" in found.message
    assert str(home.landing) in found.message
