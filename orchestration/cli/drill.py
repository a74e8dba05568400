"""`baton drill`: rehearsed faults on a scratch copy of a small company; who hears of them, and what they are told."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from ml.home import Home
from orchestration.cli.errors import FAILED, USAGE, CommandFailed
from orchestration.cli.options import JSON

if TYPE_CHECKING:
    from orchestration.drill.company import Company
    from orchestration.drill.healthy import Healthy
    from orchestration.drill.play import Drill

COMPANY_SEED = 1


@click.command("drill", short_help="Rehearse faults: who is paged, and with what diagnosis.")
@click.option("--fault", "faults", multiple=True, help="A fault by name, several times if you like. Default: all.")
@click.option("--seed", default=1, show_default=True, help="The dice of the fault: which table, column, how many rows.")
@click.option(
    "--strength",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="How large: 1 is what the fault declares, 0.2 a fifth of it. Faults that are there or not know one size.",
)
@click.option(
    "--day", type=click.IntRange(0, 60), help="Sound mornings before the fault. Default: none or one, by --seed."
)
@click.option("--company", default=COMPANY_SEED, show_default=True, help="The seed of the drill company.")
@click.option("--healthy", is_flag=True, help="Days from 21 December on without a fault: nobody should hear anything.")
@click.option("--days", default=14, show_default=True, type=click.IntRange(1, 366), help="How many, with --healthy.")
@click.option("--own", is_flag=True, help="This home's newest morning on a scratch copy, not the demo company.")
@click.option("--product", help="One product of this home, with --own. Default: all that Baton trains.")
@click.option("--send", is_flag=True, help="With --own: send the messages, marked as a drill.")
@click.option("--messages", is_flag=True, help="Show every message as its receiver gets it.")
@JSON
@click.pass_context
def command(
    ctx: click.Context,
    faults: Sequence[str],
    seed: int,
    strength: float,
    day: int | None,
    company: int,
    healthy: bool,
    days: int,
    own: bool,
    product: str | None,
    send: bool,
    messages: bool,
    as_json: bool,
) -> None:
    """Play faults on a scratch company of 500 accounts and see who is paged, with what diagnosis, and when it is over.

    The company is rehearsed once and kept in BATON_HOME/drill; each drill plays on a copy of it. Messages are
    delivered to the page addresses of the groups (PAGE_DATA, PAGE_ML ...), marked as a drill, to a file where none is
    set. Exit code 1: somebody heard the wrong thing, or nobody heard anything.

    --own plays the newest morning of this home again on a scratch copy, with faults in its deliveries. Nothing is sent
    unless you say --send. Exit code 1 also: that morning is broken already, or no fault could be played on its data.

    \b
    Examples:
      baton drill --fault null_spike
      baton drill --fault concept_drift --seed 3 --messages
      baton drill --fault unit_change --strength 0.1 --day 5
      baton drill --healthy --days 30
      baton drill --own --product churn --fault null_spike --messages
    """
    if find_spec("demo") is None:
        raise CommandFailed(
            "the demo company is not here, and its faults with it. Next: restore the folder demo/", USAGE
        )
    if own:
        from orchestration.cli.drill_own import play

        if strength != 1 or day is not None:
            raise click.UsageError("--strength and --day are of the demo company: say them without --own")

        if healthy:
            raise click.UsageError("--healthy plays the demo company: say it without --own")
        ctx.exit(play(faults, product, seed, send, messages, as_json))
    if product or send:
        raise click.UsageError("--product and --send go with --own")
    if healthy:
        ctx.exit(_healthy(company, days, as_json))
    ctx.exit(_drills(faults, seed, strength, day, company, messages, as_json))


def _drills(
    faults: Sequence[str], seed: int, strength: float, day: int | None, company: int, messages: bool, as_json: bool
) -> int:
    """Faults at the drill company, one after the other; the exit code."""
    from orchestration.drill.company import FIRST_MORNING
    from orchestration.drill.play import drill

    chosen, place, played = _named(faults), _company(company, FIRST_MORNING), []
    for fault in chosen:
        played.append(drill(fault, place, seed, company, strength, day=day))
        if not as_json:
            click.echo("\n".join(lines(played[-1], messages)))
    if as_json:
        from orchestration.cli.output import emit_json

        emit_json([asdict(each) for each in played])
    return 0 if all(each.is_right for each in played) else FAILED


def _healthy(company: int, days: int, as_json: bool) -> int:
    """Days of the drill company without a fault; the exit code."""
    from orchestration.drill.company import HOLIDAYS_AHEAD
    from orchestration.drill.healthy import quiet_days

    found = quiet_days(_company(company, HOLIDAYS_AHEAD), company, days)
    _print_healthy(found, as_json)
    return FAILED if found.pages else 0


def _company(seed: int, first: datetime) -> "Company":
    from orchestration.drill.company import snapshot

    return snapshot(Home.from_env(), seed, lambda text: click.echo(text, err=True), first)


def _named(faults: Sequence[str]) -> list[Any]:
    from demo.faults import FAULTS, named
    from demo.faults.library import UnknownFault

    try:
        return [named(name) for name in faults] or list(FAULTS)
    except UnknownFault as error:
        raise CommandFailed(f"{error}. Next: baton drill --fault null_spike", USAGE) from error


def lines(found: "Drill", messages: bool = False) -> Iterator[str]:
    """One drill as people read it."""
    from orchestration.drill.play import MENDED_DAYS

    mark = "ok  " if found.is_right else "MISS"
    yield f"{mark} {found.fault} (seed {found.seed}, first bad day {found.first_bad:%Y-%m-%d})"
    when = {None: "not noticed", 0: "on the first run that could"}.get(
        found.noticed_after, f"{found.noticed_after} runs after the first that could"
    )
    yield f"     noticed    {when}"
    yield f"     diagnosed  {found.sentence}"
    yield f"     paged      {', '.join(f'{group}: {title}' for group, title in found.pages) or 'nobody'}"
    yield f"     blocked    {', '.join(found.blocked) or 'nobody was told'}"
    over = found.resolved_after
    late = f"not within {MENDED_DAYS} mornings of the repair"
    yield f"     resolved   {late if over is None else f'{over + 1} run(s) after the repair'}"
    yield f"     took       {found.seconds:.0f} s for {found.mornings} mornings"
    if messages:
        for body in found.bodies:
            yield "     | " + body.replace("\n", "\n     | ")


def _print_healthy(found: "Healthy", as_json: bool) -> None:
    if as_json:
        from orchestration.cli.output import emit_json

        emit_json(asdict(found))
        return
    click.echo(f"{found.days} days without a fault (company {found.seed}): {len(found.pages)} pages")
    for day, group, title in found.pages:
        click.echo(f"     {day}  {group}: {title}")
    click.echo(f"     diagnosed  {', '.join(f'{cause}: {n}' for cause, n in found.causes.items())}")
    click.echo(f"     took       {found.seconds:.0f} s, {found.seconds / found.days:.1f} s a day")
