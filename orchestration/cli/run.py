"""`baton run`: what is due now, then a summary."""

from datetime import datetime

import click

from ml.home import Home
from orchestration.cli.errors import FAILED
from orchestration.cli.options import JSON, NOW


@click.command("run", short_help="Bring everything up to date, then a summary.")
@NOW
@JSON
@click.option("--quiet", is_flag=True, help="No progress, only the summary.")
@click.pass_context
def command(ctx: click.Context, now: datetime | None, as_json: bool, quiet: bool) -> None:
    """Bring everything up to date: load, build, train where due, predict, monitor, check, publish.

    The first run rehearses the past, so that there is something true to look at; it takes a few minutes. A second run
    with the same clock changes nothing. A run that was killed is taken up where it stood.

    \b
    Examples:
      baton run
      baton run --now 2026-11-22T06:00 --json
    """
    home = Home.from_env()
    if not (as_json or quiet):
        clock_text = f"{now:%Y-%m-%d %H:%M} UTC" if now else "the wall clock"
        click.echo(f"baton run: home {home.root}, now is {clock_text}")
    from orchestration.cli.progress import shown
    from orchestration.cli.summary import print_summary, summarize
    from orchestration.launch import run_due
    from orchestration.serve import export_links

    export_links(home)
    with shown(quiet=as_json or quiet) as on_progress:
        outcome = run_due(home.ensure(), now, on_progress)
    summary = summarize(home, outcome)
    if as_json:
        from orchestration.cli.output import emit_json

        emit_json(summary.as_dict())
    else:
        print_summary(summary)
    if not outcome.success:
        ctx.exit(FAILED)
