"""How a message leaves: Apprise by URL, or a readable file in the home where nobody set an address."""

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from orchestration.paging.model import PAGES, Message, Team

_STATUS = re.compile(r"error[=: ]+(\d{3})", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z0-9]{1,16})://", re.IGNORECASE)

OPEN_SCHEMES = ("json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "syslog")
OPEN_PARAMETERS = ("from", "to", "cc", "bcc", "name", "smtp", "mode", "format", "verify", "rto", "cto")
BELOW = ("urllib3", "requests", "httpx", "asyncio")


class NotDelivered(RuntimeError):
    """The channel did not take the message; the text holds no address."""


class Channel(Protocol):
    """Sends one message to one address. Raises NotDelivered."""

    def send(self, address: str, message: Message, title: str) -> None: ...


@dataclass(frozen=True)
class Address:
    """Where a group's messages go. `url` None: `missing` says what is not set."""

    url: str | None
    missing: str = ""

    @property
    def scheme(self) -> str:
        """The part of the address that is no secret: slack, mailto, json."""
        return scheme_of(self.url) if self.url else "file"


def scheme_of(url: str) -> str:
    """What stands before ://; of an address without it nothing can be told: the whole of it may be a token."""
    found = _SCHEME.match(url)
    return found[1] if found else "address without a scheme"


def address_of(team: Team | None) -> Address:
    """A group's address: an Apprise URL as it stands, or the environment variable that env:NAME names."""
    if team is None or not team.page:
        return Address(None, "the group has no page address")
    if not team.page.startswith("env:"):
        return Address(team.page)
    name = team.page.removeprefix("env:")
    found = os.environ.get(name, "").strip()
    return Address(found) if found else Address(None, f"{name} is not set")


def may_hold_a_secret(page: str) -> bool:
    """Whether an address stands where everybody with the project reads it, with what opens it.

    Nearly every service has its token in host, path or query; none has a mail server or receiver named by host alone.
    """
    if page.startswith("env:"):
        return False
    try:
        found = urlsplit(page)
    except ValueError:
        return True
    return (
        found.scheme.lower() not in OPEN_SCHEMES
        or found.username is not None
        or bool(found.path.strip("/"))
        or any(name.lower() not in OPEN_PARAMETERS for name, _ in parse_qsl(found.query, keep_blank_values=True))
    )


class Apprise:
    """The real channel."""

    def send(self, address: str, message: Message, title: str) -> None:
        """Raises NotDelivered with the scheme and, where there is one, the HTTP status."""
        import apprise

        scheme = scheme_of(address)
        types = {"resolved": "success", "unblocked": "success", "blocked": "info", "digest": "info"}
        kind = types.get(message.kind, "failure" if message.kind in PAGES else "info")
        with _Heard() as heard:
            sender = apprise.Apprise()
            if not sender.add(address):
                raise NotDelivered(f"{scheme}: this is no address that Apprise knows")
            if not sender.notify(body=message.body, title=title, notify_type=apprise.NotifyType(kind)):
                raise NotDelivered(f"{scheme}: {heard.reason()}")


class _Heard:
    """Apprise says in its log why it failed, with the address: heard here, kept from every other log.

    What it sends by logs the path of each request, which for a chat's webhook is the secret itself.
    """

    def __enter__(self) -> "_Heard":
        self._log = logging.getLogger("apprise")
        self._before = self._log.propagate, self._log.level, list(self._log.handlers)
        self._records: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self._records.append(record.getMessage())  # type: ignore[method-assign]
        self._log.handlers, self._log.propagate = [handler], False
        self._log.setLevel(logging.WARNING)
        self._quiet = {name: logging.getLogger(name).level for name in BELOW}
        for name in BELOW:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        return self

    def __exit__(self, *_: object) -> None:
        for name, kept in self._quiet.items():
            logging.getLogger(name).setLevel(kept)
        self._log.propagate, level, self._log.handlers = self._before
        self._log.setLevel(level)

    def reason(self) -> str:
        """What is safe to keep of it."""
        for line in self._records:
            if status := _STATUS.search(line):
                return f"the receiver answered {status[1]}"
        return "nobody answered" if any("onnection" in line for line in self._records) else "it was refused"


def write_file(folder: Path, message: Message, title: str, reason: str = "") -> Path:
    """The message as a file for people; the same message is the same file. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{message.created_at:%Y-%m-%dT%H-%M-%S} {message.group} {message.kind} {message.key.split('-', 1)[-1]}.txt"
    path = folder / name
    fresh = path.with_suffix(f".{os.getpid()}")
    head = f"To {message.group}. {reason}".strip()
    fresh.write_text(f"{title}\n{head}\n\n{message.body}")
    fresh.replace(path)
    return path
