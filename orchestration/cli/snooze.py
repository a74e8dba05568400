"""`baton snooze`: quiet until a time."""

from datetime import datetime

import click

from ml import clock
from ml.home import Home
from orchestration.cli.options import NOW, Instant


@click.command("snooze", short_help="Keep an incident quiet until a time.")
@click.argument("number", metavar="ID", type=int)
@click.option("--until", required=True, type=Instant(), help="When it ends, ISO in UTC; at most 30 days ahead.")
@click.option("--as", "who", help="Your name. Default: the user of this shell.")
@NOW
def command(number: int, until: datetime, who: str | None, now: datetime | None) -> None:
    """Keep incident ID quiet. A snooze always ends; if it is still broken then, its group is paged once more.

    \b
    Example:
      baton snooze 3 --until 2026-11-23T09:00
    """
    from orchestration.cli.answering import answering, named

    with answering(Home.from_env()) as pager:
        look = pager.snooze(number, until, named(who), now or clock.resolve())
    incident = look.state.incidents[number]
    click.echo(f"Incident {number} ({incident.asset}) is quiet until {until:%Y-%m-%d %H:%M} UTC.")
