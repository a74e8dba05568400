"""What `baton doctor` looks at on this machine: Python, packages, home, disk, clock, warehouse."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml.home import PROJECT_ROOT, SCHEMA_VERSION, Home

GB = 1 << 30
DISK_ERROR, DISK_WARNING = 1 * GB, 5 * GB
SUPPORTED = ((3, 11), (3, 13))


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fix` is the next command or edit; empty where all is well."""

    level: Literal["ok", "warning", "error"]
    area: str
    found: str
    fix: str = ""


Examination = Callable[[Home], Iterator[Finding]]


def examine(home: Home) -> list[Finding]:
    """Everything, machine first. What needs a home is left out, and said so, where there is none yet."""
    from orchestration.cli import findings_graph, findings_paging

    machine: list[Examination] = [python, packages, folder, disk, clock_setting]
    stored: list[Examination] = [warehouse, published, *findings_graph.EXAMINATIONS, *findings_paging.EXAMINATIONS]
    wanted = machine + (stored if home.root.is_dir() else [])
    return [finding for examination in wanted for finding in examination(home)]


def python(_home: Home) -> Iterator[Finding]:
    """The interpreter's version."""
    version = sys.version_info[:2]
    text = f"Python {sys.version.split()[0]} at {sys.executable}"
    if SUPPORTED[0] <= version <= SUPPORTED[1]:
        yield Finding("ok", "python", text)
    else:
        yield Finding("error", "python", f"{text}; supported are 3.11 to 3.13", "make setup PYTHON=/path/to/python3.13")


def packages(_home: Home) -> Iterator[Finding]:
    """Installed versions against requirements.lock."""
    lock = PROJECT_ROOT / "requirements.lock"
    if not lock.is_file():
        yield Finding("ok", "packages", "no requirements.lock beside the code: versions are the environment's own")
        return
    differing = list(_differing(lock))
    if differing:
        yield Finding("error", "packages", f"not as requirements.lock has it: {', '.join(differing)}", "make setup")
    else:
        yield Finding("ok", "packages", "installed versions are those of requirements.lock")


def _differing(lock: Path) -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    for line in lock.read_text().splitlines():
        if "==" not in line or line.startswith((" ", "#")):
            continue
        wanted = Requirement(line.rstrip("\\ "))
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            installed = version(wanted.name)
        except PackageNotFoundError:
            yield f"{wanted} is missing"
            continue
        if not wanted.specifier.contains(installed, prereleases=True):
            yield f"{wanted.name} {installed} (lock: {wanted.specifier})"


def folder(home: Home) -> Iterator[Finding]:
    """BATON_HOME: there, ours to write, of a schema version we know."""
    if not home.root.is_dir():
        yield Finding("warning", "home", f"{home.root} does not exist yet", "make run")
        return
    if not os.access(home.root, os.W_OK):
        fix = f"run as the user {home.root.owner()}, or set BATON_HOME to a folder of your own"
        yield Finding("error", "home", f"{home.root} belongs to {home.root.owner()} and is not writable for you", fix)
        return
    marker = home.root / "schema_version"
    text = marker.read_text().strip() if marker.is_file() else str(SCHEMA_VERSION)
    if not text.isdigit() or int(text) > SCHEMA_VERSION:
        fix = "update Baton, or set BATON_HOME to another folder"
        yield Finding("error", "home", f"{marker} says {text!r}; this Baton knows up to {SCHEMA_VERSION}", fix)
    else:
        yield Finding("ok", "home", f"{home.root}, schema version {text}")


def disk(home: Home) -> Iterator[Finding]:
    """Free space where the home is."""
    place = next(path for path in (home.root, *home.root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / GB:.1f} GB free at {place}"
    fix = "free some space, or set BATON_HOME to a folder on a larger disk"
    if free < DISK_ERROR:
        yield Finding("error", "disk", text, fix)
    elif free < DISK_WARNING:
        yield Finding("warning", "disk", text, fix)
    else:
        yield Finding("ok", "disk", text)


def clock_setting(_home: Home) -> Iterator[Finding]:
    """A pinned clock is easily forgotten."""
    if pinned := os.environ.get("BATON_NOW"):
        yield Finding("warning", "clock", f"BATON_NOW pins the clock to {pinned}", "unset BATON_NOW")


def warehouse(home: Home) -> Iterator[Finding]:
    """The live file: can it be opened, and who holds it."""
    import re

    import duckdb

    if not home.warehouse.exists():
        yield Finding("warning", "warehouse", f"{home.warehouse} does not exist yet", "baton run")
        return
    try:
        duckdb.connect(str(home.warehouse), read_only=True).close()
    except duckdb.Error as error:
        if holder := re.search(r"held in (.+?)(?:\. See also|$)", str(error)):
            fix = "wait for that run, or stop that process; reading goes on with: baton sql"
            yield Finding("warning", "warehouse", f"held by {holder[1]}", fix)
        else:
            yield Finding("error", "warehouse", f"cannot be opened: {error}", _way_back(home))
    else:
        yield Finding("ok", "warehouse", f"{home.warehouse} is free, {home.warehouse.stat().st_size / GB:.2f} GB")


def _way_back(home: Home) -> str:
    """The prediction log stands in no landing file: only the published copy has it too."""
    if home.published_warehouse.exists():
        return (
            "baton restore (puts the file aside, takes the published copy with its prediction log, reads personal "
            "columns again from the landing files), then: baton run"
        )
    return (
        f"nothing is published, so no run has ended well: take {home.warehouse} from a backup of your own, or move it "
        "away (what it held of predictions is then lost), then: baton run"
    )


def published(home: Home) -> Iterator[Finding]:
    """The read copy."""
    from datetime import UTC, datetime

    from orchestration.cli.output import age

    copy = home.published_warehouse
    if not copy.exists():
        yield Finding("warning", "published", "no run has published a read copy yet", "baton run")
        return
    then = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
    yield Finding("ok", "published", f"{copy}, {age(then, datetime.now(UTC))}")
