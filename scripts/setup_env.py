"""Creates, completes or repairs .venv from requirements.lock; the standard library is all it needs.

The stamp (.venv/baton-stamp.json) is written last and says what the environment was made from. An install that was
killed leaves .venv/baton-installing behind instead, and the next call starts over.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "baton-stamp.json"
INSTALLING = VENV / "baton-installing"
LOCK = VENV / "baton-lock"
LOG = VENV / "install.log"
SHEBANG_LIMIT = 127  # longer ones, and ones with a space, the kernel does not run


class SetupError(RuntimeError):
    """The environment could not be made; the message says what to do."""


def wanted_stamp(root: Path = ROOT) -> dict[str, str]:
    """What the environment has to be made from: digests of the lock and the project, Python, and where it stands."""
    return {
        "lock": hashlib.sha256((root / "requirements.lock").read_bytes()).hexdigest(),
        "project": hashlib.sha256((root / "pyproject.toml").read_bytes()).hexdigest(),
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "path": str(root),
    }


def read_stamp(stamp: Path = STAMP) -> dict[str, str]:
    """The stamp of the environment as it is; empty when there is none or it is unreadable."""
    try:
        found = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def what_to_do(found: dict[str, str], wanted: dict[str, str], has_python: bool, interrupted: bool) -> str:
    """One of ready, build (from nothing), complete (a foreign .venv), move (the clone moved), project (only ours)."""
    if interrupted or not has_python:
        return "build"
    if found == wanted:
        return "ready"
    if not found:
        return "complete"
    if (found.get("lock"), found.get("python")) != (wanted["lock"], wanted["python"]):
        return "build"
    return "move" if found.get("path") != wanted["path"] else "project"


def say(text: str) -> None:
    """One line for people, at once."""
    print(f"baton: {text}", flush=True)


@contextmanager
def one_installer() -> Iterator[None]:
    """Only one process works on .venv; the operating system frees the lock of one that died.

    pip inherits the lock: where this process is killed and pip lives on, the next call waits for pip.
    """
    VENV.mkdir(exist_ok=True)
    with LOCK.open("a") as handle:
        os.set_inheritable(handle.fileno(), True)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is installing into .venv; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run_logged(command: list[str], progress: bool = False) -> None:
    """Run quietly, everything into the log. Raises SetupError with the log's end when it fails."""
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}
    with LOG.open("a") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            close_fds=False,
        )
        assert process.stdout is not None
        n_packages = 0
        for line in process.stdout:
            log.write(line)
            if progress and line.startswith(("Collecting ", "Requirement already satisfied")):
                n_packages += 1
                print(f"\r  {n_packages} packages fetched", end="", flush=True)
            elif progress and line.startswith("Installing collected"):
                print("\r  unpacking them ...      ", end="", flush=True)
        if progress:
            print("\r" + " " * 40 + "\r", end="", flush=True)
        code = process.wait()
    if code:
        end = "".join(f"  | {line}\n" for line in LOG.read_text(errors="replace").splitlines()[-12:])
        raise SetupError(
            f"this failed (exit code {code}): {' '.join(command)}\n{end}The whole log: {LOG.relative_to(ROOT)}\n"
            "Next: see whether the package index can be reached and the disk has 2 GB left, then run the same command "
            "again; it starts over where that is needed."
        )


def venv_python() -> str:
    """The environment's interpreter."""
    return str(VENV / "bin" / "python")


def has_python() -> bool:
    """Whether .venv has an interpreter whose base still exists."""
    return (VENV / "bin" / "python").exists()


def install_packages() -> None:
    """Everything in requirements.lock, each file checked against its hash."""
    n_packages = sum("==" in line for line in (ROOT / "requirements.lock").read_text().splitlines())
    say(f"installing {n_packages} packages from requirements.lock into .venv (once; one to three minutes) ...")
    started = time.monotonic()
    run_logged(
        [venv_python(), "-m", "pip", "install", "--require-hashes", "-r", "requirements.lock"],
        progress=sys.stdout.isatty(),
    )
    say(f"packages installed in {time.monotonic() - started:.0f} s")


def install_project() -> None:
    """Baton itself, editable; asks no index."""
    say("installing baton itself (a few seconds) ...")
    run_logged([venv_python(), "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", "-e", "."])


def create_venv() -> None:
    """An empty environment in place of whatever stood there."""
    say(f"creating .venv with Python {sys.version.split()[0]} ...")
    for entry in VENV.iterdir():
        if entry not in (INSTALLING, LOCK):
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    run_logged([sys.executable, "-m", "venv", str(VENV)])


def shebang(python: str) -> bytes:
    """First lines of a script that starts `python`, also where its path has spaces (the form pip writes)."""
    if " " in python or len(python) > SHEBANG_LIMIT - 2:
        return f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n".encode()
    return f"#!{python}\n".encode()


def relocate_scripts(old_root: str) -> None:
    """Point the scripts of a moved environment at where it stands now."""
    old, new = shebang(f"{old_root}/.venv/bin/python"), shebang(venv_python())
    for script in (VENV / "bin").iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        for name in ("", "3", "{}.{}".format(*sys.version_info)):
            head = old.replace(b"/.venv/bin/python", f"/.venv/bin/python{name}".encode())
            if content.startswith(head):
                script.write_bytes(new + content[len(head) :])


def carry_out(action: str, found: dict[str, str]) -> None:
    """Do what `what_to_do` said; the marker stands until all of it is done."""
    INSTALLING.touch()
    LOG.unlink(missing_ok=True)
    if action == "build":
        create_venv()
    elif action == "complete":
        say("found a .venv that this Makefile did not make; completing it")
    elif action == "move":
        say(f"this clone moved here from {found['path']}; repairing .venv")
        run_logged([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
        relocate_scripts(found["path"])
    if action in ("build", "complete"):
        install_packages()
    install_project()


def main() -> int:
    """Exit code 0: ready. With --check only say so by the exit code."""
    wanted = wanted_stamp()
    action = what_to_do(read_stamp(), wanted, has_python(), INSTALLING.exists())
    if "--check" in sys.argv:
        return int(action != "ready")
    if action == "ready":
        return 0
    with one_installer():
        started, found = time.monotonic(), read_stamp()
        action = what_to_do(found, wanted, has_python(), INSTALLING.exists())
        if action == "ready":
            return 0
        carry_out(action, found)
        written = STAMP.with_suffix(".new")
        written.write_text(json.dumps(wanted, indent=1) + "\n")
        written.replace(STAMP)
        INSTALLING.unlink()
        say(f".venv is ready ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SetupError as error:
        sys.exit(f"baton: {error}")
    except PermissionError as error:
        sys.exit(f"baton: {error}. This folder must be writable for you; its files may belong to another user (root?).")
    except KeyboardInterrupt:
        sys.exit("\nbaton: interrupted; the next call starts over.")
