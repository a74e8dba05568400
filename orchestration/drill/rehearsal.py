"""A morning played again on a scratch copy of a home: once as it was, then with faults in its deliveries."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ml import clock
from orchestration.drill import rewind
from orchestration.drill.aims import aims_of, reasons
from orchestration.drill.day import Days, Morning
from orchestration.drill.others import Refused, put_in
from orchestration.drill.play import Drill, diagnosed, heard

if TYPE_CHECKING:
    from demo.faults.own import Aim, OwnFault
    from ml.diagnosis.evidence import Source
    from orchestration.paging.channels import Channel

REPAIR_TAKES = timedelta(hours=1)


class AlreadyBroken(RuntimeError):
    """The morning is not quiet without any fault, so a fault on top of it would prove nothing."""


@dataclass(frozen=True)
class Played:
    """A drill, and what was done to which table."""

    drill: Drill
    did: str


@dataclass(frozen=True)
class NotPlayed:
    """A fault that nothing of the morning can show, and why."""

    fault: str
    why: str


@dataclass(frozen=True)
class Rehearsal:
    """A scratch home as it was before `morning`: `start` is its warehouse, `delivered` the files that came then.

    landed: assets of the tables that Baton loads.
    """

    days: Days
    morning: rewind.Morning
    start: Path
    delivered: Path
    channel: "Channel"
    landed: frozenset[str]

    def control(self) -> Morning:
        """The morning as it was. Raises AlreadyBroken where it is not quiet."""
        told = self._played()
        if not _is_quiet(told):
            raise AlreadyBroken(_said(told))
        return told

    @cached_property
    def sources(self) -> "list[Source]":
        """What a diagnosis knows of each table above the products after the control."""
        from ml.diagnosis.lineage import lineage
        from ml.diagnosis.read import read
        from ml.warehouse import open_warehouse

        found: dict[str, Source] = {}
        with open_warehouse(self.days.home) as con:
            for product in self.days.trained:
                above = lineage(self.days.graph.manifest, product)
                known = read(con, product, above, self.morning.now, (), self.days.home)
                found |= {each.table.asset: each for each in known.sources}
        return [found[asset] for asset in sorted(found)]

    def play(self, fault: "OwnFault", seed: int) -> Played | NotPlayed:
        """One fault, its repair, and what everybody heard; the control comes first."""
        from demo.faults.own import Aim

        began = time.monotonic()
        candidates = list(aims_of(fault, self.sources, self.morning.files, self.landed))
        aims = [each for each in candidates if isinstance(each, Aim)]
        if not aims:
            return NotPlayed(fault.name, reasons([each for each in candidates if not isinstance(each, Aim)]))
        dice = np.random.default_rng([seed, 7])
        aim = aims[int(dice.integers(len(aims)))]
        for left in self.days.home.root.glob("incidents.db*"):
            left.unlink()
        did: list[str] = []
        try:
            told = self._played(lambda: did.append(fault.act(aim, dice)))
        except Refused as error:
            return NotPlayed(fault.name, str(error))
        messages = self._heard(told)
        mended = self._played()
        messages += self._heard(replace(mended, now=mended.now + REPAIR_TAKES))
        names = ", ".join(path.relative_to(self.days.home.landing).as_posix() for path in aim.paths)
        where = names if aim.asset in self.landed else "in the copy of the table, which another tool loads"
        drill = _drill(fault, aim, seed, told, messages, 0 if _is_quiet(mended) else None, time.monotonic() - began)
        return Played(drill, f"{aim.asset}: {did[0]} ({where})")

    def _played(self, act: Callable[[], None] = lambda: None) -> Morning:
        """The morning from its start, after `act` on its files."""
        from ml.warehouse import open_warehouse

        home = self.days.home
        home.warehouse.with_name(f"{home.warehouse.name}.wal").unlink(missing_ok=True)
        shutil.copyfile(self.start, home.warehouse)
        shutil.rmtree(home.landing)
        shutil.copytree(self.delivered, home.landing)
        act()
        with open_warehouse(home) as con:
            for file in self.morning.files:
                put_in(con, file)
        return self.days.play(self.morning.now)

    def _heard(self, told: Morning) -> list[dict[str, str]]:
        from orchestration.drill.pager import observe

        return list(observe(self.days, told, self.channel).messages)


def _is_quiet(told: Morning) -> bool:
    return not told.failures and not any(found.is_fault for found in told.diagnoses.values())


def _said(told: Morning) -> str:
    from orchestration.diagnosis import sentence
    from orchestration.outcome import CheckOutcome

    faults = [f"{found.product}: {sentence(found)}" for found in told.diagnoses.values() if found.is_fault]
    failed = [f"{each.asset} {each.check}" for each in told.failures if isinstance(each, CheckOutcome)]
    failed += [f"{each.asset}: {each.message}" for each in told.failures if not isinstance(each, CheckOutcome)]
    return "; ".join(faults or failed)


def _drill(
    fault: "OwnFault",
    aim: "Aim",
    seed: int,
    told: Morning,
    messages: list[dict[str, str]],
    resolved_after: int | None,
    seconds: float,
) -> Drill:
    return Drill(
        fault=fault.name,
        seed=seed,
        wanted_cause=fault.cause_at(aim),
        wanted_group=aim.group,
        first_bad=clock.as_of(told.now),
        noticed_after=0 if any(found.is_fault for found in told.diagnoses.values()) else None,
        resolved_after=resolved_after,
        mornings=2,
        seconds=seconds,
        **diagnosed(told),
        **heard(messages),
    )
