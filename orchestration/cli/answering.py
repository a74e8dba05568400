"""What the commands that answer a page share."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ml.home import Home
from ml.masking import one_line
from orchestration.cli.errors import FAILED, NOTHING_YET, USAGE, CommandFailed

if TYPE_CHECKING:
    from orchestration.paging.delivery import Delivered
    from orchestration.paging.model import World
    from orchestration.paging.pager import Pager

LATER = "The daemon, or each later run, tries again by itself."


@contextmanager
def answering(home: Home, world: "World | None" = None) -> "Iterator[Pager]":
    """The pager of a home; what it refuses is wrong usage."""
    from orchestration.paging import model, pager
    from orchestration.paging.store import Store

    with Store(looked_at(home)) as kept:
        try:
            yield pager.Pager(kept, world or model.World({}, {}, {}))
        except ValueError as error:  # NoSuchIncident and NoSuchGroup are such
            raise CommandFailed(str(error), USAGE) from error


def looked_at(home: Home) -> Home:
    """The home, if its pager has ever looked. Raises CommandFailed where it has not; asking makes no store."""
    from orchestration.cli.findings_paging import has_store

    if not has_store(home):
        raise CommandFailed(f"no run has ended in {home.root} yet, so nobody has looked. Next: baton run", NOTHING_YET)
    return home


def named(who: str | None) -> str:
    """Whoever answers as one line: the name given, else the user of this shell."""
    return one_line(who or "") or user()


def user() -> str:
    """Who types."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "somebody"


def deliver(pager: "Pager", now: datetime) -> None:
    """Send what a command has to say, and tell what became of it. Raises CommandFailed where it did not get out."""
    from orchestration.paging.delivery import COMMAND, Courier, outcomes

    done = outcomes(Courier(pager.store, pager.world.teams, patience=COMMAND).deliver(now))
    for each in done:
        click.echo(told(each))
    if any(each.state == "dead" for each in done):
        raise CommandFailed("not every message could be delivered. Next: baton doctor", FAILED)
    if waiting := sum(each.state == "waiting" for each in done):
        raise CommandFailed(f"{waiting} message(s) did not get out yet. {LATER} Next: baton doctor", FAILED)


def told(sent: "Delivered") -> str:
    """One delivery in words."""
    return f"told: {sent.message.title}: {sent.message.kind} to {sent.target} ({sent.state}, {sent.where})"
