"""Rules on what a failed step said: the machine, the registry, the code."""

import re
import shlex
from collections.abc import Mapping, Sequence

from ml.commands import baton_sql
from ml.diagnosis import unusual
from ml.diagnosis.evidence import Evidence, Failed, TableDays
from ml.diagnosis.finding import Finding, Said, Sound, number, percent
from ml.diagnosis.verdict import Cause
from ml.masking import masked
from ml.quoting import literal

DISK = re.compile(r"no space left|file too large|quota exceeded|out of disk|disk is full", re.IGNORECASE)
LOCK = re.compile(r"WarehouseLocked|could not set lock|conflicting lock|was not released within", re.IGNORECASE)
REGISTRY = re.compile(
    r"mlflow\.db|mlflow.*(unable to open|not a database|refused|timed out)", re.IGNORECASE | re.DOTALL
)
CHAMPION = re.compile(
    r"NoServingVersion|ModelMissing|RegistryOutOfStep|no version of .* serves|holds no model", re.DOTALL
)
INTERRUPTED = re.compile(r"Interrupted|Terminated")  # somebody stopped the run: no SQL did
WAREHOUSE = "published/warehouse"
# What a model's own numbers explain better than the bare fact that a check failed.
JUDGED_BY_RULES = (
    "performance",
    "drift",
    "calibration",
    "parity",
    "delay",
    "worst_slices",
    "health",
    "outcomes",
    "model",
)


def disk_full(known: Evidence) -> Said:
    """The operating system refused to write; or to open the warehouse, which nobody could read then."""
    command = "df -h; baton doctor"
    said = _said(known, DISK, Cause.DISK_FULL, WAREHOUSE, 0.95, command)
    if said or not DISK.search(known.unreadable):
        return said
    return Finding(Cause.DISK_FULL, WAREHOUSE, 0.95, (known.unreadable,), command, known.day)


def warehouse_locked(known: Evidence) -> Said:
    """A step met another process that held the warehouse. That one holds it while we look is no fault of the run."""
    return _said(known, LOCK, Cause.WAREHOUSE_LOCKED, WAREHOUSE, 0.95, "baton doctor")


def mlflow_down(known: Evidence) -> Said:
    """The registry cannot be opened at all, whatever a step wanted of it."""
    asset = f"{known.product}/model"
    if known.mlflow_error:
        errors = tuple(line(error) for error in known.errors[:2])
        return Finding(Cause.MLFLOW_DOWN, asset, 0.9, (known.mlflow_error, *errors), "baton doctor")
    return _said(known, REGISTRY, Cause.MLFLOW_DOWN, asset, 0.9, "baton doctor")


def champion_missing(known: Evidence) -> Said:
    """No version serves the day, or its artifact is gone."""
    asset = f"{known.product}/model"
    command = baton_sql(f"from ops.model_versions where product = {literal(known.product)}")
    said = _said(known, CHAMPION, Cause.CHAMPION_MISSING, asset, 0.95, command)
    if said or not known.trains:
        return said
    if known.champion is None and known.population:
        text = f"no version of {known.product} serves {known.day:%Y-%m-%d}"
        return Finding(Cause.CHAMPION_MISSING, asset, 0.9, (text,), command)
    return Sound(f"version {known.champion.version} serves") if known.champion else None


def transform_changed(known: Evidence) -> Said:
    """SQL changed, and since then a feature jumped or a check below it fails, while the sources are what they were."""
    if known.unreadable:
        return None
    if not known.changed:
        return Sound("no SQL that the product reads has changed")
    jumps = feature_jumps(known.features) if known.features else {}
    newest = max(known.changed, key=lambda change: change.since)
    recent = [change for change in known.changed if change.since == newest.since]
    names = ", ".join(change.asset for change in recent[:4])
    failed = [error for error in known.errors if error.asset.split("/")[-1] not in JUDGED_BY_RULES]
    # What reads none of the changed models failed of something else.
    apart = frozenset[str].intersection(*(change.apart for change in recent))
    broken = [error for error in failed if error.asset not in apart and not INTERRUPTED.search(error.message)]
    if not jumps and not (broken and newest.since >= known.day):
        return Sound(f"SQL of {names} changed in the run of {newest.since:%Y-%m-%d}, and no feature jumped since")
    first = recent[0]  # the furthest upstream: the reader lists them in the order of the lineage
    said = [f"the SQL of {names} changed in the run of {newest.since:%Y-%m-%d}, and its sources did not"]
    said += [f"feature {text} since" for text in list(jumps.values())[:1]] + [line(error) for error in broken[:1]]
    model = shlex.quote(f"{first.asset.replace('/', '_')}.sql")
    where = f"git log -p -2 -- $(git ls-files | grep -F {model}) dbt_project/macros"
    return Finding(Cause.TRANSFORM_CHANGED, first.asset, 0.85, tuple(said), where, newest.since)


