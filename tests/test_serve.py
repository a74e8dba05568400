"""Serving: free ports when some are taken, children that end with us, one server pair per home."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.home import PROJECT_ROOT, Home
from orchestration import links, serve
from orchestration.children import HOST, Child, ServeError, Server, answers, fail_if_ended, free_port, start, stop

PAGE = "import http.server as h, sys; h.test(h.SimpleHTTPRequestHandler, bind='127.0.0.1', port=int(sys.argv[1]))"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody really listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def page(port: int, log: Path, code: str = PAGE) -> Server:
    url = f"http://{HOST}:{port}/"
    return Server("Page", (sys.executable, "-c", code, str(port)), dict(os.environ), url, url, log)


def killed_at_once() -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process


def test_a_taken_port_is_passed_over(taken: int) -> None:
    found = free_port(taken)
    assert found > taken
    assert free_port(taken, frozenset({found})) > found


def test_taken_ports_are_said(taken: int) -> None:
    said: list[str] = []
    dagster, mlflow = serve._choose_ports(taken, taken, said.append)
    assert len({taken, dagster, mlflow}) == 3
    moved = {"Dagster": dagster, "MLflow": mlflow}
    assert said == [f"port {taken} is taken; {name} goes to {port}" for name, port in moved.items()]


def test_dagster_is_told_where_mlflow_answers(tmp_path: Path) -> None:
    mlflow, dagster = serve.servers(Home(tmp_path / "a home"), 3100, 5100)
    assert dagster.env["BATON_MLFLOW_URL"] == mlflow.url == "http://127.0.0.1:5100"
    assert dagster.env["DAGSTER_HOME"] == str(tmp_path / "a home" / "dagster")
    for server, flag in ((mlflow, "--host"), (dagster, "-h")):
        assert server.command[server.command.index(flag) + 1] == "127.0.0.1"


def test_a_child_answers_and_its_whole_group_ends(tmp_path: Path) -> None:
    child = start(page(free_port(18000), tmp_path / "log"))
    deadline = time.monotonic() + 30
    while not answers(child.server.health):
        fail_if_ended([child])
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert urllib.request.urlopen(child.server.url).status == 200
    stop([child.process.pid])
    child.process.wait()
    with pytest.raises(ProcessLookupError):
        os.killpg(child.process.pid, 0)


def test_a_child_that_ends_by_itself_leaves_its_last_words(tmp_path: Path) -> None:
    child = start(page(1, tmp_path / "log", "print('no such table: users'); raise SystemExit(3)"))
    child.process.wait()
    with pytest.raises(ServeError, match="exit code 3") as caught:
        fail_if_ended([child])
    assert "no such table: users" in str(caught.value)
    assert str(tmp_path / "log") in str(caught.value)


def test_children_take_signals_though_their_parent_ignores_them(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        child = start(page(1, tmp_path / "log", "import time; time.sleep(60)"))
    finally:
        signal.signal(signal.SIGTERM, before)
    child.process.send_signal(signal.SIGTERM)
    assert child.process.wait(timeout=10) == -signal.SIGTERM


def test_a_second_server_of_the_same_home_says_where_the_first_answers(tmp_path: Path) -> None:
    home, said = Home(tmp_path), list[str]()
    with serve._only_one(home, said.append) as is_first:
        assert is_first
        serve._remember(home, [Child(page(3000, tmp_path / "log"), killed_at_once())])
        with serve._only_one(home, said.append) as is_second:
            assert not is_second
    assert said[0].startswith("already served")
    with serve._only_one(home, said.append) as is_third:
        assert is_third


def test_runs_beside_a_served_home_link_to_its_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path).ensure()
    for name in ("BATON_MLFLOW_URL", "BATON_DAGSTER_URL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    serve.export_links(home)
    assert "BATON_MLFLOW_URL" not in os.environ
    assert links.to_mlflow("1", "abc") == "http://127.0.0.1:5000/#/experiments/1/runs/abc"
    assert links.to_dagster("abc", "churn/model")["dagster_run_url"] == "http://127.0.0.1:3000/runs/abc"
    serve._remember(home, [Child(server, killed_at_once()) for server in serve.servers(home, 3100, 5123)])
    serve.export_links(home)
    assert links.to_mlflow("1", "abc") == "http://127.0.0.1:5123/#/experiments/1/runs/abc"
    said = links.to_dagster("abc", "churn/model")
    assert said["dagster_run_url"] == "http://127.0.0.1:3100/runs/abc"
    assert "(http://127.0.0.1:3100/assets/churn/model)" in said["mlflow.note.content"]


def test_servers_left_behind_by_a_killed_parent_are_ended(tmp_path: Path) -> None:
    parent = (
        "import os, sys; from pathlib import Path; from ml.home import Home; from orchestration import serve;"
        "from orchestration.children import Server, start\n"
        "home = Home(Path(sys.argv[1]))\n"
        "with serve._only_one(home, print):\n"
        "    child = start(Server('Sleeper', (sys.executable, '-c', 'import time; time.sleep(60)'), dict(os.environ),"
        " 'http://x', 'http://x', home.root / 'log'))\n"
        "    serve._remember(home, [child])\n"
        "    print(child.process.pid, flush=True)\n"
        "    child.process.wait()\n"
    )
    command = [sys.executable, "-c", parent, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        orphan = int(killed.stdout.readline())
        killed.kill()
    os.killpg(orphan, 0)
    said: list[str] = []
    with serve._only_one(Home(tmp_path), said.append) as is_first:
        assert is_first
    assert "left behind" in said[0]
    assert serve.started_at(orphan) is None
