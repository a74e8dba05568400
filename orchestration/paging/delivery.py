"""From the outbox to people: at least once, tried again with patience, then the backup, then the dead letters."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zlib import crc32

from orchestration.paging import schema
from orchestration.paging.channels import Apprise, Channel, NotDelivered, address_of, write_file
from orchestration.paging.model import Message, Team
from orchestration.paging.rows import message_of
from orchestration.paging.texts import when

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestration.paging.store import Store

LISTED = 8  # lines of a list of letters


@dataclass(frozen=True)
class Patience:
    """How often and how long to try one group, and how many seconds one round may take (the rest stays for the next).

    waits: sleep until the next try is due instead of leaving it. lives: so long after it was written a message that
    nobody takes stays waiting, for others to try again; it is a dead letter only after that.
    """

    attempts: int
    first: timedelta
    longest: timedelta
    seconds: float
    waits: bool = False
    lives: timedelta = timedelta(0)

    def pause(self, attempt: int, key: str) -> timedelta:
        """Before the next try: doubling, and spread by up to half so that many do not come at once."""
        spread = 0.5 + (crc32(f"{key} {attempt}".encode()) % 1000) / 1000
        doubled: timedelta = min(self.first * 2 ** (attempt - 1), self.longest)
        return doubled * spread


# A sensor comes back every half minute, and its tries at a group and at its backup take more than half an hour. Without
# one the command line tries for some seconds, and each later command again: some seconds say nothing of an outage.
LIVES = timedelta(hours=4)
SENSOR = Patience(6, timedelta(seconds=30), timedelta(minutes=15), 25)
COMMAND = Patience(3, timedelta(milliseconds=500), timedelta(seconds=2), 20, waits=True, lives=LIVES)


@dataclass(frozen=True)
class Delivered:
    """What became of one message just now. state: sent | dead | waiting. `where`: scheme, or the file."""

    message: Message
    state: str
    where: str
    target: str


class Courier:
    """Delivers one store's outbox to `teams`."""

    def __init__(
        self,
        kept: "Store",
        teams: Mapping[str, Team],
        channel: Channel | None = None,
        patience: Patience = SENSOR,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.store, self.teams, self.patience = kept, teams, patience
        self.channel: Channel = channel or Apprise()
        self._sleep = sleep
        self.folder = kept.home.root / "pages"
        self._tried: set[str] = set()  # keys, in this round
        self._left: set[str] = set()  # of them: for the next round

    def deliver(self, now: datetime) -> "list[Delivered]":
        """Try everything that is due at `now`. Does nothing while another process delivers."""
        done: list[Delivered] = []
        until = time.monotonic() + self.patience.seconds
        self._tried, self._left = set(), set()
        with self.store.alone("deliver", wait=self.patience.waits) as is_mine:
            while is_mine and time.monotonic() < until and (row := self._next(now)):
                if (wait := row["due_at"] - now) > timedelta(0):
                    self._sleep(wait / timedelta(seconds=1))
                    now += wait
                done.append(self._try(row, now))
        return done

    def _next(self, now: datetime) -> "dict[str, Any] | None":
        """What is due first, and what was never tried before what was: nobody waits behind a channel that is down.

        But a group gets what is said of one incident in the order in which it was written.
        A message that was being sent when its process died is due at once, as each is at a command's first try.
        What is due later than any pause lasts was set by a clock that has been wound back since.
        """
        table = schema.MESSAGES
        horizon = now + (self.patience.longest * 2 if self.patience.waits else timedelta(0))
        unsent = table.select().where(table.c.state.in_(("waiting", "sending"))).order_by(table.c.number)
        with self.store.transaction() as con:
            rows = [row for row in _in_order(con.execute(unsent).mappings()) if row["key"] not in self._left]
        for row in rows:
            is_first = self.patience.waits and row["key"] not in self._tried
            is_wrong = row["state"] == "sending" or row["due_at"] - now > SENSOR.longest * 2
            row["due_at"] = now if is_wrong else min(row["due_at"], now) if is_first else row["due_at"]
        due = [row for row in rows if row["due_at"] <= horizon]
        return min(due, key=lambda row: (bool(row["error"]), row["due_at"]), default=None)

    def _try(self, row: "dict[str, Any]", now: datetime) -> Delivered:
        """One attempt, marked before it is made: a message that kills its process is not tried for ever.

        One that waits gets its attempt, however often a more patient sender tried it.
        """
        message, target, attempts = message_of(row), row["target"], row["attempts"] + 1
        self._tried.add(message.key)
        if row["state"] == "sending" and attempts > self.patience.attempts:
            return self._give_up(message, target, "its sender died each time", now, is_deadly=True)
        self._mark(message, state="sending", attempts=attempts)
        address = address_of(self.teams.get(target))
        if address.url is None:
            return self._without_address(message, target, address.missing, attempts, now)
        try:
            self.channel.send(address.url, message, self.title(message, target))
        except NotDelivered as error:
            return self._again(message, target, str(error), attempts, now)
        self._mark(message, state="sent", sent_at=now, channel=address.scheme, error="")
        return Delivered(message, "sent", address.scheme, target)

    def _again(self, message: Message, target: str, error: str, attempts: int, now: datetime) -> Delivered:
        """Later once more, as long as patience lasts."""
        if attempts >= self.patience.attempts:
            return self._give_up(message, target, error, now)
        self._mark(message, state="waiting", due_at=now + self.patience.pause(attempts, message.key), error=error)
        return Delivered(message, "waiting", error, target)

    def title(self, message: Message, target: str) -> str:
        """The title, naming whom it was for where the backup gets it."""
        return message.title if target == message.group else f"For {message.group}: {message.title}"

    def _without_address(self, message: Message, target: str, missing: str, attempts: int, now: datetime) -> Delivered:
        """Nobody set an address: the backup's, where there is one, else a file."""
        backup = self._backup(message, target)
        if backup and address_of(self.teams.get(backup)).url is not None:
            self._mark(message, state="waiting", target=backup, attempts=0, due_at=now, error=missing)
            return Delivered(message, "waiting", missing, target)
        try:
            path = write_file(self.folder, message, message.title, f"Written here because {missing}.")
        except OSError as error:
            return self._again(message, target, f"{missing}, and {_unwritten(error)}", attempts, now)
        self._mark(message, state="sent", sent_at=now, channel="file", error="")
        return Delivered(message, "sent", str(path), message.group)

    def _backup(self, message: Message, target: str) -> str | None:
        team = self.teams.get(message.group)
        return team.backup if team and target == message.group else None

    def _give_up(self, message: Message, target: str, error: str, now: datetime, is_deadly: bool = False) -> Delivered:
        """The backup's turn; after it, the next round's or the dead letters, with a file so that the text is not lost.

        is_deadly: it killed who sent it, and would kill the next one too.
        """
        backup = self._backup(message, target)
        if backup and address_of(self.teams.get(backup)).url is not None:
            self._mark(message, state="waiting", target=backup, attempts=0, due_at=now, error=error)
            return Delivered(message, "waiting", error, target)
        if now - message.created_at < self.patience.lives and not is_deadly:
            self._left.add(message.key)
            self._mark(message, state="waiting", target=message.group, attempts=0, due_at=now, error=error)
            return Delivered(message, "waiting", error, target)
        try:
            write_file(self.folder, message, message.title, f"Could not be delivered: {error}.")
        except OSError as full:
            error = error if _unwritten(full) in error else f"{error}; {_unwritten(full)}"
        self._mark(message, state="dead", error=error)
        return Delivered(message, "dead", error, target)

    def _mark(self, message: Message, **values: object) -> None:
        table = schema.MESSAGES
        with self.store.transaction() as con:
            con.execute(table.update().where(table.c.key == message.key).values(**values))


def _unwritten(error: OSError) -> str:
    return f"no file could be written ({error.strerror})"


def _in_order(rows: "Iterable[Mapping[Any, Any]]") -> "list[dict[str, Any]]":
    """Of each incident and group the oldest message alone; digests as they are."""
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        about = row["key"] if row["incident_id"] is None else (row["incident_id"], row["group"])
        found.setdefault(about, dict(row))
    return list(found.values())


def retry_dead(kept: "Store", now: datetime) -> int:
    """Send dead letters again, to their own group first; returns how many."""
    table = schema.MESSAGES
    with kept.transaction() as con:
        done = con.execute(
            table.update()
            .where(table.c.state == "dead")
            .values(state="waiting", target=table.c.group, attempts=0, due_at=now)
        )
        return done.rowcount


def outcomes(delivered: "Iterable[Delivered]") -> list[Delivered]:
    """What became of each message in the end, whatever came of the tries before."""
    return list({each.message.key: each for each in delivered}.values())


@dataclass(frozen=True)
class Letter:
    """A message that reached nobody yet. is_dead: nobody tries it any more. reason: the last one; it holds no address.

    incident_id None: a digest. since: when it was written.
    """

    key: str
    incident_id: int | None
    kind: str
    group: str
    title: str
    since: datetime
    reason: str
    is_dead: bool

    @property
    def line(self) -> str:
        """The letter in one line for people."""
        about = "" if self.incident_id is None else f", incident {self.incident_id}"
        return f"{self.title}: {self.kind} to {self.group}{about}, since {when(self.since)}: {self.reason}"


def undelivered(kept: "Store") -> list[Letter]:
    """The dead letters and, apart by `is_dead`, what waits to be tried again; oldest first."""
    table = schema.MESSAGES
    wanted = table.select().where(table.c.state.in_(("waiting", "sending", "dead"))).order_by(table.c.number)
    with kept.transaction() as con:
        return [_letter(row) for row in con.execute(wanted).mappings()]


def _letter(row: "Mapping[Any, Any]") -> Letter:
    taken = {name: row[name] for name in ("key", "incident_id", "kind", "group", "title")}
    reason = row["error"] or "not tried yet"
    return Letter(**taken, since=row["created_at"], reason=reason, is_dead=row["state"] == "dead")


def lines(letters: "Sequence[Letter]") -> list[str]:
    """Letters as lines, the oldest first; of many, how many more."""
    more = [f"and {len(letters) - LISTED} more"] if len(letters) > LISTED else []
    return [letter.line for letter in letters[:LISTED]] + more
