"""`baton demo`: play days of the demo company, one run a day."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from ml import clock
from ml.home import Home
from orchestration.cli.errors import FAILED
from orchestration.cli.options import JSON

if TYPE_CHECKING:
    from orchestration.outcome import RunOutcome

MORNING = timedelta(hours=6)


@click.command("demo", short_help="Play the next days of the demo company.")
@click.option("--days", default=3, show_default=True, type=click.IntRange(1, 366), help="How many days to play.")
@JSON
@click.pass_context
def command(ctx: click.Context, days: int, as_json: bool) -> None:
    """Play the next days of the demo company: one run each morning at 06:00, as the schedule would.

    On a fresh home the play ends today; on one with runs it goes on after the last scored day, into the future if need
    be (a later `baton run` without --now then finds nothing to do until the wall clock has caught up).

    \b
    Example:
      baton demo --days 7
    """
    home = Home.from_env().ensure()
    from orchestration.cli.progress import shown
    from orchestration.launch import run_due
    from orchestration.serve import export_links

    export_links(home)
    played: list[dict[str, Any]] = []
    for morning in mornings(_scored_until(home), clock.resolve(), days):
        with shown(quiet=True) as on_progress:
            outcome = run_due(home, morning, on_progress)
        played.append(_day(home, morning, outcome))
        if not as_json:
            click.echo(_line(played[-1]))
        if not outcome.success:
            break
    if as_json:
        from orchestration.cli.output import emit_json

        emit_json(played)
    if not played[-1]["success"]:
        ctx.exit(FAILED)


def mornings(scored_until: datetime | None, now: datetime, days: int) -> list[datetime]:
    """The clocks of the runs: the mornings after the last scored day, or the last `days` mornings up to now."""
    today = clock.as_of(now)
    first = scored_until + clock.DAY if scored_until else today - (days - 1) * clock.DAY
    return [first + day * clock.DAY + MORNING for day in range(days)]


def _scored_until(home: Home) -> datetime | None:
    """Newest as_of of any product's published log; None on a fresh home."""
    if not home.published_warehouse.exists():
        return None
    import ml
    from orchestration.cli.facts import product_facts, product_names

    with ml.connect(home) as con:
        found = [product_facts(con, name, None).scored_until for name in product_names(con)]
    return max((as_of for as_of in found if as_of), default=None)


def _day(home: Home, morning: datetime, outcome: "RunOutcome") -> dict[str, Any]:
    import ml
    from orchestration.cli.facts import product_facts, product_names
    from orchestration.cli.summary import check_kind

    products = []
    if home.published_warehouse.exists():
        with ml.connect(home) as con:
            products = [product_facts(con, name, None) for name in product_names(con)]
    return {
        "now": morning,
        "success": outcome.success,
        "seconds": outcome.seconds,
        "rows": dict(outcome.rows),
        "failed_checks": [
            f"{check_kind(check.passed, check.severity, check.status)} {check.asset} {check.check}: {check.message}"
            for check in outcome.failed_checks
        ],
        "failed_steps": [f"{step.asset or step.step}: {step.message}" for step in outcome.failed_steps],
        "decisions_matured": {facts.name: facts.decisions_matured for facts in products},
    }


def _line(day: dict[str, Any]) -> str:
    from orchestration.cli.output import count, took

    matured = ", ".join(f"{name} {count(number)} matured" for name, number in day["decisions_matured"].items())
    head = f"{day['now']:%Y-%m-%d}  {'ok    ' if day['success'] else 'FAILED'} in {took(day['seconds'])}  {matured}"
    return "\n".join([head, *(f"  {text}" for text in day["failed_steps"] + day["failed_checks"])])
