"""A PostgreSQL of the tests' own, as an unprivileged user; skipped, and named, where none is installed."""

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

OPTIONS = "-c fsync=off -c listen_addresses='' -c max_connections=20 -c shared_buffers=16MB"


def programs() -> Path | None:
    """The folder with initdb: on the path, or where Debian puts it."""
    found = [shutil.which("initdb"), *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)]
    return next((Path(os.path.realpath(path)).parent for path in found if path), None)


def _user() -> dict[str, object]:
    """PostgreSQL refuses to run as root: then as the user its package made, or as nobody."""
    if os.geteuid():
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in names else "nobody"
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


@contextmanager
def running() -> Iterator[str]:
    """The URL of a fresh server that listens on a socket only; stopped and removed at the end."""
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("no PostgreSQL here: install the package postgresql to run the pager's tests on it too")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has at most 107 characters
    try:
        if user:
            os.chown(folder, pwd.getpwnam(str(user["user"])).pw_uid, int(str(user["group"])))
        env = {**os.environ, "LC_ALL": "C", "HOME": str(folder)}
        call = {"env": env, "cwd": folder, "check": True, "capture_output": True, "timeout": 60, **user}
        data = folder / "data"
        subprocess.run([bin_folder / "initdb", "-D", data, "-U", "baton", "-A", "trust", "-E", "UTF8", "-N"], **call)  # type: ignore[call-overload]
        options = f"{OPTIONS} -k {folder}"
        start = [bin_folder / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"]
        subprocess.run(start, **{**call, "capture_output": False, "stdout": subprocess.DEVNULL})  # type: ignore[call-overload]
        try:
            yield f"postgresql://baton@/postgres?host={folder}"
        finally:
            subprocess.run([bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **call)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
