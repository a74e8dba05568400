"""`baton page`: does a page reach its group; and what did not get out, sent again."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from ml import clock
from ml.home import Home
from orchestration.cli.errors import FAILED, USAGE, CommandFailed
from orchestration.cli.options import NOW

if TYPE_CHECKING:
    from orchestration.paging.model import Team


@click.command("page", short_help="Try whether a page reaches its group; send again what did not get out.")
@click.option("--test", "group", metavar="GROUP", help="Send a test message to this group's address, and only there.")
@click.option("--retry", is_flag=True, help="Send dead letters again.")
@NOW
@click.pass_context
def command(ctx: click.Context, group: str | None, retry: bool, now: datetime | None) -> None:
    """Send a test message to GROUP, or what could not be delivered again. Addresses themselves are never shown.

    \b
    Examples:
      baton page --test ml_engineering
      baton page --retry
    """
    home, instant = Home.from_env().ensure(), now or clock.resolve()
    if (group is None) == (not retry):
        raise click.UsageError("say one of --test GROUP and --retry")
    teams = _teams(home)
    if retry:
        ctx.exit(_retry(home, teams, instant))
    if group not in teams:
        raise CommandFailed(f"group is {group!r}; allowed are {', '.join(sorted(teams))}", USAGE)
    _test(home, teams[group], instant)


def _teams(home: Home) -> "dict[str, Team]":
    from orchestration.dbt.manifest import ensure_manifest
    from orchestration.dbt.roster import roster
    from orchestration.paging.model import Team

    groups = roster(ensure_manifest(home).load())
    return {name: Team(name, group.page, group.backup) for name, group in groups.items()}


def _test(home: Home, team: "Team", now: datetime) -> None:
    from orchestration.paging.channels import Apprise, NotDelivered, address_of, write_file
    from orchestration.paging.model import Message

    body = f"This is a test by {home.root.name} at {now:%Y-%m-%d %H:%M} UTC. Nothing is broken.\n"
    title = f"Test page for {team.name}"
    message = Message(f"baton-test-{team.name}", None, "test", team.name, title, body, now)
    address = address_of(team)
    if address.url is None:
        path = write_file(home.root / "pages", message, title, f"Written here because {address.missing}.")
        raise CommandFailed(
            f"{address.missing}, so pages to {team.name} become files: {path}. Next: baton doctor", FAILED
        )
    try:
        Apprise().send(address.url, message, title)
    except NotDelivered as error:
        raise CommandFailed(f"not delivered to {team.name}: {error}. Next: mend the address, then try again") from error
    click.echo(f"Sent to {team.name} by {address.scheme}. Look whether it arrived.")


def _retry(home: Home, teams: "dict[str, Team]", now: datetime) -> int:
    from orchestration.cli.answering import LATER, told
    from orchestration.paging.delivery import COMMAND, Courier, outcomes, retry_dead, undelivered
    from orchestration.paging.store import Store

    with Store(home) as kept:
        count = retry_dead(kept, now)
        done = outcomes(Courier(kept, teams, patience=COMMAND).deliver(now))
        left = undelivered(kept)
    for each in done:
        click.echo(told(each))
    dead = sum(letter.is_dead for letter in left)
    click.echo(f"{count} dead letters were tried again, {dead} are dead again.")
    if waiting := len(left) - dead:
        click.echo(f"{waiting} wait. {LATER}")
    return FAILED if left else 0
