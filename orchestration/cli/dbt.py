"""`baton dbt`: dbt's own command line on the project and warehouse that Baton uses."""

import os
import subprocess
import sys
from pathlib import Path

import click

from ml.home import Home


@click.command(
    "dbt",
    short_help="dbt's own command line on this project.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Hand ARGUMENTS to dbt, with the project, the profile and the warehouse of this home.

    The exit code is dbt's. Usage statistics are off. The clock is BATON_NOW where it is set, else dbt's own start.
    What dbt writes by hand is published by the next `baton run`.

    \b
    Examples:
      baton dbt build --select staging
      baton dbt docs generate --static
    """
    from orchestration.dbt.manifest import ensure_manifest, profiles_dir

    home = Home.from_env().ensure()
    manifest = ensure_manifest(home)  # installs the local packages where a clone has moved
    places = {
        "--project-dir": manifest.project_dir,
        "--profiles-dir": profiles_dir(manifest.project_dir),
        "--target-path": home.root / "dbt" / "by_hand",  # the parsed manifest of the runs stays as it is
        "--log-path": home.root / "dbt" / "logs",
    }
    sys.exit(subprocess.call(_dbt(arguments, places), env=_environment(home)))


def _dbt(arguments: tuple[str, ...], places: dict[str, Path]) -> list[str]:
    """The command line; places are added where a subcommand is given and the caller did not name them."""
    is_subcommand = bool(arguments) and not arguments[0].startswith("-")
    added = [text for flag, path in places.items() if flag not in arguments for text in (flag, str(path))]
    return [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        "from dbt.cli.main import cli; cli(prog_name='baton dbt')",
        *(arguments or ("--help",)),
        *(added if is_subcommand and "--help" not in arguments else []),
    ]


def _environment(home: Home) -> dict[str, str]:
    return {**os.environ, "BATON_HOME": str(home.root), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}
