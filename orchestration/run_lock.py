"""A file lock per run: the kernel frees it when the run's process dies, under whatever host name it ran.

Process ids and host names say nothing once a container was restarted; the lock does, wherever the warehouse's own file
lock works (one machine and its containers, NFS from version 4 on).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.home import Home

_HELD: dict[Path, int] = {}  # by this process: lock files of runs and their descriptors


def _file(home: Home, run_id: str) -> Path:
    return home.root / "run_locks" / f"{run_id}.lock"


def hold(home: Home, run_id: str) -> None:
    """Hold the run's lock until `let_go`, or until this process ends in whatever way."""
    file = _file(home, run_id)
    if file in _HELD:
        return
    file.parent.mkdir(exist_ok=True)
    fresh = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    fresh.rename(file)  # nobody ever sees the file without its lock
    _HELD[file] = descriptor


def let_go(home: Home, run_id: str) -> None:
    """Free the lock of a run that has ended in this process. The file stays for `sweep`."""
    descriptor = _HELD.pop(_file(home, run_id), None)
    if descriptor is not None:
        os.close(descriptor)


@contextmanager
def held(home: Home, run_id: str) -> Iterator[None]:
    """Hold the lock while a run executes in this process."""
    hold(home, run_id)
    try:
        yield
    finally:
        let_go(home, run_id)


def is_held(home: Home, run_id: str) -> bool | None:
    """Whether a living process holds the run's lock; None where the run left no lock file."""
    file = _file(home, run_id)
    if file in _HELD:
        return True
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return True
    return False


def known(home: Home) -> list[str]:
    """Ids of the runs that left a lock file."""
    return [file.stem for file in (home.root / "run_locks").glob("*.lock")]


def sweep(home: Home, run_id: str) -> None:
    """Remove the lock file of a run that has ended."""
    _file(home, run_id).unlink(missing_ok=True)
