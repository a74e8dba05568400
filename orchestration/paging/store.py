"""Where incidents live: SQLite in the home, or PostgreSQL by URL. One transaction per look, with cursor and outbox."""

import fcntl
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ml.home import Home
from orchestration.paging import schema
from orchestration.paging.model import RESOLVED, Digest, Incident, State
from orchestration.paging.rows import incident_of, incident_row, message_of, signal_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from orchestration.paging.core import Look

URL = "BATON_INCIDENTS_URL"
BUSY_SECONDS = 30
WAIT_SECONDS = 60.0
RESOLVED_LOADED = 200  # of the newest resolved incidents: those that may come back
SEEN_KEPT = 2000
UNHEARD = ("waiting", "dead")  # states of messages that reached nobody, and that nobody is sending just now


class StoreError(RuntimeError):
    """The incidents cannot be read or written."""


def said(error: Exception) -> str:
    """The first line of what a database says, without the statement."""
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0]


class Store:
    """The pager's memory of one home; a context manager."""

    def __init__(self, home: Home, url: str | None = None) -> None:
        self.home = home
        self.url = sa.make_url(url or os.environ.get(URL) or f"sqlite:///{home.incidents_db}")
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self._engine: Engine | None = None

    def __enter__(self) -> "Store":
        try:
            self.home.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"incidents in {self.home.root}: {error}. Next: baton doctor") from error
        try:
            with self.transaction() as con:
                schema.migrate(con)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @property
    def is_file(self) -> bool:
        """Whether it is SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def engine(self) -> "Engine":
        """The engine, made when first wanted."""
        if self._engine is None:
            if self.is_file:
                self._engine = sa.create_engine(self.url, connect_args={"timeout": BUSY_SECONDS})
                sa.event.listen(self._engine, "connect", _no_implicit_begin)
                sa.event.listen(self._engine, "begin", _begin_immediate)
            else:
                self._engine = sa.create_engine(
                    self.url, connect_args={"connect_timeout": 10, "client_encoding": "utf8"}
                )
        return self._engine

    @contextmanager
    def transaction(self) -> "Iterator[Connection]":
        """A transaction that no other writer is inside of. Raises StoreError, with the address without its password."""
        with self._asking(), self.engine.begin() as con:
            if not self.is_file:
                con.execute(sa.text(f"select pg_advisory_xact_lock({_number('write')})"))
            yield con

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """What the database says as a StoreError."""
        try:
            yield
        except (SQLAlchemyError, ImportError) as error:
            where = self.url.render_as_string(hide_password=True)
            raise StoreError(f"incidents in {where}: {said(error)}. Next: baton doctor") from error

    @contextmanager
    def alone(self, what: str, wait: bool = True) -> Iterator[bool]:
        """Hold the lock `what` (observe, deliver), which dies with its holder; False where somebody else keeps it.

        wait: for up to a minute.
        """
        until = time.monotonic() + (WAIT_SECONDS if wait else 0)
        while True:
            with self._tried(what) as is_mine:
                if is_mine or time.monotonic() >= until:
                    yield is_mine
                    return
            time.sleep(0.1)

    @contextmanager
    def _tried(self, what: str) -> Iterator[bool]:
        if not self.is_file:
            with self._asking(), self.engine.begin() as con:
                yield bool(con.execute(sa.text(f"select pg_try_advisory_xact_lock({_number(what)})")).scalar())
            return
        try:
            handle = (self.home.root / f"incidents.{what}.lock").open("a")
        except OSError as error:
            raise StoreError(f"incidents in {self.home.root}: {error}. Next: baton doctor") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def _no_implicit_begin(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin late, and two readers could then not both become writers


def _begin_immediate(con: "Connection") -> None:
    con.exec_driver_sql("begin immediate")


def _number(what: str) -> int:
    return crc32(f"baton {what}".encode())


def load(con: "Connection") -> State:
    """What the core remembers."""
    incidents = schema.INCIDENTS
    still = con.execute(sa.select(incidents).where(incidents.c.state != RESOLVED)).mappings()
    over = con.execute(
        sa.select(incidents)
        .where(incidents.c.state == RESOLVED)
        .order_by(incidents.c.resolved_at.desc())
        .limit(RESOLVED_LOADED)
    ).mappings()
    found = [incident_of(row) for row in (*still, *over)]
    messages = schema.MESSAGES
    unheard = sa.select(messages).where(messages.c.state.in_(UNHEARD)).order_by(messages.c.number)
    waiting = con.execute(unheard).mappings()
    digests = con.execute(sa.select(schema.DIGESTS)).mappings()
    return State(
        name=fact(con, "store") or "",
        signals={signal.key: signal for signal in map(signal_of, con.execute(sa.select(schema.SIGNALS)).mappings())},
        incidents={incident.id: incident for incident in found},
        pending={message.key: message for message in map(message_of, waiting)},
        digests={row["group"]: Digest(**row) for row in digests},
        last_id=con.execute(sa.select(sa.func.max(incidents.c.id))).scalar() or 0,
        written=con.execute(sa.select(sa.func.max(messages.c.number))).scalar() or 0,
    )


def standing(con: "Connection", numbers: Collection[int] = ()) -> list[Incident]:
    """Open incidents, and those of these numbers whether they are over or not; oldest first."""
    table = schema.INCIDENTS
    wanted = sa.or_(table.c.state != RESOLVED, table.c.id.in_(numbers))
    return [incident_of(row) for row in con.execute(sa.select(table).where(wanted).order_by(table.c.id)).mappings()]


def save(con: "Connection", before: State, look: "Look", now: datetime) -> None:
    """Write what a look changed, in the transaction in which `before` was loaded."""
    after = look.state
    gone = [{"asset": a, "source": s, "name": n} for a, s, n in before.signals.keys() - after.signals.keys()]
    changed = [s for key, s in after.signals.items() if before.signals.get(key) != s]
    _replace(con, schema.SIGNALS, [asdict(signal) for signal in changed], gone)
    touched = [each for number, each in after.incidents.items() if before.incidents.get(number) != each]
    _replace(con, schema.INCIDENTS, [incident_row(incident) for incident in touched])
    digests = [asdict(each) for group, each in after.digests.items() if before.digests.get(group) != each]
    _replace(con, schema.DIGESTS, digests)
    messages = schema.MESSAGES
    if look.withdrawn:
        con.execute(
            messages.update()
            .where(messages.c.key.in_(look.withdrawn), messages.c.state.in_(UNHEARD))
            .values(state="withdrawn")
        )
    if look.messages:
        begun = {"state": "waiting", "attempts": 0, "due_at": now, "channel": "", "error": ""}
        con.execute(messages.insert(), [{**asdict(m), **begun, "target": m.group} for m in look.messages])


def _replace(con: "Connection", table: sa.Table, rows: list[dict[str, Any]], gone: Any = ()) -> None:
    """Rows by primary key: deleted, then written; both databases know no common upsert."""
    keys = [column.name for column in table.primary_key]
    old = [*gone, *({key: row[key] for key in keys} for row in rows)]
    if old:
        condition = sa.and_(*(table.c[key] == sa.bindparam(f"key_{key}") for key in keys))
        con.execute(table.delete().where(condition), [{f"key_{key}": row[key] for key in keys} for row in old])
    if rows:
        con.execute(table.insert(), rows)


def fact(con: "Connection", name: str) -> str | None:
    """A remembered text: a cursor, the store's name."""
    found: str | None = con.execute(sa.select(schema.FACTS.c.value).where(schema.FACTS.c.name == name)).scalar()
    return found


def remember(con: "Connection", **facts: str) -> None:
    """Remember texts by name."""
    _replace(con, schema.FACTS, [{"name": name, "value": value} for name, value in facts.items()])
