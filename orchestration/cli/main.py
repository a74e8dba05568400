"""The command group: finds commands by file name and turns expected errors into one message and an exit code."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from orchestration.cli.errors import EXIT_CODES_HELP, INTERRUPTED, as_expected

COMMANDS = (
    "run",
    "status",
    "performance",
    "diagnose",
    "incidents",
    "ack",
    "snooze",
    "pass",
    "page",
    "doctor",
    "sql",
    "retrain",
    "backfill",
    "new",
    "restore",
    "demo",
    "drill",
    "ui",
    "dbt",
)


class Baton(click.Group):
    """Loads `orchestration/cli/NAME.py` when command NAME is asked for; each has one attribute `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a working day; `demo` and `drill` only where the demo company is installed."""
        return [name for name in COMMANDS if name not in ("demo", "drill") or find_spec("demo")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None if there is none of this name (click then says what is allowed)."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"orchestration.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; expected errors become one message and their exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nInterrupted. Nothing is left half-done; the next `baton run` goes on from here.", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            expected = as_expected(error)
            if expected is None:
                raise
            raise expected from error


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"baton {version('baton')}")
        ctx.exit()


@click.group(cls=Baton, epilog=EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Say the version.")
def cli() -> None:
    """Keep a team's predictions true, and keep somebody answerable for them.

    State lives in the folder BATON_HOME (default: .baton beside the code). All times are UTC.

    \b
    Example:
      baton run && baton status
    """


def main() -> None:
    """Entry point of the script `baton`."""
    cli(prog_name="baton")
