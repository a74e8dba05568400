"""`baton ack`: somebody works on an incident."""

from datetime import datetime

import click

from ml import clock
from ml.home import Home
from orchestration.cli.options import NOW


@click.command("ack", short_help="Say that you work on an incident.")
@click.argument("number", metavar="ID", type=int)
@click.option("--as", "who", help="Your name. Default: the user of this shell.")
@NOW
def command(number: int, who: str | None, now: datetime | None) -> None:
    """Acknowledge incident ID: it does not go to the backup group any more, and everybody sees who has it.

    \b
    Example:
      baton ack 3
    """
    from orchestration.cli.answering import answering, named

    with answering(Home.from_env()) as pager:
        look = pager.acknowledge(number, named(who), now or clock.resolve())
    incident = look.state.incidents[number]
    click.echo(
        f"Incident {number} ({incident.asset}): {incident.acknowledged_by} works on it. One message when it is over."
    )
