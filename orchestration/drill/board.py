"""The scoreboard of many drills, as Markdown: shares with Wilson intervals, every miss by name."""

from collections import defaultdict
from collections.abc import Sequence
from math import sqrt

from orchestration.drill.healthy import Healthy
from orchestration.drill.play import Drill

Z = 1.959963984540054


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    share, z2 = hits / n, Z * Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def spoken(hits: int, n: int) -> str:
    """`19 of 20 (95 %, 76 to 99)`."""
    low, high = wilson(hits, n)
    return f"{hits} of {n} ({100 * hits / n:.0f} %, {100 * low:.0f} to {100 * high:.0f})" if n else "none"


ASKED = (
    ("right group paged", "right_group"),
    ("right cause", "right_cause"),
    ("exactly one page", "right_number"),
    ("noticed on the first run that can", "at_once"),
)


def table(drills: Sequence[Drill]) -> list[str]:
    """Overall, then one row per fault."""
    harmful = [drill for drill in drills if drill.wanted_group]
    benign = [drill for drill in drills if not drill.wanted_group]
    rows = ["| | share (95 % Wilson interval) |", "|---|---|"]
    rows += [f"| {text} | {spoken(sum(getattr(d, name) for d in harmful), len(harmful))} |" for text, name in ASKED]
    mended = [drill for drill in harmful if drill.noticed_after is not None]
    over = sum(drill.resolved_after is not None for drill in mended)
    rows += [f"| over within four mornings of the repair | {spoken(over, len(mended))} |"]
    unharmed = spoken(sum(drill.is_right for drill in benign), len(benign))
    rows += [f"| nobody paged for a change that harms nobody | {unharmed} |", ""]
    rows += [
        "| fault | drills | group | cause | one page | at once | over | s per morning |",
        "|---|---|---|---|---|---|---|---|",
    ]
    by_fault: dict[str, list[Drill]] = defaultdict(list)
    for drill in drills:
        by_fault[drill.fault].append(drill)
    for fault, played in by_fault.items():
        counts = [str(sum(getattr(drill, name) for drill in played)) for _, name in ASKED]
        over = sum(drill.resolved_after is not None for drill in played)
        pace = sum(drill.seconds for drill in played) / sum(drill.mornings for drill in played)
        rows.append(f"| {fault} | {len(played)} | {' | '.join(counts)} | {over} | {pace:.1f} |")
    return rows


def confidences(drills: Sequence[Drill]) -> list[str]:
    """What each diagnosis said of its own confidence, beside how often it was right."""
    by_cause: dict[str, list[Drill]] = defaultdict(list)
    for drill in drills:
        if drill.pages:  # where nobody was paged, nothing was said
            by_cause[drill.cause].append(drill)
    rows = ["| diagnosed | said | right (95 % Wilson interval) |", "|---|---|---|"]
    for cause, played in sorted(by_cause.items()):
        said = sum(drill.confidence for drill in played) / len(played)
        rows.append(f"| {cause} | {100 * said:.0f} % | {spoken(sum(d.right_cause for d in played), len(played))} |")
    return rows


def misses(drills: Sequence[Drill]) -> list[str]:
    """Every drill in which something was not right, and what it said."""
    found = []
    for drill in drills:
        wrong = [text for text, name in ASKED if not getattr(drill, name)]
        if wrong:
            paged = "; ".join(f"{group}: {title}" for group, title in drill.pages) or "nobody"
            what = f"- **{drill.fault}**, seed {drill.seed}: not {', not '.join(wrong)}."
            found.append(f"{what} Said: {drill.sentence}. Paged: {paged}.")
    return found or ["None."]


def not_over(drills: Sequence[Drill]) -> dict[str, int]:
    """Drills that were noticed and not over four mornings after the repair, counted by fault."""
    still = [d.fault for d in drills if d.wanted_group and d.noticed_after is not None and d.resolved_after is None]
    return {fault: still.count(fault) for fault in dict.fromkeys(still)}


def quiet(worlds: Sequence[Healthy]) -> list[str]:
    """What healthy worlds heard."""
    days, pages = sum(world.days for world in worlds), [page for world in worlds for page in world.pages]
    pace = sum(world.seconds for world in worlds) / max(days, 1)
    rows = [f"{len(worlds)} worlds, {days} days, {len(pages)} pages, {pace:.1f} s a day."]
    return [*rows, *(f"- {day} {group}: {title}" for day, group, title in pages)]
