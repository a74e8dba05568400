"""The pager of one home: the pure core on the store, one transaction per call."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from orchestration.paging import core, schema, store
from orchestration.paging.model import Diagnose, Incident, Observation, Policy, State, World
from orchestration.paging.rows import incident_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from orchestration.paging.store import Store


class Pager:
    """Looks, commands and questions on one store."""

    def __init__(self, kept: "Store", world: World, policy: Policy | None = None) -> None:
        self.store, self.world, self.policy = kept, world, policy or Policy()

    def observe(
        self, batches: Sequence[Sequence[Observation]], now: datetime, diagnose: Diagnose | None = None
    ) -> core.Look:
        """Take in observations, one batch per run."""
        with self.store.transaction() as con:
            return observe(con, batches, now, self.world, self.policy, diagnose)

    def acknowledge(self, number: int, who: str, now: datetime) -> core.Look:
        """`baton ack`. Raises NoSuchIncident."""
        return self._do(lambda state: core.acknowledge(state, number, who, now, self.world), now)

    def snooze(self, number: int, until: datetime, who: str, now: datetime) -> core.Look:
        """`baton snooze`. Raises NoSuchIncident, ValueError."""
        return self._do(lambda state: core.snooze(state, number, until, who, now, self.world), now)

    def pass_on(self, number: int, group: str, why: str, now: datetime) -> core.Look:
        """`baton pass`. Raises NoSuchIncident, NoSuchGroup, ValueError."""
        return self._do(lambda state: core.pass_on(state, number, group, why, now, self.world), now)

    def _do(self, change: Callable[[State], core.Look], now: datetime) -> core.Look:
        with self.store.transaction() as con:
            before = store.load(con)
            look = change(before)
            store.save(con, before, look, now)
        return look


def observe(
    con: "Connection",
    batches: Sequence[Sequence[Observation]],
    now: datetime,
    world: World,
    policy: Policy | None = None,
    diagnose: Diagnose | None = None,
    before: State | None = None,
) -> core.Look:
    """One look in the caller's transaction, which holds the cursors too. `before`: the state, where it is loaded."""
    before = before or store.load(con)
    look = core.observe(before, batches, now, world, policy, diagnose)
    store.save(con, before, look, now)
    return look


def incidents(kept: "Store", everything: bool = False) -> list[Incident]:
    """Open incidents, with `everything` all of them; oldest first."""
    table = schema.INCIDENTS
    wanted = sa.select(table).order_by(table.c.id)
    with kept.transaction() as con:
        rows = con.execute(wanted if everything else wanted.where(table.c.state != "resolved")).mappings()
        return [incident_of(row) for row in rows]


def messages(kept: "Store", state: str | None = None) -> list[dict[str, Any]]:
    """Outbox rows as mappings in the order written; of one delivery state (waiting, sent, dead ...) or of all."""
    table = schema.MESSAGES
    wanted = sa.select(table).order_by(table.c.number)
    with kept.transaction() as con:
        return [dict(row) for row in con.execute(wanted.where(table.c.state == state) if state else wanted).mappings()]
