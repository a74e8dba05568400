"""Tables of the pager, on SQLite and PostgreSQL, and their numbered migrations."""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy import Connection

METADATA = sa.MetaData()
# Instants are naive UTC; what is a tuple in the core is JSON text here.
SIGNALS = sa.Table(
    "signals",
    METADATA,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("history", sa.Text, nullable=False),
    sa.Column("is_failing", sa.Boolean, nullable=False),
    sa.Column("is_warned", sa.Boolean, nullable=False),
    sa.Column("since", sa.DateTime),
    sa.Column("since_as_of", sa.DateTime),
    sa.Column("judged_as_of", sa.DateTime),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("as_of", sa.DateTime, nullable=False),
    sa.Column("event_id", sa.BigInteger, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("group", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
)
INCIDENTS = sa.Table(
    "incidents",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("group", sa.Text, nullable=False),
    sa.Column("opened_at", sa.DateTime, nullable=False),
    sa.Column("since", sa.DateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("assets", "roots", "signals", "cause", "kind")),
    sa.Column("confidence", sa.Float, nullable=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("evidence", "ruled_out", "command", "run_id")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("blocked", "told", "had")),
    *(sa.Column(name, sa.Boolean, nullable=False) for name in ("is_stopped", "is_passed")),
    *(sa.Column(name, sa.Integer, nullable=False) for name in ("misrouted", "episode", "serial")),
    *(sa.Column(name, sa.DateTime) for name in ("deadline", "escalated_at", "snoozed_until")),
    sa.Column("acknowledged_by", sa.Text, nullable=False),
    *(sa.Column(name, sa.DateTime) for name in ("acknowledged_at", "resolved_at")),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("escalated_to", sa.Text, nullable=False, server_default=""),
)
MESSAGES = sa.Table(
    "messages",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),  # the order in which they were written
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("incident_id", sa.Integer),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "group", "title", "body")),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),  # waiting | sending | sent | dead | withdrawn
    sa.Column("target", sa.Text, nullable=False),  # the group tried now: its own, later the backup
    sa.Column("attempts", sa.Integer, nullable=False),  # at this target
    sa.Column("due_at", sa.DateTime, nullable=False),
    sa.Column("sent_at", sa.DateTime),
    sa.Column("channel", sa.Text, nullable=False),  # scheme it went out by: slack, mailto, file
    sa.Column("error", sa.Text, nullable=False),
)
DIGESTS = sa.Table(
    "digests",
    METADATA,
    sa.Column("group", sa.Text, primary_key=True),
    sa.Column("sent_at", sa.DateTime, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)
FACTS = sa.Table(  # cursors over the events, the store's name, when the pager last looked
    "facts", METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
SEEN_RUNS = sa.Table(
    "seen_runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("updated", sa.Float, nullable=False),  # the run's update time when it was read, seconds
)
VERSION = sa.Table("paging_version", METADATA, sa.Column("version", sa.Integer, nullable=False))


def _first(con: "Connection") -> None:
    METADATA.create_all(con, [SIGNALS, INCIDENTS, MESSAGES, DIGESTS, FACTS, SEEN_RUNS])
    con.execute(FACTS.insert(), {"name": "store", "value": uuid.uuid4().hex[:6]})


def _second(con: "Connection") -> None:
    """Whom an incident was escalated to; the first migration makes the tables as they are today."""
    if "escalated_to" not in {column["name"] for column in sa.inspect(con).get_columns(INCIDENTS.name)}:
        con.execute(sa.text(f"alter table {INCIDENTS.name} add column escalated_to text not null default ''"))


MIGRATIONS: tuple[Callable[["Connection"], None], ...] = (_first, _second)


class StoreTooNew(RuntimeError):
    """The incidents were written by a newer Baton."""


def migrate(con: "Connection") -> None:
    """Bring the tables to the newest version, in the caller's transaction. Raises StoreTooNew."""
    VERSION.create(con, checkfirst=True)
    found = con.execute(sa.select(VERSION.c.version)).scalar()
    if found is not None and found > len(MIGRATIONS):
        raise StoreTooNew(
            f"the incidents have schema version {found}; this Baton knows up to {len(MIGRATIONS)}. "
            "Update Baton, or set BATON_INCIDENTS_URL to another database."
        )
    if found == len(MIGRATIONS):
        return
    for step in MIGRATIONS[found or 0 :]:
        step(con)
    con.execute(VERSION.delete())
    con.execute(VERSION.insert(), {"version": len(MIGRATIONS)})
