"""`baton incidents`: what is broken now, whose it is, who works on it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ml import clock
from ml.home import Home
from orchestration.cli.errors import USAGE, CommandFailed
from orchestration.cli.options import JSON, NOW

if TYPE_CHECKING:
    from orchestration.paging.model import Incident


@click.command("incidents", short_help="What is broken, whose it is, who works on it.")
@click.argument("number", metavar="[ID]", type=int, required=False)
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@NOW
@JSON
def command(number: int | None, everything: bool, now: datetime | None, as_json: bool) -> None:
    """List incidents that are not over; with ID show that one, as its page said it, and what was sent about it.

    \b
    Examples:
      baton incidents
      baton incidents 3
      baton incidents --all --json
    """
    from orchestration.cli.answering import looked_at
    from orchestration.cli.output import emit_json
    from orchestration.paging.pager import incidents, messages
    from orchestration.paging.store import Store

    with Store(looked_at(Home.from_env())) as kept:
        found = incidents(kept, everything or number is not None)
        sent = messages(kept)
    if number is not None:
        found = [incident for incident in found if incident.id == number]
        if not found:
            raise CommandFailed(f"incident {number} does not exist. Next: baton incidents --all", USAGE)
        sent = [message for message in sent if message["incident_id"] == number]
    if as_json:
        emit_json([_plain(incident, sent) for incident in found])
    elif number is not None:
        _print_one(found[0], sent)
    else:
        _print(found, now or clock.resolve())


def _plain(incident: "Incident", sent: list[dict[str, Any]]) -> dict[str, Any]:
    from dataclasses import asdict

    told = ("key", "kind", "group", "title", "state", "target", "channel", "created_at", "sent_at", "error")
    mine = [message for message in sent if message["incident_id"] == incident.id]
    signals = ["/".join((asset, source, name)) for asset, source, name in incident.signals]
    rows = [{name: message[name] for name in told} for message in mine]
    return asdict(incident) | {"signals": signals, "messages": rows}


def _print(found: "list[Incident]", now: datetime) -> None:
    from orchestration.cli.output import age, print_table

    if not found:
        click.echo("Nothing is broken. All of them: baton incidents --all")
        return
    rows = [
        (str(i.id), i.state, i.asset, i.cause.replace("_", " "), i.group, age(i.since, now), i.acknowledged_by or "-")
        for i in found
    ]
    print_table(("id", "state", "asset", "cause", "group", "since", "who"), rows)
    broken = [incident for incident in found if incident.is_open]
    shown = (broken or found)[-1].id
    click.echo(f"\nOne of them: baton incidents {shown}." + (f" Work on it: baton ack {shown}" if broken else ""))


def _print_one(incident: "Incident", sent: list[dict[str, Any]]) -> None:
    from orchestration.paging.model import PAGES
    from orchestration.paging.texts import when

    pages = [message for message in sent if message["kind"] in PAGES]
    if pages:
        click.echo(f"{pages[-1]['title']}\n\n{pages[-1]['body']}")
    until = f"until {when(incident.snoozed_until)}" if incident.snoozed_until else ""
    click.echo("State      " + ", ".join(filter(None, (incident.state, incident.acknowledged_by, until))))
    for message in sent:
        where = f" by {message['channel']}" if message["channel"] else f" {message['error']}".rstrip()
        told = f"{message['kind']} to {message['target']}: {message['state']}{where}"
        click.echo(f"{when(message['created_at'])}  {told}")
