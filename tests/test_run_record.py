"""What is kept of runs for people with SQL."""

from pathlib import Path

import dagster as dg
import duckdb
from company import NOW

from ml.home import Home
from orchestration.run_info import RunInfo
from orchestration.run_record import copy_into


@dg.asset
def torn() -> None:
    raise dg.Failure("model x: Conversion Error: Could not convert string 'Ann Miller' of ann@example.com to INT32")


def test_the_error_of_a_run_quotes_no_value_of_a_row(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance, duckdb.connect() as con:
        dg.materialize([torn], instance=instance, raise_on_error=False)
        copy_into(con, instance, RunInfo("this one", Home(tmp_path), NOW, NOW, NOW, {}))
        ((step, error),) = con.execute("select failed_step, error from ops.runs").fetchall()
    assert step == "torn"
    assert "Error" in error
    assert "Ann" not in error
    assert "example.com" not in error