def step_failed(known: Evidence) -> Said:
    """A step or an error check failed that nothing above explains."""
    left = [e for e in known.errors if e.is_step or e.asset.split("/")[-1] not in JUDGED_BY_RULES]
    if not left:
        return Sound("no step failed, and no error check above the model") if not known.unreadable else None
    named = [error for error in left if not error.is_step] or left
    return Finding(Cause.STEP_FAILED, named[0].asset, 0.6, tuple(line(error) for error in named[:3]), "baton status")


def feature_jumps(table: TableDays) -> dict[str, str]:
    """Features that left everything of four weeks on the newest day, each with its sentence, by name."""
    found: dict[str, str] = {}
    for column in table.values:
        null = unusual.streak(column.null_share, unusual.above_all(0.05))
        middle = unusual.streak(column.middle, unusual.beyond(1e-9, 1.0))
        if null is not None:
            usual = max(unusual.sound_before(column.null_share, null))
            found[column.name] = (
                f"{column.name} is null in {percent(column.null_share[-1] or 0)}, before {percent(usual)}"
            )
        elif middle is not None and _is_far(column.middle, middle):
            sound = unusual.sound_before(column.middle, middle)
            low, high, now = min(sound), max(sound), column.middle[-1] or 0.0
            text = f"{column.name} has median {number(now)}, before {number(low)} to {number(high)}"
            found[column.name] = text
        elif column.kind == "category" and unusual.streak([s or None for s in column.shares], _new_value) is not None:
            found[column.name] = f"{column.name} has values that it never had"
    return found


def _is_far(middle: tuple[float | None, ...], began: int) -> bool:
    """Beyond a quarter of the usual size: a median that never moved would otherwise call any move a jump."""
    sound, now = unusual.sound_before(middle, began), middle[-1] or 0.0
    low, high = min(sound), max(sound)
    return now > high + 0.25 * abs(high) or now < low - 0.25 * abs(low)


def _new_value(today: Mapping[str, float], sound: Sequence[Mapping[str, float]]) -> bool:
    seen = {value for shares in sound for value in shares}
    return sum(share for value, share in today.items() if value not in seen) >= 0.05


def _said(known: Evidence, words: re.Pattern[str], cause: Cause, asset: str, confidence: float, command: str) -> Said:
    """The finding of a cause that failed steps name in their own words."""
    hits = [error for error in known.errors if words.search(error.message)]
    said = [f"{_place(error)}: {_near(error.message, words)}" for error in hits[:2]]
    said += [f"{len(hits)} steps and checks failed of it"] if len(hits) > 2 else []
    return Finding(cause, asset, confidence, tuple(said), command, known.day) if said else None


def _near(message: str, words: re.Pattern[str]) -> str:
    """The part of a long message that says it: nobody reads a stack at night."""
    text = _plain(message)
    hit = words.search(text)
    first = text.rfind(" ", 0, max(0, hit.start() - 99)) + 1 if hit else 0
    cut = text[first : first + 260]
    return f"{'...' if first else ''}{cut}{'...' if first + 260 < len(text) else ''}"


def _plain(message: str) -> str:
    """On one line, without values of rows and without the name of a Python class in front."""
    return masked(re.sub(r"^(\w+\.)+[A-Z]\w*: ", "", " ".join(message.split())))


def line(error: Failed) -> str:
    """One failure in one line."""
    text = _plain(error.message)
    return f"{_place(error)}: {text[:300]}{'...' if len(text) > 300 else ''}"


def _place(error: Failed) -> str:
    """The asset, and the check or step where its name says more."""
    return error.asset if error.name in ("", error.asset) else f"{error.asset} {error.name}"
