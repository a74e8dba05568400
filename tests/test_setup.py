"""Set-up from make alone: what is installed when, in folders with spaces, after a move, after a kill."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from ml.home import PROJECT_ROOT

NEEDED = ("Makefile", "scripts", "pyproject.toml", "requirements.lock", "LICENSE")
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "PYTHON", "BATON"))}


def setup_module_of(clone: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_env", clone / "scripts" / "setup_env.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what set-up reads, in a folder with spaces."""
    folder = tmp_path / "a clone with  spaces"
    folder.mkdir()
    for name in NEEDED:
        source = PROJECT_ROOT / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    return folder


@pytest.fixture
def ready(clone: Path) -> Path:
    """The clone with an environment that its stamp calls ready: a real interpreter, no packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(clone / ".venv")], check=True)
    setup = setup_module_of(clone)
    setup.STAMP.write_text(json.dumps(setup.wanted_stamp(setup.ROOT)))
    return clone


def make(clone: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", "-C", str(clone), *arguments]
    return subprocess.run(command, cwd="/", env=CLEAN | env, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({}, "ready"),
        ({"lock": "other"}, "build"),
        ({"python": "3.10"}, "build"),
        ({"path": "/elsewhere"}, "move"),
        ({"project": "other"}, "project"),
        ({"path": "/elsewhere", "lock": "other"}, "build"),
    ],
)
def test_what_is_done_follows_from_what_changed(clone: Path, change: dict[str, str], action: str) -> None:
    setup = setup_module_of(clone)
    wanted = setup.wanted_stamp(setup.ROOT)
    assert setup.what_to_do(wanted | change, wanted, has_python=True, interrupted=False) == action


def test_an_interrupted_or_missing_environment_is_built_from_nothing(clone: Path) -> None:
    setup = setup_module_of(clone)
    wanted = setup.wanted_stamp(setup.ROOT)
    assert setup.what_to_do(wanted, wanted, has_python=True, interrupted=True) == "build"
    assert setup.what_to_do(wanted, wanted, has_python=False, interrupted=False) == "build"
    assert setup.what_to_do({}, wanted, has_python=True, interrupted=False) == "complete"


def test_a_ready_environment_is_left_alone_and_quick(ready: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (ready / ".venv").rglob("*")}
    done = make(ready, "setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert before == {path: path.stat().st_mtime_ns for path in (ready / ".venv").rglob("*")}


def test_make_reads_no_network_and_installs_nothing_twice(ready: Path) -> None:
    """Where pip may ask no index, a ready environment is still ready."""
    assert make(ready, "setup", PIP_NO_INDEX="1").returncode == 0


def test_a_stale_stamp_is_seen_though_the_environment_works(ready: Path) -> None:
    with (ready / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    check = [str(ready / ".venv/bin/python"), "-S", str(ready / "scripts/setup_env.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 1


def test_a_failed_install_names_the_log_and_the_next_call_starts_over(clone: Path) -> None:
    (clone / "requirements.lock").write_text("no-such-package-of-baton==1.0 --hash=sha256:" + "0" * 64 + "\n")
    done = make(clone, "setup", PYTHON=sys.executable, PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode != 0
    assert "The whole log: .venv/install.log" in done.stderr
    assert "no-such-package-of-baton" in (clone / ".venv" / "install.log").read_text()
    assert "Traceback" not in done.stderr
    assert (clone / ".venv" / "baton-installing").exists()
    assert not (clone / ".venv" / "baton-stamp.json").exists()


def test_no_usable_python_says_what_is_needed_and_how_to_name_one(clone: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\necho 'Python 3.9.18'\nexit 1\n")
    old.chmod(0o755)
    done = make(clone, "setup", PYTHON=str(old))
    assert done.returncode != 0
    assert "Needed is Python 3.11, 3.12 or 3.13" in done.stderr
    assert "3.9.18" in done.stderr
    assert "make run PYTHON=" in done.stderr


@pytest.mark.parametrize("place", ["/plain/old", "/with a space/old", "/long/" + "x" * 130])
def test_scripts_of_a_moved_environment_point_at_where_it_stands(ready: Path, place: str) -> None:
    setup = setup_module_of(ready)
    script = ready / ".venv" / "bin" / "hello"
    script.write_bytes(setup.shebang(f"{place}/.venv/bin/python") + b"import sys; print('hello from', sys.prefix)\n")
    script.chmod(0o755)
    setup.relocate_scripts(place)
    done = subprocess.run([str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"hello from {ready / '.venv'}"


def test_only_one_process_installs_and_a_dead_one_holds_nothing(clone: Path) -> None:
    setup = setup_module_of(clone)
    with setup.one_installer():
        probe = [sys.executable, "-c", _TAKE, str(setup.LOCK)]
        assert subprocess.run(probe, check=False).returncode == 1
    assert subprocess.run(probe, check=False).returncode == 0


_TAKE = """import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(1)
"""


def test_help_lists_every_target(clone: Path) -> None:
    shown = make(clone).stdout
    for target in ("run", "test", "ui", "bench", "lint", "docs", "help"):
        assert f"make {target} " in shown


@pytest.mark.parametrize("target", ["run", "test", "ui", "bench", "lint", "docs"])
def test_every_target_sets_up_first_and_names_no_absolute_path(clone: Path, target: str) -> None:
    planned = make(clone, "-n", target).stdout
    assert planned.startswith("/bin/sh scripts/setup.sh\n")
    assert str(clone) not in planned


def test_the_makefile_needs_nothing_newer_than_make_3_81() -> None:
    text = (PROJECT_ROOT / "Makefile").read_text()
    assert not [word for word in (".ONESHELL", "!=", "$(file", ".NOTPARALLEL:", "&:", "undefine ") if word in text]


def test_the_lock_has_hashes_and_no_address() -> None:
    lines = (PROJECT_ROOT / "requirements.lock").read_text().splitlines()
    assert not [line for line in lines if "://" in line or line.startswith("--index")]
    pinned = [index for index, line in enumerate(lines) if "==" in line]
    assert pinned
    assert all(lines[index + 1].lstrip().startswith("--hash=sha256:") for index in pinned)


def test_this_python_is_one_the_project_says_it_supports() -> None:
    assert sysconfig.get_python_version() in ("3.11", "3.12", "3.13")
