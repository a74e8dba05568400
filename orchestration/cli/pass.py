"""`baton pass`: an incident belongs to another group."""

from datetime import datetime

import click

from ml import clock
from ml.home import Home
from orchestration.cli.options import NOW


@click.command("pass", short_help="Hand an incident to the group that can mend it.")
@click.argument("number", metavar="ID", type=int)
@click.option("--to", "group", required=True, help="The group that can mend it.")
@click.option("--reason", required=True, help="Why: it stands in the page that the group gets.")
@NOW
def command(number: int, group: str, reason: str, now: datetime | None) -> None:
    """Hand incident ID to another group, which is paged. It counts as misrouted, so that routing can be judged.

    Afterwards no diagnosis moves it: a person's word counts.

    \b
    Example:
      baton pass 3 --to analytics_engineering --reason "a join in staging drops rows"
    """
    from orchestration.cli.answering import answering, deliver
    from orchestration.definitions import load_graph
    from orchestration.observing.world import world_of

    home, instant = Home.from_env(), now or clock.resolve()
    world = world_of(load_graph(home), home)
    with answering(home, world) as pager:
        look = pager.pass_on(number, group, reason, instant)
        click.echo(f"Incident {number} ({look.state.incidents[number].asset}) is with {group} now.")
        deliver(pager, instant)
