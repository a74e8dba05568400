"""Real receivers of pages on this machine: one of HTTP (JSON posts and pings) and one of mail."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


@dataclass
class Receiver:
    """What came in. status: what a post is answered; got: path and body of each post that was answered 200."""

    port: int
    status: int = 200
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    pings: list[str] = field(default_factory=list)

    def url(self, path: str = "") -> str:
        """An Apprise address that ends here."""
        return f"json://127.0.0.1:{self.port}/{path}"

    def titles(self, path: str) -> list[str]:
        """Titles of what was posted to a path, oldest first."""
        return [body["title"] for to, body in self.got if to == path]


@contextmanager
def http() -> Iterator[Receiver]:
    """A receiver on a free port of the loopback interface."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.status == 200:
                receiver.got.append((self.path, json.loads(body)))
            self.send_response(receiver.status)
            self.end_headers()

        def do_GET(self) -> None:
            receiver.pings.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_port)
    with _serving(server):
        yield receiver


@contextmanager
def smtp() -> Iterator[tuple[int, list[str]]]:
    """Port and mails of as much of RFC 5321 as a client needs to hand over one mail."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 local\r\n")
            while line := self.rfile.readline():
                verb = line.strip().upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    mails.append(b"".join(lines).decode())
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
    with _serving(server):
        yield server.server_address[1], mails


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
