"""Options that several commands share, so that they mean and say the same everywhere."""

from datetime import datetime
from typing import Any

import click

from ml import clock


class Instant(click.ParamType[datetime]):
    """An ISO date or time in UTC as naive datetime."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse; a bad text is wrong usage and says what is allowed."""
        if isinstance(value, datetime):
            return value
        try:
            return clock.resolve(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; allowed is an ISO date or time in UTC: 2026-11-21T06:00", param, ctx)


class Day(click.ParamType[str]):
    """A day as YYYY-MM-DD: the key of a daily partition."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the form; a bad text is wrong usage and says what is allowed."""
        try:
            return f"{datetime.strptime(str(value), '%Y-%m-%d'):%Y-%m-%d}"
        except ValueError:
            self.fail(f"{value!r} is no day; allowed is YYYY-MM-DD: 2026-11-20", param, ctx)


NOW = click.option(
    "--now",
    type=Instant(),
    help="The run's clock, ISO in UTC. Default: BATON_NOW, else the wall clock.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else.")
