"""`baton backfill`: score a range of past days in one run, then bring monitoring up to date."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from ml import clock
from ml.home import Home
from orchestration.cli.errors import FAILED
from orchestration.cli.options import JSON, NOW, Day

if TYPE_CHECKING:
    from orchestration.outcome import JobOutcome


@click.command("backfill", short_help="Score a range of past days in one run.")
@click.argument("first", metavar="FROM", type=Day())
@click.argument("last", metavar="TO", type=Day())
@NOW
@JSON
@click.pass_context
def command(ctx: click.Context, first: str, last: str, now: datetime | None, as_json: bool) -> None:
    """Score the days FROM to TO (both included), each by the version that served then.

    A day is named as its partition is: day D is scored as of the end of D. A day that was scored already with the same
    version stays as it is. The scoring set gets the days it lacks first; monitoring is rebuilt afterwards.

    \b
    Example:
      baton backfill 2026-10-01 2026-10-31
    """
    if first > last:
        raise click.UsageError(f"FROM is {first}, after TO {last}. Try: baton backfill {last} {first}")
    now = now or clock.resolve()
    if last > clock.partition_of(now):
        raise click.UsageError(
            f"TO is {last}; allowed is up to {clock.partition_of(now)}, the last day over by {now} UTC"
        )
    from orchestration.cli.progress import shown
    from orchestration.launch import run_backfill
    from orchestration.serve import export_links

    home = Home.from_env().ensure()
    refuse_without_trained(home)
    export_links(home)
    with shown(quiet=as_json) as on_progress:
        outcomes = run_backfill(home, first, last, now=now, on_progress=on_progress)
    tell(outcomes, as_json)
    if not all(outcome.success for outcome in outcomes):
        ctx.exit(FAILED)


def refuse_without_trained(home: Home) -> None:
    """Raise UsageError where no product is scored here: past days of such a log come from where it is written."""
    from ml.product import load_products
    from orchestration.dbt.manifest import ensure_manifest

    if not any(product.train for product in load_products(ensure_manifest(home).load()).values()):
        raise click.UsageError(
            "no product here declares `train`, so Baton scores no day: add the past predictions where the log is "
            "written. Try: baton run, which takes up whatever days it finds"
        )


def tell(outcomes: "list[JobOutcome]", as_json: bool) -> None:
    """Say of each job whether it is done, what it wrote, and what failed."""
    from orchestration.cli.facts import as_dict
    from orchestration.cli.output import count, emit_json, took

    if as_json:
        emit_json([as_dict(outcome) for outcome in outcomes])
        return
    for outcome in outcomes:
        word = "done" if outcome.success else "FAILED"
        name = f"{outcome.job} {outcome.partition}".strip()
        click.echo(f"{name}: {word} in {took(outcome.seconds)} (run {outcome.run_id})")
        for asset, rows in sorted(outcome.rows.items()):
            click.echo(f"  {asset}: {count(rows)} rows")
        for step in outcome.failed_steps:
            click.echo(f"  FAILED {step.asset or step.step}: {step.message}")
