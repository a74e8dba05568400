"""The type of a fault: when it acts, on what, how it is mended, and what a diagnosis should say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np

from ml.home import Home

Moment = Literal["before", "landing", "raw", "prepared", "scored"]
Repair = Callable[[], None]


@dataclass(frozen=True)
class Scene:
    """Where a fault acts: a scratch home, a scratch copy of the dbt project, the as_of of the morning, and dice.

    strength: 1 is what the fault declares as large.
    """

    home: Home
    project: Path
    as_of: datetime
    dice: np.random.Generator
    strength: float = 1.0


Act = Callable[[Scene], Repair | None]


@dataclass(frozen=True)
class Fault:
    """One fault. act: does it, and returns how it is mended, None where the next day is sound by itself.

    moment: before the morning, or after a stage of it. lasts: it acts every day until it is mended. assets: where a
    right diagnosis may point, the first is meant. first_seen: days after the first bad day on which the first daily run
    can notice it; the days before it are loaded one by one and judged at once. last_seen: days after the repair in
    which its traces still count, played in one run too. renews_graph: it changes the project.
    """

    name: str
    about: str
    cause: str
    assets: tuple[str, ...]
    group: str
    moment: Moment
    act: Act
    lasts: bool = False
    first_seen: int = 0
    last_seen: int = 0
    renews_graph: bool = False

    def happen(
        self, home: Home, project: Path, as_of: datetime, dice: np.random.Generator, strength: float
    ) -> Repair | None:
        """Act there; returns how it is mended."""
        return self.act(Scene(home, project, as_of, dice, strength))

    @property
    def pages(self) -> bool:
        """Whether anybody should be paged."""
        return self.cause != "benign"
