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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.paging.store import Store


@dataclass(frozen=True)
class Patience:
    """How often and how long to try one group, and how many seconds one round may take (the rest stays for the next).

    waits: sleep until the next try is due instead of leaving it.
    """

    attempts: int
    first: timedelta
    longest: timedelta
    seconds: float
    waits: bool = False

    def pause(self, attempt: int, key: str) -> timedelta:
        """Before the next try: doubling, and spread by up to half so that many do not come at once."""
        spread = 0.5 + (crc32(f"{key} {attempt}".encode()) % 1000) / 1000
        doubled: timedelta = min(self.first * 2 ** (attempt - 1), self.longest)
        return doubled * spread


# A sensor comes back every half minute; without one nobody would, so the command line stays for some seconds.
SENSOR = Patience(6, timedelta(seconds=30), timedelta(minutes=15), 25)
COMMAND = Patience(3, timedelta(milliseconds=500), timedelta(seconds=2), 20, waits=True)


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

    def deliver(self, now: datetime) -> "list[Delivered]":
        """Try everything that is due at `now`. Does nothing while another process delivers."""
        done: list[Delivered] = []
        until = time.monotonic() + self.patience.seconds
        with self.store.alone("deliver", wait=self.patience.waits) as is_mine:
            while is_mine and time.monotonic() < until and (row := self._next(now)):
                if (wait := row["due_at"] - now) > timedelta(0):
                    self._sleep(wait / timedelta(seconds=1))
                    now += wait
                done.append(self._try(row, now))
        return done

    def _next(self, now: datetime) -> "dict[str, Any] | None":
        """What is due first. A message that was being sent when its process died is due at once.

        What is due later than any pause lasts was set by a clock that has been wound back since.
        """
        table = schema.MESSAGES
        horizon = now + (self.patience.longest * 2 if self.patience.waits else timedelta(0))
        unsent = table.select().where(table.c.state.in_(("waiting", "sending"))).order_by(table.c.number)
        with self.store.transaction() as con:
            rows = [dict(row) for row in con.execute(unsent).mappings()]
        for row in rows:
            if row["state"] == "sending" or row["due_at"] - now > SENSOR.longest * 2:
                row["due_at"] = now
        due = [row for row in rows if row["due_at"] <= horizon]
        return min(due, key=lambda row: row["due_at"], default=None)

    def _try(self, row: "dict[str, Any]", now: datetime) -> Delivered:
        """One attempt, marked before it is made: a message that kills its process is not tried for ever.

        One that waits gets its attempt, however often a more patient sender tried it.
        """
        message, target, attempts = message_of(row), row["target"], row["attempts"] + 1
        if row["state"] == "sending" and attempts > self.patience.attempts:
            return self._give_up(message, target, "its sender died each time", now)
        self._mark(message, state="sending", attempts=attempts)
        address = address_of(self.teams.get(target))
        if address.url is None:
            return self._without_address(message, target, address.missing, now)
        try:
            self.channel.send(address.url, message, self.title(message, target))
        except NotDelivered as error:
            if attempts >= self.patience.attempts:
                return self._give_up(message, target, str(error), now)
            due = now + self.patience.pause(attempts, message.key)
            self._mark(message, state="waiting", due_at=due, error=str(error))
            return Delivered(message, "waiting", str(error), target)
        self._mark(message, state="sent", sent_at=now, channel=address.scheme, error="")
        return Delivered(message, "sent", address.scheme, target)

    def title(self, message: Message, target: str) -> str:
        """The title, naming whom it was for where the backup gets it."""
        return message.title if target == message.group else f"For {message.group}: {message.title}"

    def _without_address(self, message: Message, target: str, missing: str, now: datetime) -> Delivered:
        """Nobody set an address: the backup's, where there is one, else a file."""
        backup = self._backup(message, target)
        if backup and address_of(self.teams.get(backup)).url is not None:
            self._mark(message, state="waiting", target=backup, attempts=0, due_at=now, error=missing)
            return Delivered(message, "waiting", missing, target)
        path = write_file(self.folder, message, message.title, f"Written here because {missing}.")
        self._mark(message, state="sent", sent_at=now, channel="file", error="")
        return Delivered(message, "sent", str(path), message.group)

    def _backup(self, message: Message, target: str) -> str | None:
        team = self.teams.get(message.group)
        return team.backup if team and target == message.group else None

    def _give_up(self, message: Message, target: str, error: str, now: datetime) -> Delivered:
        """The backup's turn; after it, the dead letters, and a file so that the text is not lost."""
        backup = self._backup(message, target)
        if backup and address_of(self.teams.get(backup)).url is not None:
            self._mark(message, state="waiting", target=backup, attempts=0, due_at=now, error=error)
            return Delivered(message, "waiting", error, target)
        write_file(self.folder, message, message.title, f"Could not be delivered: {error}.")
        self._mark(message, state="dead", error=error)
        return Delivered(message, "dead", error, target)

    def _mark(self, message: Message, **values: object) -> None:
        table = schema.MESSAGES
        with self.store.transaction() as con:
            con.execute(table.update().where(table.c.key == message.key).values(**values))


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


def undelivered(rows: "Sequence[Mapping[str, object]]") -> list[Mapping[str, object]]:
    """Outbox rows that reached nobody yet: waiting, being sent, dead."""
    return [row for row in rows if row["state"] in ("waiting", "sending", "dead")]
