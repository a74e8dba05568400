"""Playing the demo company by hand: `python -m demo --help`."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from demo import truth
from demo.company import CompanySettingError, load
from demo.customers import StateError
from demo.landing import write_missing_days
from ml import clock
from ml.home import Home


class _Instant(click.ParamType[datetime]):
    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return value if isinstance(value, datetime) else clock.resolve(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _home(path: Path | None) -> Home:
    return Home(path.expanduser().resolve()) if path else Home.from_env()


home_option = click.option(
    "--home",
    "path",
    type=click.Path(path_type=Path),
    help="State folder; default BATON_HOME, else .baton/ in the project.",
)


@click.group(epilog="Example: python -m demo write --now 2026-11-21")
def main() -> None:
    """The demo company: production systems that a seed plays day by day, with a known truth about churn.

    BATON_DEMO_ACCOUNTS, BATON_DEMO_DAYS and BATON_DEMO_SEED decide which company a new home plays; a home keeps its
    company.
    """


@main.command(epilog="Example: BATON_DEMO_ACCOUNTS=500 python -m demo write --home /tmp/small --now 2026-11-21")
@home_option
@click.option(
    "--now", type=_Instant(), help="Play until the midnight before this instant; default BATON_NOW, else the clock."
)
@click.option("--json", "as_json", is_flag=True, help="Facts as one JSON object.")
def write(path: Path | None, now: datetime | None, as_json: bool) -> None:
    """Write the landing files of every day that is missing; existing files are never touched."""
    try:
        facts = write_missing_days(_home(path), now or clock.resolve())
    except (CompanySettingError, StateError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{name:13} {fact}" for name, fact in facts.items()))


@main.command(epilog="Example: python -m demo show --home /tmp/small")
@home_option
def show(path: Path | None) -> None:
    """Which company the home plays."""
    home = _home(path)
    company = load(home)
    if company is None:
        raise click.ClickException(f"{home.root} plays no demo company yet. Next: python -m demo write")
    click.echo("\n".join(f"{name:9} {value}" for name, value in vars(company).items()))


@main.command("best", epilog="Example: python -m demo best --from 2026-07-01 --to 2026-09-01 --horizon '30 days'")
@home_option
@click.option("--from", "first", type=_Instant(), required=True, help="First as_of.")
@click.option(
    "--to", "last", type=_Instant(), required=True, help="Last as_of; days that are not matured are left out."
)
@click.option("--horizon", default="30 days", show_default=True, help="A whole number of days.")
def best(path: Path | None, first: datetime, last: datetime, horizon: str) -> None:
    """What the best possible model reaches on every active account and day of a range."""
    try:
        length: timedelta = clock.parse_duration(horizon)
        reached = truth.best_reachable(_home(path), (first, last), {"tp": 0, "fp": 0, "fn": 0, "tn": 0}, length)
    except (ValueError, truth.TruthMissing) as error:
        raise click.ClickException(str(error.args[0])) from error
    click.echo("\n".join(f"{name:12} {reached[name]}" for name in ("roc_auc", "log_loss", "n", "n_positives")))


if __name__ == "__main__":
    main(prog_name="python -m demo")
