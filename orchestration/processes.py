"""Telling whether a process still lives: its id is reused by the system, its id with its start time is not."""

import subprocess
from pathlib import Path


def started_at(pid: int) -> str | None:
    """When process `pid` started, as text that differs between two processes with one id; None if there is none."""
    stat = Path("/proc") / str(pid) / "stat"
    if Path("/proc/self/stat").exists():
        return _from_proc(stat)
    found = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, start = found.stdout.strip().partition(" ")
    return None if not start or state.startswith("Z") else start.strip()


def _from_proc(stat: Path) -> str | None:
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if fields[0] == "Z" else f"{boot}:{fields[19]}"


def is_alive(pid: int, start: str) -> bool:
    """Whether the very process that had `pid` and started at `start` still runs (a zombie does not)."""
    found = started_at(pid)
    return found is not None and (not start or found == start)
