"""`baton retrain`: train and compare with the champion now, whatever the cadence says."""

from datetime import datetime

import click

from ml import clock
from ml.home import Home
from orchestration.cli.errors import FAILED
from orchestration.cli.options import JSON, NOW


@click.command("retrain", short_help="Train now, whatever the cadence says.")
@click.argument("products", metavar="[PRODUCT]...", nargs=-1)
@NOW
@JSON
@click.pass_context
def command(ctx: click.Context, products: tuple[str, ...], now: datetime | None, as_json: bool) -> None:
    """Load, build the training sets and train PRODUCTs (all of them by default) on what is known now.

    A version that beats the champion serves from the next day that is not scored yet; otherwise it stays a challenger.

    \b
    Example:
      baton retrain churn && baton status
    """
    from orchestration.cli.backfill import tell
    from orchestration.cli.progress import shown
    from orchestration.launch import run_job
    from orchestration.run_info import PRODUCT, REASON
    from orchestration.serve import export_links

    home = Home.from_env().ensure()
    export_links(home)
    _check(home, products)
    tags = {REASON: "by hand", **({PRODUCT: ",".join(products)} if products else {})}
    with shown(quiet=as_json) as on_progress:
        outcome = run_job(home, "retrain", now=now or clock.resolve(), tags=tags, on_progress=on_progress)
    tell([outcome], as_json)
    if not outcome.success:
        ctx.exit(FAILED)


def _check(home: Home, products: tuple[str, ...]) -> None:
    """Raise UsageError for a name that is no trained product."""
    from ml.product import load_products
    from orchestration.dbt.manifest import ensure_manifest

    trained = sorted(name for name, product in load_products(ensure_manifest(home).load()).items() if product.train)
    if not trained:
        raise click.UsageError(
            "no product here declares `train`: their predictions are made elsewhere, and Baton monitors them. "
            "Try: baton run"
        )
    for name in products:
        if name not in trained:
            raise click.UsageError(f"product is {name!r}; trained here are {', '.join(trained) or 'none'}")
