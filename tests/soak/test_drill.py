"""The scoreboard of the drills; writes docs/reports/drill.md.

SEEDS, COMPANIES and WORLDS were not looked at while thresholds were chosen: see LOOKED_AT for those that were.
BATON_DRILLS=3 plays fewer seeds per fault, BATON_DRILL_DAYS=20 shorter healthy worlds; the report says how many.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.faults import FAULTS, Fault
from orchestration.drill.board import confidences, misses, not_over, quiet, table
from orchestration.drill.healthy import Healthy
from orchestration.drill.many import Crashed, Task, play_all
from orchestration.drill.play import Drill

REPORT = Path(__file__).parents[2] / "docs" / "reports" / "drill.md"
SEEDS = (261, 262, 263, 264, 265, 266, 267, 268, 269, 270)[: int(os.environ.get("BATON_DRILLS", "10"))]
COMPANIES = (73, 74)
WORLDS = (63, 64, 65, 66, 67, 68, 69, 70, 71, 72)[: int(os.environ.get("BATON_DRILL_WORLDS", "10"))]
DAYS = int(os.environ.get("BATON_DRILL_DAYS", "100"))
LOOKED_AT = """Looked at while rules and thresholds were made, and so not used here: company 1 with seeds 0 to 9,
company 11 with seeds 101 to 103, company 12 with seeds 1 to 3 and 201, companies 13 and 15 with seeds 201 to 220,
company 14 with seeds 301 to 303, companies 16 and 17 with seeds 221 to 230, companies 18 and 19 with seeds 231 and
241 to 245, companies 38 and 39 with seeds 251 to 260, and the healthy worlds 21 to 36, 41 to 62."""
LEFT = "those who left stay gone, and what came true of the weeks before the repair stays in the window"
STAYS = {
    "covariate_drift": "the customers that came stay, until a version is trained on them; a drill does not wait for it",
    "prior_shift": LEFT,
    "concept_drift": LEFT,
}
NOT_PLAYED = """Floors (the company has too few positives for one), checks on monitoring tables (the rules read the same
tables), freshness of dbt models, Dagster's own events, retraining, reports and the published copy: they have tests of
their own. Healthy days begin on 21 December: 100 of them have the seasons of the week and the holidays of the year's
end, 1 May and 4 July not."""
ADDRESSES = ("PAGE_DATA", "PAGE_ANALYTICS", "PAGE_ML", "PAGE_SUCCESS")


@dataclass
class Board:
    """All that was played."""

    drills: list[Drill] = field(default_factory=list)
    worlds: list[Healthy] = field(default_factory=list)
    crashed: list[Crashed] = field(default_factory=list)
    minutes: float = 0.0


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Everything, played once, a process per core; the report says what has been played, whenever it is stopped."""
    found, began = Board(), time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        for name in ADDRESSES:  # nobody is woken by a measurement
            patch.delenv(name, raising=False)
        kinds = {Drill: found.drills, Healthy: found.worlds, Crashed: found.crashed}
        for each in play_all(tasks(), tmp_path_factory.mktemp("drills"), lambda text: print(text, flush=True)):
            kinds[type(each)].append(each)  # type: ignore[attr-defined]  # each list holds its kind
            found.minutes = (time.monotonic() - began) / 60
            found.drills.sort(key=lambda drill: ([fault.name for fault in FAULTS].index(drill.fault), drill.seed))
            found.worlds.sort(key=lambda world: world.seed)
            write(found)
    return found


def tasks() -> list[Task]:
    """Half of the drills, the worlds, the other half: long tasks in the middle, so that no core waits at the end."""
    drills = [
        Task(COMPANIES[number % len(COMPANIES)], fault.name, seed)
        for number, seed in enumerate(SEEDS)
        for fault in FAULTS
    ]
    half = len(drills) // 2
    return [*drills[:half], *(Task(world, days=DAYS) for world in WORLDS), *drills[half:]]


def test_nothing_crashed(board: Board):
    assert board.crashed == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_drills_of_a_fault(board: Board, fault: Fault):
    played = [drill for drill in board.drills if drill.fault == fault.name]
    assert len(played) == len(SEEDS)
    assert sum(each.right_group for each in played) >= 0.7 * len(played)


def test_the_board(board: Board):
    n = len(board.drills)
    assert sum(each.right_group for each in board.drills) >= 0.95 * n
    assert sum(each.right_cause for each in board.drills) >= 0.90 * n
    assert sum(each.right_number for each in board.drills) >= 0.95 * n
    assert all(each.at_once for each in board.drills)


def test_healthy_worlds_are_quiet(board: Board):
    assert len(board.worlds) == len(WORLDS)
    assert sum(len(world.pages) for world in board.worlds) <= len(board.worlds)


def write(board: Board) -> None:
    crashed = [f"- **{each.task}** broke off:\n\n```text\n{each.why.strip()}\n```" for each in board.crashed]
    still = [f"- {fault}: {n}. {STAYS.get(fault, '')}." for fault, n in not_over(board.drills).items()]
    lines = [
        "# Drills: who is paged, and with what diagnosis",
        "",
        f"Written by `make soak` in {board.minutes:.0f} minutes (`TMPDIR=/dev/shm BATON_LONG=1 .venv/bin/python",
        "-m pytest -s tests/soak/test_drill.py` alone, scratch files in memory). Each fault at its declared strength",
        "on the drill company: 500 accounts, answers after 7 + 1 days. Seeds of the faults:",
        f"{', '.join(map(str, SEEDS))};",
        f"of the companies: {', '.join(map(str, COMPANIES))}; of the healthy worlds: {', '.join(map(str, WORLDS))}.",
        LOOKED_AT,
        "",
        *table(board.drills),
        "",
        "## Confidence",
        "",
        "What a diagnosis says of itself, beside how often it was right.",
        "",
        *confidences(board.drills),
        "",
        "## Misses",
        "",
        *misses(board.drills),
        *crashed,
        "",
        "## Not over four mornings after the repair",
        "",
        *(still or ["None."]),
        "",
        "## Healthy worlds",
        "",
        *(quiet(board.worlds) if board.worlds else ["Not played."]),
        "",
        "## Not played",
        "",
        NOT_PLAYED,
        "",
    ]
    if board.drills:
        REPORT.write_text("\n".join(lines))
