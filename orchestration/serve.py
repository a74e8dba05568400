"""What `make ui` starts: Dagster (pages and daemon) and MLflow, on loopback, on free ports, ending with us."""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ml.home import Home
from orchestration.children import (
    HOST,
    Child,
    ServeError,
    Server,
    answers,
    fail_if_ended,
    free_port,
    last_words,
    start,
    stop,
)
from orchestration.processes import is_alive, started_at

DAGSTER_PORT, MLFLOW_PORT = 3000, 5000
ANSWER_SECONDS = 180.0
QUIET = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # only its generative features need the extra processes
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "PYTHONWARNINGS": "ignore",
    "PYTHONUNBUFFERED": "1",
}
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # set even where a shell starts us with SIGINT ignored
Say = Callable[[str], None]


def servers(home: Home, dagster_port: int, mlflow_port: int) -> tuple[Server, Server]:
    """MLflow and Dagster for this home. Dagster is told where MLflow answers, so that links between them work."""
    mlflow_url, dagster_url = f"http://{HOST}:{mlflow_port}", f"http://{HOST}:{dagster_port}"
    env = {**os.environ, **QUIET, "BATON_HOME": str(home.root), "BATON_MLFLOW_URL": mlflow_url}
    env |= {"DAGSTER_HOME": str(home.dagster), "BATON_DAGSTER_URL": dagster_url}
    mlflow = (sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(mlflow_port), "--workers", "1")
    stores = ("--backend-store-uri", home.mlflow_uri, "--default-artifact-root", home.mlartifacts.as_uri())
    dagster = (sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", HOST, "-p", str(dagster_port))
    logs = home.root / "logs"
    return (
        Server("MLflow", mlflow + stores, env, mlflow_url, f"{mlflow_url}/health", logs / "mlflow.log"),
        Server("Dagster", dagster, env, dagster_url, f"{dagster_url}/server_info", logs / "dagster.log"),
    )


def serve(home: Home, say: Say, dagster_port: int = DAGSTER_PORT, mlflow_port: int = MLFLOW_PORT) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises ServeError when a server does not come up or ends by itself."""
    with _only_one(home, say) as is_first:
        if not is_first:
            return
        chosen = servers(home, *_choose_ports(dagster_port, mlflow_port, say))
        children: list[Child] = []
        previous = {number: signal.signal(number, _interrupt) for number in ENDING}
        try:
            _run(home, chosen, children, say)
        except KeyboardInterrupt:
            say("stopping ...")
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            stop([child.process.pid for child in children])
            for child in children:
                child.process.wait()
            _state_file(home).unlink(missing_ok=True)


def _run(home: Home, chosen: Iterable[Server], children: list[Child], say: Say) -> None:
    """Start what was chosen, adding to `children` at once, so that whoever calls can stop them; then watch."""
    from orchestration.instance import prepare

    prepare(home)
    (home.root / "logs").mkdir(exist_ok=True)
    say("starting Dagster and MLflow (10 to 30 seconds) ...")
    with _nobody_else_creates_mlflow(home):
        for server in chosen:
            children.append(start(server))
        _remember(home, children)
        _wait_until_answering(children, say)
    say("Ctrl-C stops both.")
    while True:
        fail_if_ended(children)
        time.sleep(0.5)


@contextmanager
def _nobody_else_creates_mlflow(home: Home) -> Iterator[None]:
    """MLflow's server creates a missing database at its start; two processes that create it at once both fail."""
    if home.mlflow_db.exists():
        yield
        return
    with (home.root / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _choose_ports(dagster_port: int, mlflow_port: int, say: Say) -> tuple[int, int]:
    found_dagster = free_port(dagster_port)
    found_mlflow = free_port(mlflow_port, frozenset({found_dagster}))
    for name, wanted, found in (("Dagster", dagster_port, found_dagster), ("MLflow", mlflow_port, found_mlflow)):
        if wanted != found:
            say(f"port {wanted} is taken; {name} goes to {found}")
    return found_dagster, found_mlflow


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_until_answering(children: list[Child], say: Say) -> None:
    deadline, waiting = time.monotonic() + ANSWER_SECONDS, list(children)
    while waiting:
        fail_if_ended(children)
        for child in list(waiting):
            if answers(child.server.health):
                say(f"{child.server.name}: {child.server.url}")
                waiting.remove(child)
        if waiting and time.monotonic() > deadline:
            server = waiting[0].server
            raise ServeError(f"{server.name} did not answer within {ANSWER_SECONDS:.0f} s.\n{last_words(server.log)}")
        time.sleep(0.3)


def _state_file(home: Home) -> Path:
    return home.root / "ui.json"


def serving(home: Home) -> dict[str, str]:
    """Addresses of a running `make ui` of this home: dagster, mlflow; empty when none runs."""
    found = _state(home)
    return dict(found["urls"]) if found and is_alive(*found["owner"]) else {}


def export_links(home: Home) -> None:
    """Runs started beside a running `make ui` link to the pages it serves, whatever ports they are on."""
    for name, url in serving(home).items():
        os.environ.setdefault(f"BATON_{name.upper()}_URL", url)


def _state(home: Home) -> dict[str, Any]:
    """What the last `make ui` wrote down; empty when there is nothing, or nothing readable."""
    try:
        return dict(json.loads(_state_file(home).read_text()))
    except (OSError, ValueError):
        return {}


def _remember(home: Home, children: list[Child]) -> None:
    urls = {child.server.name.lower(): child.server.url for child in children}
    groups = [[child.process.pid, started_at(child.process.pid) or ""] for child in children]
    facts = {"owner": [os.getpid(), started_at(os.getpid()) or ""], "groups": groups, "urls": urls}
    written = _state_file(home).with_suffix(".new")
    written.write_text(json.dumps(facts))
    written.replace(_state_file(home))


@contextmanager
def _only_one(home: Home, say: Say) -> Iterator[bool]:
    """Yields False when another `make ui` serves this home: two daemons would start every scheduled run twice.

    The children hold the lock too: where it is held though its owner was killed, they are the ones left to end.
    """
    home.ensure()
    with (home.root / "ui.lock").open("a") as handle:
        os.set_inheritable(handle.fileno(), True)
        if not _take(handle.fileno()):
            if urls := serving(home):
                say(f"already served: Dagster {urls.get('dagster')}, MLflow {urls.get('mlflow')}")
                yield False
                return
            say("ending servers that an earlier, killed `make ui` left behind")
            _end_left_behind(home)
            if not _take(handle.fileno()):
                raise ServeError(f"another `make ui` is starting on {home.root}. Next: wait for it, or baton doctor")
        yield True


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_left_behind(home: Home) -> None:
    stop([pid for pid, started in _state(home).get("groups", []) if is_alive(pid, started)])
    time.sleep(0.2)
