"""Faults for anybody's deliveries: each changes what it says, in every format, and the loader meets it as its cause."""

import gzip
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from demo.faults import changes
from demo.faults.files import Delivery, read, write
from demo.faults.own import OWN_FAULTS, Aim, Cannot, OwnFault
from ml.clock import DAY
from ml.diagnosis.evidence import ColumnDays, Load, Source, TableDays
from orchestration.sources.loader import load_table
from orchestration.sources.report import LoadReport
from orchestration.sources.table import Column, SourceTable

FILES = ("jsonl", "jsonl.gz", "csv", "csv.gz", "parquet")
NOON = datetime(2026, 3, 4, 12)
ROWS = [
    {
        "id": number,
        "channel": "web, new" if number % 3 else "mail",
        "amount": 10.5 + number,
        "event_at": str(NOON + timedelta(minutes=number)),
        "written_at": str(NOON + timedelta(minutes=number + 1)),
    }
    for number in range(40)
]
DAYS = 20


def table(form: str) -> SourceTable:
    columns = (("id", "BIGINT"), ("channel", "VARCHAR"), ("amount", "DOUBLE"), ("written_at", "TIMESTAMP"))
    declared = tuple(Column(*column) for column in columns)
    path = f"sales/*.{form}"
    return SourceTable(
        "raw", "sales", path, form.removesuffix(".gz"), ("id",), declared, "event_at", "written_at", load_lag=DAY
    )


def delivered(landing: Path, suffix: str) -> Path:
    path = landing / "sales" / f"2026-03-04.{suffix}"
    write(path, Delivery(suffix.removesuffix(".gz"), list(ROWS), is_gzip=suffix.endswith(".gz")))
    return path


def source(rows: int = 40, loads: int = 5) -> Source:
    """A table of many sound days."""
    n = DAYS + 1
    column = ColumnDays("amount", "number", (0.0,) * n, (30.0,) * n)
    channel = ColumnDays("channel", "category", (0.0,) * n, (), ({"web, new": 0.7, "mail": 0.3},) * n)
    days = tuple(NOON - (n - number) * DAY for number in range(n))
    known = TableDays(
        "raw/sales", "data", days, (rows,) * n, (0,) * n, (0,) * n, (0.1,) * n, (12.0,) * n, (column, channel)
    )
    return Source(known, tuple(Load(day, 1, rows) for day in days[-loads:]))


def aim(path: Path, suffix: str, rows: int = 40) -> Aim:
    return Aim("raw/sales", "data", (path,), suffix.removesuffix(".gz"), rows, instants=("event_at", "written_at"))


def loaded(landing: Path, suffix: str) -> tuple[LoadReport, list[tuple]]:
    with duckdb.connect() as con:
        report = load_table(con, table(suffix), landing, NOON + DAY)
        return report, con.execute(
            "select channel, amount, event_at, written_at from raw.sales order by row_id"
        ).fetchall()


def met(name: str, report: LoadReport, rows: list[tuple]) -> bool:
    """Whether the loader met what the fault of that name is about."""
    amounts = [amount for _, amount, *_ in rows]
    return {
        "file_unreadable": lambda: len(report.files_failed) == 1 and not rows,
        "source_late": lambda: not report.files_loaded and not report.files_failed,
        "schema_change": lambda: report.rows_rejected == 40,
        "duplicate_load": lambda: (report.rows_new, report.rows_duplicate) == (40, 40),
        "landing_truncated": lambda: (report.rows_new, report.rows_rejected) == (8, 0),
        "clock_shift": lambda: (
            abs(rows[0][2] - NOON) >= timedelta(hours=7) and rows[0][3] - rows[0][2] == timedelta(minutes=1)
        ),
        "null_spike": lambda: 20 <= sum(channel is None or amount is None for channel, amount, *_ in rows) <= 36,
        "category_renamed": lambda: sum(channel == "web, new (new)" for channel, *_ in rows) == 26,
        "unit_change": lambda: amounts == [pytest.approx(100 * row["amount"]) for row in ROWS],
    }[name]()  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[LoadReport, list[tuple]]]:
    """What the loader says of the same rows in each format before anything is wrong."""
    found = {}
    for suffix in FILES:
        landing = tmp_path_factory.mktemp("sound")
        delivered(landing, suffix)
        found[suffix] = loaded(landing, suffix)
        assert found[suffix][0].rows_new == 40
    return found


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("fault", OWN_FAULTS, ids=lambda fault: fault.name)
def test_the_loader_meets_what_the_fault_is_about(fault: OwnFault, suffix: str, tmp_path: Path, sound: dict) -> None:
    whole = aim(delivered(tmp_path, suffix), suffix)
    (first, *_) = [each for each in fault.find(whole, source()) if isinstance(each, Aim)]
    assert fault.act(first, np.random.default_rng(1))
    assert not met(fault.name, *sound[suffix])
    assert met(fault.name, *loaded(tmp_path, suffix))


@pytest.mark.parametrize("fault", OWN_FAULTS, ids=lambda fault: fault.name)
def test_what_cannot_be_noticed_is_not_played_and_says_what_was_found(fault: OwnFault, tmp_path: Path) -> None:
    few = aim(delivered(tmp_path, "csv"), "csv", rows=3)
    found = list(fault.find(few, source(rows=3, loads=1)))
    if fault.name == "file_unreadable":  # one file is enough
        assert found == [few]
        return
    assert found
    assert all(isinstance(each, Cannot) and each.why for each in found), found


def test_lines_that_are_no_records_stay_as_they_are(tmp_path: Path) -> None:
    lines = ['{"id": 1, "amount": 2}', "{broken", "[1]", '{"id": 2, "amount": 3}']
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    write(path, changes.multiplied(read(path, "jsonl"), "amount", 10))
    told = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert [told[1], told[2]] == lines[1:3]
    assert [json.loads(told[0])["amount"], json.loads(told[3])["amount"]] == [20, 30]
    path = tmp_path / "a.csv"
    path.write_text('id,amount\n1,"2"\n1,2,3\n\n"two\nlines",4\n')
    write(path, changes.multiplied(read(path, "csv"), "amount", 10))
    assert path.read_text() == 'id,amount\n1,20\n1,2,3\n"two\nlines",40\n'


def test_outcomes_that_are_late_have_a_name_of_their_own(tmp_path: Path) -> None:
    late = next(fault for fault in OWN_FAULTS if fault.name == "source_late")
    whole = aim(tmp_path / "a.csv", "csv")
    assert late.cause_at(whole) == "source_late"
    assert late.cause_at(replace(whole, is_outcome=True)) == "outcomes_late"
