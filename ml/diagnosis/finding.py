"""What one rule says: a finding, or what it looked at and found sound."""

from dataclasses import dataclass
from datetime import datetime

from ml.clock import DAY
from ml.diagnosis.verdict import Cause


@dataclass(frozen=True)
class Finding:
    """A fault: its cause, the first broken asset, the evidence (strongest first), since when, and the next command.

    confidence: 0..1, an estimate written into each rule; docs/reports/drill.md is what it is held against.
    """

    cause: Cause
    asset: str
    confidence: float
    evidence: tuple[str, ...]
    command: str
    since: datetime | None = None


@dataclass(frozen=True)
class Sound:
    """What was looked at and is in order, with its number."""

    text: str


Said = Finding | Sound | None  # None: there was nothing to look at


def percent(share: float) -> str:
    """0.123 as 12 %; small shares keep a digit."""
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"


def number(value: float) -> str:
    """A number as people say it: three digits that matter, whole numbers whole."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


def on(day: datetime) -> str:
    """The day that a midnight ends."""
    return f"{day - DAY:%Y-%m-%d}"
