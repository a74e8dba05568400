"""`baton diagnose`: the data or the model? One product, one day, with the numbers."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from ml.diagnosis.advice import ADVICE
from ml.home import Home
from orchestration.cli.errors import FAILED, NOTHING_YET, USAGE, CommandFailed
from orchestration.cli.options import JSON, Instant

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from ml.diagnosis.verdict import Diagnosis


@click.command("diagnose", short_help="The data or the model? What broke, whose it is, and the numbers.")
@click.argument("product")
@click.option("--now", type=Instant(), help="The day to look at, by the clock of its run. Default: the newest run.")
@JSON
@click.pass_context
def command(ctx: click.Context, product: str, now: datetime | None, as_json: bool) -> None:
    """What is wrong with PRODUCT: walks upstream from the symptoms to the first broken asset.

    Says the cause, the accountable group, the evidence, what was ruled out, and the next command. Looks at the live
    warehouse and at the newest run of the day, also one that failed; changes nothing. Exit code 1: there is a fault.

    \b
    Examples:
      baton diagnose churn
      baton diagnose churn --now 2026-11-20T06:00 --json
    """
    found = _found(Home.from_env(), product, now)
    if as_json:
        import json

        from orchestration.cli.output import emit_json

        emit_json(json.loads(found.as_json()))
    else:
        click.echo("\n".join(lines(found)))
    if found.is_fault:
        ctx.exit(FAILED)


def _found(home: Home, name: str, now: datetime | None) -> "Diagnosis":
    from ml.product import load_products
    from orchestration import diagnosis
    from orchestration.dbt.manifest import ensure_manifest
    from orchestration.instance import get_instance

    manifest = ensure_manifest(home.ensure()).load()
    products = load_products(manifest)
    if name not in products:
        known = ", ".join(sorted(products)) or "none"
        way_out = f"baton diagnose {min(products)}" if products else "declare one, see docs/bring-your-own-data.md"
        raise CommandFailed(f"product is {name!r}; this project has {known}. Next: {way_out}", USAGE)
    with get_instance(home) as instance:
        chosen = now or _newest(instance)
        failures = diagnosis.failures_of_day(instance, chosen)
    return diagnosis.of_home(home, manifest, [products[name]], chosen, failures)[name]


def _newest(instance: "DagsterInstance") -> datetime:
    from orchestration.run_info import stored_now

    records = instance.get_run_records(limit=1)
    if not records:
        raise CommandFailed(
            "nothing has run in this home, so there is nothing to diagnose. Next: baton run", NOTHING_YET
        )
    return stored_now(records[0].dagster_run, instance)


def lines(found: "Diagnosis") -> list[str]:
    """The diagnosis as people read it, also at three in the morning."""
    cause = found.cause.replace("_", " ")
    if found.cause == "healthy" and found.evidence:
        head = f"{found.product}: no rule explains what fails."
    elif not found.is_fault:
        head = f"{found.product}: {cause}. Nobody has to act."
    else:
        since = f", since {found.since:%Y-%m-%d}" if found.since else ""
        head = f"{found.product}: {cause} in {found.asset}{since}."
    told = [head]
    if found.is_fault:
        told += _fault(found)
    told += [f"  {'evidence' if number == 0 else '':10} {text}" for number, text in enumerate(found.evidence)]
    told += [f"  {'ruled out' if number == 0 else '':10} {text}" for number, text in enumerate(found.ruled_out)]
    told.append(f"  next       {found.command}")
    return [*told, f"  mend       {ADVICE[found.cause].mend}."] if found.is_fault else told


def _fault(found: "Diagnosis") -> list[str]:
    what = {"data": "the data, not the model", "model": "the model, not the data", "platform": "the machinery"}
    return [
        f"  what       {what[found.kind]}: {ADVICE[found.cause].meaning}",
        f"  whose      {found.group}",
        f"  how sure   {found.confidence:.0%}",
    ]
