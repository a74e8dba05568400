"""Child processes that serve: a free port and a process group each, their last words on failure, an orderly end."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ml.home import PROJECT_ROOT

HOST = "127.0.0.1"
PORTS_TRIED = 50
STOP_SECONDS = 20.0  # Dagster needs up to ten to end its daemon in order


class ServeError(RuntimeError):
    """A server did not start or ended by itself; the message ends with its own last words."""


@dataclass(frozen=True)
class Server:
    """One child to run: how it is called, how it starts, where it answers, where it writes."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    url: str
    health: str
    log: Path


@dataclass(frozen=True)
class Child:
    """A server that was started; its process leads a group of its own."""

    server: Server
    process: "subprocess.Popen[bytes]"


def free_port(preferred: int, taken: frozenset[int] = frozenset()) -> int:
    """The first port from `preferred` on that nobody listens on. Raises ServeError when 50 in a row are taken."""
    for port in range(preferred, preferred + PORTS_TRIED):
        if port not in taken and _is_free(port):
            return port
    raise ServeError(
        f"ports {preferred} to {preferred + PORTS_TRIED - 1} are all taken on {HOST}. Next: free one of them, "
        "or name another with baton ui --dagster-port / --mlflow-port"
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def start(server: Server) -> Child:
    """A child at the head of its own process group, with signals as a fresh shell would give them."""
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            server.command,
            cwd=PROJECT_ROOT,
            env=dict(server.env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_reset_signals,
            close_fds=False,  # it inherits the lock: while it lives, another `make ui` knows
        )
    return Child(server, process)


def _reset_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def answers(url: str) -> bool:
    """Whether something answers 200 there, asked directly and through no proxy."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def fail_if_ended(children: list[Child]) -> None:
    """Raise ServeError, with its last words, when one of the children has ended by itself."""
    for child in children:
        if child.process.poll() is not None:
            raise ServeError(
                f"{child.server.name} ended by itself (exit code {child.process.returncode}).\n"
                f"{last_words(child.server.log)}"
            )


def last_words(log: Path) -> str:
    """The end of a log, indented, and where the whole is."""
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "".join(f"  | {line}\n" for line in lines) + f"The whole log: {log}. Next: baton doctor"


def stop(leaders: list[int]) -> None:
    """End whole process groups: politely first, for good after STOP_SECONDS."""
    deadline = time.monotonic() + STOP_SECONDS
    for leader in leaders:
        signal_group(leader, signal.SIGTERM)
    while leaders and time.monotonic() < deadline:
        leaders = [leader for leader in leaders if _group_lives(leader)]
        time.sleep(0.1)
    for leader in leaders:
        signal_group(leader, signal.SIGKILL)


def signal_group(leader: int, number: int) -> bool:
    """Send a signal to a process group; False when it is gone."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False
    return True


def _group_lives(leader: int) -> bool:
    with suppress(ChildProcessError):  # not our child: whoever it belongs to collects it
        os.waitpid(leader, os.WNOHANG)  # an ended leader that nobody waited for still counts as its group
    return signal_group(leader, 0)
