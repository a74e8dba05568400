"""From a real run of the small project to a page: a failing check, its repair, a killed run, a broken store."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from company import NOW, Small

from orchestration import launch
from orchestration.paging.model import World
from orchestration.paging.pager import Pager, incidents, messages
from orchestration.paging.store import Store

DAY = timedelta(days=1)
BAD, GOOD = (1, -2.5, "2026-11-20 10:00"), (1, 2.5, "2026-11-20 10:00")


@dataclass
class Receiver:
    """A local HTTP receiver of pages; `status` is what it answers."""

    port: int = 0
    status: int = 200
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def kinds(self, path: str) -> list[str]:
        return [body["title"] for to, body in self.got if to == path]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.status == 200:
                found.got.append((self.path, json.loads(body)))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    monkeypatch.setenv("PAGE_DATA", f"json://127.0.0.1:{found.port}/data")
    monkeypatch.setenv("PAGE_ANALYTICS", f"json://127.0.0.1:{found.port}/analytics")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fresh(small: Small) -> Small:
    """The small project with nothing in the pager's memory."""
    for left in small.home.root.glob("incidents*"):
        left.unlink()
    return small


def test_a_failing_check_pages_its_group_once_and_says_when_it_is_over(fresh: Small, receiver: Receiver) -> None:
    fresh.orders(BAD)
    assert not launch.run_due(fresh.home, NOW).success
    assert receiver.kinds("/analytics") == ["staging/orders is broken: amount is not negative"]
    page = receiver.got[0][1]["message"]
    assert "amount -2.5 below 0" in page
    assert "baton dbt test --select amount_is_not_negative" in page
    assert "shop/daily" in page
    assert "Sat 21 Nov 2026 06:00 UTC" in page
    with Store(fresh.home) as kept:
        Pager(kept, World({}, {}, {})).acknowledge(1, "ann", NOW)
    launch.run_due(fresh.home, NOW + DAY)
    assert len(receiver.kinds("/analytics")) == 1, "still broken is no second page"
    fresh.orders(GOOD, (2, 1.0, "2026-11-22 10:00"))
    assert launch.run_due(fresh.home, NOW + 2 * DAY).success
    assert receiver.kinds("/analytics")[1:] == ["Over: staging/orders"]
    told = ["For your information: staging/orders is broken, analytics_engineering is on it"]
    assert receiver.kinds("/data") == [*told, "Over: staging/orders, you are no longer blocked"]
    assert "published/warehouse" in receiver.got[1][1]["message"]
    assert "is of an earlier run" in receiver.got[1][1]["message"]
    with Store(fresh.home) as kept:
        assert [each.state for each in incidents(kept, everything=True)] == ["resolved"]
        assert {message["state"] for message in messages(kept)} == {"sent"}
