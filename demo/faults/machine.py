"""Faults of the machine: a full disk, a warehouse that somebody holds, a registry that is down."""

import resource
import subprocess
import sys

from demo.faults.fault import Repair, Scene

HOLD = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
SMALL_FILES_BYTES = 256 * 1024


def disk_full(scene: Scene) -> Repair:
    """The operating system refuses to let files grow; what it says is `File too large`, as on a full quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILES_BYTES, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def warehouse_locked(scene: Scene) -> Repair:
    """Another process opened the warehouse for writing, and stays."""
    command = [sys.executable, "-c", HOLD, str(scene.home.warehouse)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    if holder.stdout.readline().strip() != b"held":
        raise RuntimeError(f"the warehouse could not be held: {scene.home.warehouse}")

    def repair() -> None:
        holder.communicate()  # closes its input, at which it ends

    return repair


def mlflow_down(scene: Scene) -> Repair:
    """The registry's database is unreadable and its store of models unreachable."""
    database, store = scene.home.mlflow_db, scene.home.mlartifacts
    content, aside = database.read_bytes(), store.with_name("mlartifacts.moved")
    database.write_bytes(b"<html>503 Service Unavailable</html>")
    store.rename(aside)

    def repair() -> None:
        database.write_bytes(content)
        if store.is_dir():
            store.rmdir()
        aside.rename(store)

    return repair
