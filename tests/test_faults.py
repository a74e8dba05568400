"""The library of faults: each declares an answer that exists, and a fault of a delivery changes that delivery only."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from company import live_graph

from demo.company import Company
from demo.faults import FAULTS, Fault, Scene, named
from demo.faults.library import UnknownFault
from demo.landing import write_missing_days
from ml.diagnosis.lineage import lineage
from ml.diagnosis.verdict import Cause
from ml.home import PROJECT_ROOT, Home

DAY = datetime(2026, 3, 4)
OF_FILES = [fault for fault in FAULTS if fault.act.__module__ == "demo.faults.landing"]


@pytest.fixture(scope="module")
def owners() -> dict[str, str]:
    graph = live_graph()
    return dict(lineage(graph.manifest, graph.products["churn"]).groups)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_declares_a_cause_and_the_group_that_owns_its_assets(fault: Fault, owners: dict[str, str]) -> None:
    assert fault.cause in set(Cause)
    assert {owners[asset] for asset in fault.assets} <= {fault.group}
    assert bool(fault.group) == (fault.cause != Cause.BENIGN)


def test_every_cause_that_somebody_must_mend_has_a_fault() -> None:
    undrilled = {Cause.STEP_FAILED, Cause.HEALTHY}  # what nothing explains, and nothing
    assert {Cause(fault.cause) for fault in FAULTS} == set(Cause) - undrilled


def test_an_unknown_fault_says_which_there_are() -> None:
    with pytest.raises(UnknownFault, match="null_spike"):
        named("gremlins")


def files(home: Home) -> dict[Path, bytes]:
    return {path.relative_to(home.landing): path.read_bytes() for path in home.landing.rglob("*") if path.is_file()}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Four days of a small company, each a delivery of its own."""
    place = Home(tmp_path / "home").ensure()
    write_missing_days(place, DAY, Company(seed=1, start=(DAY - timedelta(days=4)).date(), days=1, accounts=60))
    return place


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", OF_FILES, ids=lambda fault: fault.name)
def test_a_fault_of_a_delivery_changes_one_file_of_the_day(fault: Fault, seed: int, home: Home) -> None:
    before = files(home)
    repair = fault.act(Scene(home, PROJECT_ROOT, DAY, np.random.default_rng(seed)))
    after = files(home)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert len(changed) == 1
    assert "2026-03-03" in changed.pop().name
    if repair is not None:
        repair()
        assert files(home) == before


@pytest.mark.parametrize("name", ["concept_drift", "prior_shift", "covariate_drift", "benign"])
def test_a_change_of_the_customers_reaches_every_system_with_the_next_delivery(name: str, home: Home) -> None:
    before = files(home)
    named(name).act(Scene(home, PROJECT_ROOT, DAY, np.random.default_rng(1)))
    assert files(home) == before
    write_missing_days(home, DAY + timedelta(days=1))
    new = {path.parent.name: len(content) for path, content in files(home).items() if path not in before}
    yesterday = {path.parent.name: len(content) for path, content in before.items() if "2026-03-03" in path.name}
    told = (
        ("subscriptions", "churn_events")
        if name.endswith(("concept_drift", "shift"))
        else ("accounts", "subscriptions")
    )
    assert all(new[table] > yesterday[table] for table in told), (new, yesterday)
