"""One look at Dagster, end to end: read what is new, decide, record, deliver, show, give a sign of life."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml.home import Home
from orchestration.observing import heartbeat, homes, shown
from orchestration.observing.collect import Collected
from orchestration.observing.diagnosing import diagnoser
from orchestration.observing.read import asking_dagster, news, remember
from orchestration.observing.world import world_of
from orchestration.paging import core, pager, store
from orchestration.paging.delivery import COMMAND, SENSOR, Courier, Delivered, Patience
from orchestration.paging.model import Incident, Message
from orchestration.paging.store import Store

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from orchestration.graph import Graph
    from orchestration.paging.channels import Channel

LOOKED, LOOKED_BY = "looked at", "looked by"  # facts of the store, for `baton doctor`
DAEMON_SECONDS = 300.0
LOOK_SECONDS = 30.0


@dataclass(frozen=True)
class Watched:
    """What one look did. changed: incidents as they are after it; messages: written; delivered: tried just now."""

    changed: tuple[Incident, ...] = ()
    messages: tuple[Message, ...] = ()
    delivered: tuple[Delivered, ...] = ()
    is_mine: bool = True


def watch(
    home: Home,
    instance: "DagsterInstance",
    graph: "Graph",
    now: datetime,
    *,
    by: str,
    heard: Mapping[str, Collected] | None = None,
    channel: "Channel | None" = None,
    wall: Callable[[], float] = time.time,
) -> Watched:
    """Look once at `now`. by: sensor or command. heard: runs of this process.

    Returns at once, with `is_mine` False, where the sensor meets another look under way. Raises StoreError.
    """
    world = world_of(graph, home)
    diagnose = diagnoser(graph, home, instance, now, world)
    until = time.monotonic() + LOOK_SECONDS
    changed: dict[int, Incident] = {}
    messages: list[Message] = []
    with Store(home) as kept:
        with kept.alone("observe", wait=by == "command") as is_mine:
            if not is_mine:
                return Watched(is_mine=False)
            is_all = False
            while not is_all and time.monotonic() < until:
                with kept.transaction() as con:
                    instant = datetime.fromtimestamp(wall(), UTC).replace(tzinfo=None)
                    before = store.load(con)
                    found = news(con, instance, graph, heard or {}, instant)
                # A diagnosis takes seconds, a minute where the warehouse is held: made here, it keeps nobody's answer
                # waiting. Below it is known, and what people have answered meanwhile counts.
                core.observe(before, found.batches, now, world, diagnose=diagnose)
                with kept.transaction() as con:
                    before = store.load(con)
                    look = pager.observe(con, found.batches, now, world, diagnose=diagnose, before=before)
                    remember(con, found)
                    store.remember(con, **{LOOKED: instant.isoformat(timespec="seconds"), LOOKED_BY: by})
                    homes.remember(con, home, instant)
                is_all = found.is_all
                messages += look.messages
                known, old = look.state.incidents, before.incidents
                changed |= {number: each for number, each in known.items() if old.get(number) != each}
        with asking_dagster():
            how = patience(instance, by)
        delivered = Courier(kept, world.teams, channel, how).deliver(now)
        with asking_dagster():
            shown.show(instance, kept, world, changed)
    heartbeat.beat(os.environ.get(heartbeat.URL))
    return Watched(tuple(changed.values()), tuple(messages), tuple(delivered))


def patience(instance: "DagsterInstance", by: str) -> Patience:
    """A living daemon comes back to try again; where none does, the command line stays for some seconds."""
    if by == "sensor":
        return SENSOR
    beats = instance.get_daemon_heartbeats()
    newest = max((beat.timestamp for beat in beats.values()), default=0.0)
    return SENSOR if time.time() - newest < DAEMON_SECONDS else COMMAND
