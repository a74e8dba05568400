"""A scratch copy of a home below BATON_HOME/drill, of one moment; the home itself keeps every byte."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml.home import Home
from orchestration import run_lock

SPARE_BYTES = 200 * 2**20
WAREHOUSES = 3  # the morning before, the one that is played, what its tables grow by while they are built


class ScratchError(RuntimeError):
    """No copy can be made of this home now."""


@contextmanager
def scratch_copy(home: Home, say: Callable[[str], None]) -> Iterator[Home]:
    """A home to play on, removed afterwards. Raises ScratchError, WarehouseLocked."""
    if not home.warehouse.exists():
        raise ScratchError(f"{home.warehouse} does not exist: nothing has run in this home. Next: baton run")
    place = home.root / "drill"
    place.mkdir(exist_ok=True)
    with (place / "own.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ScratchError(f"another baton drill --own plays in {place}. Wait until it ends") from error
        for left in place.glob("own-*"):
            shutil.rmtree(left)  # of a drill that was killed: whoever held the lock is gone
        folder = place / "own-copy"
        needed, free = needed_bytes(home), shutil.disk_usage(place).free
        refuse_without_room(needed, free, place)
        copied = _size(_bytes(_parts(home)))
        say(f"copying {copied} to {folder}, removed afterwards; {_size(needed)} are needed at most")
        try:
            yield _copied(home, Home(folder / "home"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def needed_bytes(home: Home) -> int:
    """What the copy and the mornings on it take at most."""
    return _bytes(_parts(home)) + (WAREHOUSES - 1) * home.warehouse.stat().st_size


def refuse_without_room(needed: int, free: int, place: Path) -> None:
    """Raises ScratchError where the disk would be filled."""
    if needed + SPARE_BYTES > free:
        raise ScratchError(
            f"{place} has {_size(free)} free; a drill on a copy of this home needs {_size(needed)}, and "
            f"{_size(SPARE_BYTES)} must stay free. Make room there, then: baton drill --own"
        )


def _parts(home: Home) -> list[Path]:
    wal = home.warehouse.with_name(f"{home.warehouse.name}.wal")
    # The warehouse last: closing the file that was read lets go of this process's lock on it.
    parts = (home.mlflow_db, home.mlartifacts, home.root / "dbt", home.root / "schema_version", wal, home.warehouse)
    return [part for part in parts if part.exists()]


def _bytes(parts: list[Path]) -> int:
    files = (file for part in parts for file in ([part] if part.is_file() else part.rglob("*")))
    return sum(file.stat().st_size for file in files if file.is_file())


def _copied(home: Home, target: Home) -> Home:
    """The copy, made while nobody can write: a run may go on neither now nor in the middle of it."""
    import duckdb

    running = [run for run in run_lock.known(home) if run_lock.is_held(home, run)]
    if running:
        raise ScratchError(
            f"a run goes on in {home.root} ({running[0][:8]}), so its morning is not over. Wait for it, then: "
            "baton drill --own"
        )
    target.root.mkdir(parents=True)
    with _held(home):
        for part in _parts(home):
            if part.is_dir():
                shutil.copytree(part, target.root / part.name, symlinks=True)
            else:
                shutil.copyfile(part, target.root / part.name)
    target.ensure()
    with duckdb.connect(str(target.warehouse)) as con:
        con.execute("checkpoint")
    return target


@contextmanager
def _held(home: Home) -> Iterator[None]:
    """Nobody writes the warehouse meanwhile, this process neither: it is open for reading only."""
    import duckdb

    from ml.warehouse import WarehouseLocked

    try:
        con = duckdb.connect(str(home.warehouse), read_only=True)
    except duckdb.IOException as error:
        if "lock" not in str(error):
            raise
        raise WarehouseLocked(
            f"{home.warehouse} is held by another process, so no copy of one moment can be made. See who: baton doctor"
        ) from error
    with con:
        yield


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MB"
