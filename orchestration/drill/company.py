"""The drill company: a scratch copy of the dbt project with short horizons, and a home rehearsed once and copied."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ml import clock
from ml.home import PROJECT_ROOT, Home

ACCOUNTS, HISTORY_DAYS, REHEARSED_DAYS = 500, 400, 45
FIRST_MORNING = datetime(2026, 9, 1, 6)  # of the rehearsal; nothing here reads the wall clock
HOLIDAYS_AHEAD = datetime(2026, 12, 15, 6)  # the same where no fault is played: two weeks hold five holidays
WARM_UP_MORNINGS = 5  # so many loads must be on record before a missing one is news
SHORT = {"horizon": "7 days", "grace": "1 days"}


@dataclass(frozen=True)
class Company:
    """A home and its dbt project, both scratch copies. `next_morning`: the clock of the first day to play."""

    home: Home
    project: Path
    next_morning: datetime


def snapshot(home: Home, seed: int, say: Callable[[str], None], first: datetime = FIRST_MORNING) -> Company:
    """The rehearsed company of `seed` below `home`, never played on; made where it is missing or of older code.

    first: the first morning of its rehearsal.
    """
    name = f"{seed}" if first == FIRST_MORNING else f"{seed}at{first:%Y%m%d}"
    folder = home.root / "drill" / f"{name}-{_state_of_code()}"
    done = folder / "complete"
    company = Company(Home(folder / "home"), folder / "dbt", first + (WARM_UP_MORNINGS + 1) * clock.DAY)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # two drills at once: the second waits for what the first makes
        if not done.exists():
            say(f"rehearsing the drill company of seed {seed}, once: about a minute ({folder})")
            shutil.rmtree(folder, ignore_errors=True)
            _copy_project(PROJECT_ROOT / "dbt_project", company.project)
            with environment(company, seed):
                _rehearse(company, first)
            done.touch()
            drop_older(folder, name)
    return company


def drop_older(newest: Path, name: str) -> None:
    """Remove what older code made of the same company: a snapshot is some 50 MB."""
    for folder in newest.parent.glob(f"{name}-*"):
        if folder != newest:
            shutil.rmtree(folder)


def copied(company: Company, folder: Path, with_project: bool) -> Company:
    """A copy to play on. Its project is the snapshot's own, already parsed, unless it is going to be changed."""
    shutil.copytree(company.home.root, folder / "home", ignore=shutil.ignore_patterns("dagster"))
    if with_project:
        shutil.copytree(company.project, folder / "dbt", symlinks=True)
    project = folder / "dbt" if with_project else company.project
    return Company(Home(folder / "home").ensure(), project, company.next_morning)


@contextmanager
def environment(company: Company, seed: int) -> Iterator[None]:
    """This process's environment as a shell on the company has it."""
    wanted = {
        "BATON_HOME": str(company.home.root),
        "BATON_DBT_PROJECT": str(company.project),
        "BATON_DEMO_ACCOUNTS": str(ACCOUNTS),
        "BATON_DEMO_DAYS": str(HISTORY_DAYS),
        "BATON_DEMO_SEED": str(seed),
        "DO_NOT_TRACK": "1",
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    with shell(wanted):
        yield


@contextmanager
def shell(wanted: Mapping[str, str]) -> Iterator[None]:
    """This process's environment with `wanted`, and without what would lead a drill to the real clock or incidents."""
    gone = ("BATON_NOW", "DAGSTER_HOME", "BATON_INCIDENTS_URL")
    before = {name: os.environ.get(name) for name in (*wanted, *gone)}
    os.environ.update(wanted)
    for name in gone:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _rehearse(company: Company, first: datetime) -> None:
    """Train as of the first rehearsed day, score every day since, then mornings of which the loads are on record.

    Through the parts, not the job: a drill must not page anybody, and needs no reports.
    """
    from orchestration.definitions import load_graph
    from orchestration.drill.day import Days

    days = Days(company.home.ensure(), load_graph(company.home), lambda moment, as_of: None)
    days.rehearse(first, clock.as_of(first) - REHEARSED_DAYS * clock.DAY)
    for number in range(WARM_UP_MORNINGS):
        told = days.play(first + (number + 1) * clock.DAY)
        if told.failures:
            raise RuntimeError(f"the rehearsal of the drill company failed: {told.failures}. See {company.home.root}")


def _copy_project(source: Path, target: Path) -> None:
    import yaml

    left_out = shutil.ignore_patterns("target", "dbt_packages", "logs", "package-lock.yml")
    shutil.copytree(source, target, ignore=left_out)
    exposures = target / "models" / "exposures.yml"
    declared = yaml.safe_load(exposures.read_text())
    for exposure in declared["exposures"]:
        product = (exposure.get("config", {}).get("meta") or {}).get("product")
        if product:
            _shorten(product)
    exposures.write_text(yaml.safe_dump(declared, sort_keys=False, allow_unicode=True))


def _shorten(product: dict[str, Any]) -> None:
    """Answers after a week and a day, so that a drill of what only outcomes show is over in two weeks."""
    product["outcome"] |= SHORT
    product["decide"] = {"per": SHORT["horizon"], "policy": "first"}
    if product.get("train"):
        product["train"] |= {
            "rehearse": f"{REHEARSED_DAYS} days",
            "candidates": {"logistic_regression": {}},
            "promote": {"margin": -100, "min_matured": 1, "min_positives": 1},
        }
    # Calls that cost little: with four answers a week a version must pay clearly, or the first one never serves.
    product["value"] |= {"fp": -10, "fn": -300}
    # Too few positives for a floor: what the drill tests is the diagnosis.
    product["monitor"] |= {"windows": ["7d"], "floors": []}


def _state_of_code() -> str:
    """What the snapshot depends on, by content: rules and faults may change without a new rehearsal."""
    digest = hashlib.sha256()
    for room in ("demo", "ml", "orchestration/sources", "orchestration/drill/company.py", "dbt_project"):
        place = PROJECT_ROOT / room
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.suffix in (".py", ".sql", ".yml") and path.is_file() and _matters(path):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _matters(path: Path) -> bool:
    left_out = {"faults", "dbt_packages", "target"} | ({"diagnosis"} if path.name != "record.py" else set())
    return not left_out & set(path.relative_to(PROJECT_ROOT).parts)
