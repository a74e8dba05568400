"""`baton drill --own`: faults in the deliveries of this home's newest morning, on a scratch copy."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ml.home import Home
from orchestration.cli.errors import FAILED, NOTHING_YET, USAGE, CommandFailed

if TYPE_CHECKING:
    from demo.faults.own import OwnFault
    from orchestration.drill.rehearsal import NotPlayed, Played, Rehearsal


def play(faults: Sequence[str], product: str | None, seed: int, send: bool, messages: bool, as_json: bool) -> int:
    """Play them and print what everybody heard; returns the exit code."""
    from orchestration.drill.own import rehearsal
    from orchestration.drill.rehearsal import AlreadyBroken
    from orchestration.drill.rewind import NeverScored, NothingToPlay
    from orchestration.drill.scratch import ScratchError

    home = Home.from_env()
    chosen, only = _faults(faults), _products(home, product)
    try:
        with rehearsal(home, only, send, lambda text: click.echo(text, err=True)) as place:
            return _all(place, chosen, seed, messages, as_json, send)
    except AlreadyBroken as error:
        first = only[0]
        raise CommandFailed(
            f"the newest morning is broken without any fault, so none is played: {error}. "
            f"Next: baton diagnose {first}; baton incidents",
            FAILED,
        ) from error
    except NothingToPlay as error:
        raise CommandFailed(str(error), NOTHING_YET if isinstance(error, NeverScored) else FAILED) from error
    except ScratchError as error:
        raise CommandFailed(str(error), FAILED) from error


def _faults(names: Sequence[str]) -> "list[OwnFault]":
    from demo.faults.own import OWN_FAULTS

    known = {fault.name: fault for fault in OWN_FAULTS}
    for name in names:
        if name not in known:
            raise CommandFailed(
                f"fault is {name!r}; on own products there are {', '.join(known)}. Next: baton drill --own", USAGE
            )
    return [known[name] for name in names] or list(OWN_FAULTS)


def _products(home: Home, name: str | None) -> list[str]:
    from ml.product import load_products
    from orchestration.dbt.manifest import ensure_manifest

    products = load_products(ensure_manifest(home.ensure()).load())
    trained = sorted(each.name for each in products.values() if each.train is not None)
    if name is None and trained:
        return trained
    if name in trained:
        return [str(name)]
    known = ", ".join(trained) or "none: declare one, see docs/bring-your-own-data.md"
    if name in products:
        raise CommandFailed(
            f"product {name} brings its own predictions, so there is no morning of it to play; "
            f"--own plays products that Baton trains: {known}",
            USAGE,
        )
    raise CommandFailed(f"product is {name!r}; this project trains {known}", USAGE)


def _all(
    place: "Rehearsal", faults: "Sequence[OwnFault]", seed: int, messages: bool, as_json: bool, is_sent: bool
) -> int:
    from orchestration.drill.rehearsal import Played

    say = (lambda text: None) if as_json else click.echo
    morning = place.morning
    say(f"the morning of {morning.now:%Y-%m-%d %H:%M} UTC again: {', '.join(_delivered(place)) or 'no file came'}")
    place.control()
    say("control: without a fault it is quiet")
    found: list[Played | NotPlayed] = []
    for fault in faults:
        found.append(place.play(fault, seed))
        say("\n".join(lines(found[-1], messages)))
    played = [each for each in found if isinstance(each, Played)]
    if as_json:
        from orchestration.cli.output import emit_json

        left = [asdict(each) for each in found if not isinstance(each, Played)]
        emit_json({"now": morning.now, "played": [asdict(each) for each in played], "not_played": left})
    sent = "went to the groups' addresses, marked as a drill" if is_sent else "were not sent"
    say(f"{len(played)} of {len(found)} faults played; messages {sent}")
    return 0 if played and all(each.drill.is_right for each in played) else FAILED


def _delivered(place: "Rehearsal") -> Iterator[str]:
    rows: dict[str, int] = {}
    for file in place.morning.files:
        rows[file.asset] = rows.get(file.asset, 0) + file.n_rows
    return (f"{asset} {n:,} rows" for asset, n in sorted(rows.items()))


def lines(found: "Played | NotPlayed", messages: bool) -> Iterator[str]:
    """One fault as people read it."""
    from orchestration.cli.drill import lines as of_drill
    from orchestration.drill.rehearsal import Played

    if not isinstance(found, Played):
        yield f"--   {found.fault}: not played"
        yield f"     why        {found.why}"
        return
    head, *rest = of_drill(found.drill, messages)
    yield head
    yield f"     did        {found.did}"
    yield from rest
