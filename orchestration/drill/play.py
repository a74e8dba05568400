"""One drill: a fault on a copy of the company, mornings until it is noticed, the repair, mornings until it is over."""

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml import clock
from ml.clock import DAY
from orchestration.drill.company import Company, copied, environment
from orchestration.drill.day import Days, Morning
from orchestration.paging.model import PAGES

if TYPE_CHECKING:
    from demo.faults import Fault
    from demo.faults.fault import Repair

PATIENCE_DAYS = 4  # mornings after the first on which it can be noticed
MENDED_DAYS = 4


@dataclass(frozen=True)
class Drill:
    """What a drill showed. noticed_after: mornings after the first that could, 0 is at once; None: never.

    pages: the pages sent, as group and title. resolved_after: mornings after the repair, 0 is the next one.
    """

    fault: str
    seed: int
    wanted_cause: str
    wanted_group: str
    first_bad: datetime
    noticed_after: int | None
    cause: str
    confidence: float
    asset: str
    group: str
    sentence: str
    pages: tuple[tuple[str, str], ...]
    blocked: tuple[str, ...]
    resolved_after: int | None
    mornings: int
    seconds: float
    bodies: tuple[str, ...] = ()

    @property
    def right_cause(self) -> bool:
        """Whether the diagnosis names what was done; of a benign change: that nobody was paged."""
        return self.cause == self.wanted_cause if self.wanted_group else not self.pages

    @property
    def right_group(self) -> bool:
        """Whether the first page went to the group that can mend it."""
        return bool(self.pages) and self.pages[0][0] == self.wanted_group if self.wanted_group else not self.pages

    @property
    def right_number(self) -> bool:
        """Whether there was exactly one page; of a benign change: none."""
        return len(self.pages) == (1 if self.wanted_group else 0)

    @property
    def is_right(self) -> bool:
        """Whether the right group got one page with the right cause."""
        return self.right_cause and self.right_group and self.right_number

    @property
    def at_once(self) -> bool:
        """Whether the first run that could noticed it."""
        return self.noticed_after == 0 if self.wanted_group else self.noticed_after is None


def diagnosed(told: Morning) -> dict[str, Any]:
    """What a drill says of a morning's diagnosis: of the first product with a fault, else of the first."""
    from orchestration.diagnosis import sentence

    found = list(told.diagnoses.values())
    worst = next((each for each in found if each.is_fault), found[0])
    return {
        "cause": worst.cause,
        "confidence": worst.confidence,
        "asset": worst.asset,
        "group": worst.group,
        "sentence": sentence(worst),
    }


def heard(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a drill says of the messages that were written."""
    return {
        "pages": tuple((each["group"], each["title"]) for each in messages if each["kind"] in PAGES),
        "blocked": tuple(sorted({each["group"] for each in messages if each["kind"] == "blocked"})),
        "bodies": tuple(f"to {each['group']} ({each['kind']}): {each['title']}\n{each['body']}" for each in messages),
    }


def drill(
    fault: "Fault",
    company: Company,
    seed: int,
    company_seed: int,
    strength: float = 1.0,
    mends: bool = True,
    day: int | None = None,
) -> Drill:
    """Play `fault` on a copy of `company`. seed: the fault's own dice.

    day: sound mornings before it; None: none or one, by the dice. mends: whether the mornings after the repair are
    played too; without them resolved_after is None.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"baton-drill-{fault.name}-"))
    try:
        with environment(copy := copied(company, folder, fault.renews_graph), company_seed):
            return _Play(fault, copy, seed, strength, mends, day).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Play:
    """The state of one drill."""

    fault: "Fault"
    company: Company
    seed: int
    strength: float
    mends: bool
    day: int | None = None
    repairs: "list[Repair]" = field(default_factory=list)
    is_acting: bool = False
    mornings: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> Drill:
        """Play it. Whatever ends the drill, what the fault did to this process and the machine is undone."""
        try:
            return self._run()
        finally:
            while self.repairs:
                self.repairs.pop()()

    def _run(self) -> Drill:
        began = time.monotonic()
        self.days = self._days()
        by_dice = int(np.random.default_rng(self.seed).integers(0, 2))
        now = self.company.next_morning + (by_dice if self.day is None else self.day) * DAY
        for early in self._sound_mornings(now):
            self._morning(early)
        first_bad = clock.as_of(now)
        self.is_acting = True
        if self.fault.moment == "before":
            self._act(first_bad)
        noticed, told, now = self._until_noticed(now)
        if not self.fault.lasts or noticed is not None:
            self._repair()
        self.is_acting = False
        resolved = self._until_resolved(now) if self.mends else None
        return Drill(
            fault=self.fault.name,
            seed=self.seed,
            wanted_cause=self.fault.cause,
            wanted_group=self.fault.group,
            first_bad=first_bad,
            noticed_after=noticed,
            resolved_after=resolved,
            mornings=self.mornings,
            seconds=time.monotonic() - began,
            **diagnosed(told),
            **heard(self.messages),
        )

    def _days(self) -> Days:
        from orchestration.definitions import load_graph

        return Days(self.company.home, load_graph(self.company.home), self._hook)

    def _sound_mornings(self, now: datetime) -> list[datetime]:
        return [self.company.next_morning + number * DAY for number in range((now - self.company.next_morning).days)]

    def _until_noticed(self, now: datetime) -> tuple[int | None, Morning, datetime]:
        """Mornings from the first that can notice it on; the days before it are made up for in one."""
        first = clock.as_of(now) if self.fault.first_seen else None
        now += self.fault.first_seen * DAY
        told = self._morning(now, first)
        for number in range(PATIENCE_DAYS):
            if number:
                told = self._morning(now)
            now += DAY
            if any(found.is_fault for found in told.diagnoses.values()):
                return number, told, now
            if not self.fault.lasts and self.fault.moment in ("landing", "scored"):
                self.is_acting = False
        return None, told, now

    def _until_resolved(self, now: datetime) -> int | None:
        """Mornings after the repair, and after what it leaves behind, until nothing is found any more."""
        first = clock.as_of(now) if self.fault.last_seen else None
        now += self.fault.last_seen * DAY
        for number in range(MENDED_DAYS):
            told = self._morning(now + number * DAY, None if number else first)
            if not any(found.is_fault for found in told.diagnoses.values()) and not told.failures:
                return number
        return None

    def _morning(self, now: datetime, first: datetime | None = None) -> Morning:
        from orchestration.drill.channels import ON_COMPANY, Marked
        from orchestration.drill.pager import observe

        self.mornings += 1
        told = self.days.play(now, first)
        self.messages += list(observe(self.days, told, Marked(ON_COMPANY)).messages)
        return told

    def _hook(self, moment: str, as_of: datetime) -> None:
        if self.is_acting and moment == self.fault.moment:
            self._act(as_of)
            self.is_acting = self.fault.lasts

    def _act(self, as_of: datetime) -> None:
        dice = np.random.default_rng([self.seed, 7])
        repair = self.fault.happen(self.company.home, self.company.project, as_of, dice, self.strength)
        if repair is not None:
            self.repairs.append(repair)
        if self.fault.renews_graph:
            self.days = self._days()

    def _repair(self) -> None:
        while self.repairs:
            self.repairs.pop()()
        if self.fault.renews_graph:
            self.days = self._days()
