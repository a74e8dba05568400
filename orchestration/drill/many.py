"""Many drills and healthy worlds: one process per core, each playing on copies of its own."""

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from ml.home import Home
from orchestration.drill.company import HOLIDAYS_AHEAD, snapshot
from orchestration.drill.healthy import Healthy, quiet_days
from orchestration.drill.play import Drill, drill

if TYPE_CHECKING:
    from multiprocessing.queues import Queue


@dataclass(frozen=True)
class Task:
    """What one process plays next: a fault by name with its dice, or days without one. company: its seed.

    mends: of a fault, whether the mornings after the repair are played too.
    """

    company: int
    fault: str = ""
    seed: int = 0
    days: int = 0
    mends: bool = True


@dataclass(frozen=True)
class Crashed:
    """A task that ended in an error of ours, which is neither right nor wrong: why."""

    task: Task
    why: str


Played = Drill | Healthy | Crashed


def play(task: Task, home: Path) -> Drill | Healthy:
    """One task, below `home` (where the companies are kept)."""
    from demo.faults import named

    place = Home(home).ensure()
    if task.days:
        return quiet_days(snapshot(place, task.company, print, HOLIDAYS_AHEAD), task.company, task.days)
    company = snapshot(place, task.company, print)
    return drill(named(task.fault), company, task.seed, task.company, mends=task.mends)


def play_all(
    tasks: Sequence[Task], home: Path, say: Callable[[str], None], processes: int | None = None
) -> Iterator[Played]:
    """All tasks, in the order in which they end; `say` hears of each. Default: a process per core."""
    # Processes that are started anew: one that is forked while DuckDB's threads run may wait for ever.
    context, n = get_context("spawn"), processes or os.cpu_count() or 1
    seats = context.Queue()
    for number in range(n):
        seats.put(number)
    with ProcessPoolExecutor(n, mp_context=context, initializer=_take_a_seat, initargs=(seats,)) as pool:
        waiting = {pool.submit(play, task, home): task for task in tasks}
        for number, done in enumerate(as_completed(waiting), 1):
            task, error = waiting[done], done.exception()
            found = Crashed(task, "".join(traceback.format_exception(error))) if error else done.result()
            what = f"{task.fault} seed {task.seed}" if task.fault else f"healthy company {task.company}"
            say(f"{number} of {len(tasks)}: {what}: {_short(found)}")
            yield found


def _take_a_seat(seats: "Queue[int]") -> None:
    """One core per process, one thread of dbt on it: what two processes with threads for two cores cost, less 15 %."""
    number = seats.get()
    os.environ["BATON_DBT_THREADS"] = "1"
    if hasattr(os, "sched_setaffinity"):  # Linux; DuckDB starts a thread for each core it may use
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def _short(found: Played) -> str:
    if isinstance(found, Crashed):
        return found.why.strip().splitlines()[-1]
    if isinstance(found, Healthy):
        return f"{len(found.pages)} pages in {found.days} days, {found.seconds:.0f} s"
    return f"{found.cause}, {len(found.pages)} page(s), {found.mornings} mornings, {found.seconds:.0f} s"
