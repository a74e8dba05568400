"""A failing error check stops what stands below it, predictions included; what was there yesterday stays."""

import gzip
import json
from datetime import timedelta
from pathlib import Path

import demo_runs
import duckdb
import pytest
from demo_runs import NOW, baton, inside, run
from warehouse_diff import OF_THE_DISK, VOLATILE, differences

from demo.landing import write_missing_days
from ml.home import Home
from orchestration.outcome import RunOutcome

TOMORROW = NOW + timedelta(days=1)
USAGE = "usage_events/2026-11-21.csv.gz"


@pytest.fixture
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after the first run, with the files of one more day delivered and not loaded."""
    found = demo_runs.first_run(tmp_path_factory).copy(tmp_path)
    with inside(found):
        write_missing_days(found, TOMORROW)
    assert (found.landing / USAGE).exists()
    return found


def below(home: Home) -> tuple[int, bytes]:
    """What must not move: predictions in the log, and the published copy."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        (count,) = con.execute("select count(*) from churn.predictions").fetchone() or (0,)
    return int(count), home.published_warehouse.read_bytes()


def assert_blocked(outcome: RunOutcome, asset: str, check: str) -> None:
    assert not outcome.success
    assert not [check for check in outcome.checks if check.asset == "churn/predictions"]
    assert "churn/predictions" not in outcome.rows
    found = [
        each for each in outcome.failed_checks if (each.asset, each.check, each.severity) == (asset, check, "error")
    ]
    assert found, outcome.failed_checks
    assert found[0].owner in found[0].message  # who answers for it, in the sentence people read
    assert outcome.failed_steps[0].asset.replace("_", "/", 1) == asset.replace("_", "/", 1), outcome.failed_steps


def test_a_file_that_cannot_be_read_blocks_the_predictions_until_it_is_mended(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole, before = (home.landing / USAGE).read_bytes(), below(home)
    (home.landing / USAGE).write_bytes(whole[: len(whole) // 2])
    assert_blocked(run(home, TOMORROW), "raw/usage_events", "files_load")
    assert below(home) == before
    status = baton(home, "status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["products"][0]["scored_until"] == "2026-11-21T00:00:00"
    (home.landing / USAGE).write_bytes(whole)
    outcome = run(home, TOMORROW)
    assert outcome.success, outcome.failed_steps
    undisturbed = demo_runs.day_after(tmp_path_factory)
    assert not differences(undisturbed.warehouse, home.warehouse, volatile=VOLATILE | OF_THE_DISK)


def test_a_row_out_of_range_blocks_the_predictions(home: Home) -> None:
    before = below(home)
    with gzip.open(home.landing / USAGE, "rt") as lines:
        header, row = next(lines), next(lines)
    names, cells = header.replace('"', "").strip().split(","), row.strip().split(",")
    cells[names.index("usage_id")], cells[names.index("n_actions")] = "wrong", "-5"
    text = f"{header}{','.join(cells)}\n"
    (home.landing / "usage_events" / "2026-11-21-more.csv.gz").write_bytes(gzip.compress(text.encode()))
    outcome = run(home, TOMORROW)
    assert_blocked(outcome, "staging/usage", "n_actions_not_negative")
    assert below(home) == before
