"""`baton restore`: a damaged warehouse made again from the published copy and the landing files."""

import click

from ml.home import Home
from orchestration.cli.options import JSON


@click.command("restore", short_help="Make a damaged warehouse again from what is published.")
@JSON
def command(as_json: bool) -> None:
    """Make a warehouse that cannot be opened again, from the published copy and the landing files.

    The damaged file is put aside, never deleted. The copy brings back everything of the last good run, the append-only
    prediction log included; personal columns, which it does not hold, are read again from the landing files. What ran
    after it is made up for by the next `baton run`. A warehouse that opens is left alone.

    \b
    Example:
      baton restore && baton run
    """
    from orchestration.cli.output import count, emit_json
    from orchestration.restore import restore

    restored = restore(Home.from_env())
    if as_json:
        from orchestration.cli.facts import as_dict

        emit_json(as_dict(restored))
        return
    click.echo(f"The warehouse is as published at {restored.published_at} UTC.")
    for name, rows in restored.predictions.items():
        click.echo(f"  {name}: {count(rows)} predictions")
    for table, rows in restored.personal.items():
        click.echo(f"  {table}: personal columns of {count(rows)} rows read again from the landing files")
    for table, rows in restored.unfound.items():
        if rows:
            click.echo(f"  {table}: personal columns of {count(rows)} rows stay null; no landing file has these rows")
    if restored.aside:
        click.echo(f"The damaged file is {restored.aside}.")
    click.echo("Next: baton run")
