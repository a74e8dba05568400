"""Evidence is read from whatever tables a product has: logs of other makes, tables that nobody has made yet."""

from datetime import datetime
from pathlib import Path

import duckdb
import ml_world
import pytest

from ml.diagnosis.lineage import Lineage
from ml.diagnosis.read import read
from ml.diagnosis.rules import diagnose
from ml.home import Home

NOW = datetime(2026, 11, 2, 6)
NO_LINEAGE = Lineage(sources=(), code={}, groups={})


@pytest.mark.parametrize("extra", ["", ", 'champion' as role", ", 'shadow' as role"], ids=["vendor", "own", "shadow"])
def test_coverage_counts_who_decides_in_a_log_with_and_without_roles(extra: str, tmp_path: Path) -> None:
    product = ml_world.product()
    with ml_world.warehouse(accounts=30, weeks=2) as con:
        con.execute(
            f"create table churn.predictions as select account_id, as_of, 0.1 as score{extra} "
            "from churn.scoring_set where account_id <> 'A00007'"
        )
        known = read(con, product, NO_LINEAGE, NOW, (), Home(tmp_path))
    assert known.population == 30
    assert known.scored == (0 if "shadow" in extra else 29)


def test_a_log_that_names_no_entity_says_nothing_of_coverage(tmp_path: Path) -> None:
    with ml_world.warehouse(accounts=30, weeks=2) as con:
        con.execute("create table churn.predictions as select as_of, 0.1 as score from churn.scoring_set")
        known = read(con, ml_world.product(), NO_LINEAGE, NOW, (), Home(tmp_path))
    assert known.scored is None


def test_an_empty_warehouse_has_no_evidence_and_a_verdict(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        known = read(con, ml_world.product(), NO_LINEAGE, NOW, (), Home(tmp_path))
        assert diagnose(known).cause == "healthy"
