"""What `baton doctor` looks at in the pager: does it look, do its messages get out, would anybody notice its death."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING

from ml.home import Home
from orchestration.cli.findings import Examination, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster import DagsterInstance

    from orchestration.paging.delivery import Letter

ASLEEP = timedelta(minutes=10)


def has_store(home: Home) -> bool:
    """Whether there is anything to read: nothing is created by looking."""
    from orchestration.paging.store import URL

    return bool(os.environ.get(URL)) or home.incidents_db.exists()


def incidents(home: Home) -> Iterator[Finding]:
    """The store answers; what is open; what did not get out."""
    from orchestration.observing import homes
    from orchestration.paging import pager
    from orchestration.paging.delivery import undelivered
    from orchestration.paging.schema import StoreTooNew
    from orchestration.paging.store import Store, StoreError

    if not has_store(home):
        yield Finding("warning", "pager", "has never looked on this home", "baton run")
        return
    try:
        with Store(home) as kept:
            broken, sent, left = pager.incidents(kept), pager.messages(kept), undelivered(kept)
            with kept.transaction() as con:
                shared = homes.in_turns(con)
    except (StoreError, StoreTooNew) as error:
        fix = "start the database that BATON_INCIDENTS_URL names, or unset it; a damaged file: move it away"
        yield Finding("error", "pager", str(error).replace(" Next: baton doctor", ""), fix)
        return
    yield from _letters(left)
    if shared:
        text = f"homes that share a database take each other's incidents for their own: {'; '.join(shared)}"
        fix = "give each home a database of its own: BATON_INCIDENTS_URL, or unset it for a file in the home"
        yield Finding("error", "pager", text, fix)
    if broken:
        text = ", ".join(f"{incident.id} {incident.asset} ({incident.group}, {incident.state})" for incident in broken)
        yield Finding("warning", "pager", f"open incidents: {text}", "baton incidents")
    if not (left or broken):
        yield Finding("ok", "pager", f"nothing is broken; {len(sent)} messages so far, none waits")


def _letters(left: "Sequence[Letter]") -> Iterator[Finding]:
    """What reached nobody: what nobody tries any more, and apart from it what waits."""
    from orchestration.paging.delivery import lines

    dead, waiting = ([each for each in left if each.is_dead is is_dead] for is_dead in (True, False))
    if dead:
        text = f"{len(dead)} messages reached nobody and are tried no more (their text is in pages/ of the home):"
        fix = f"mend the address, try it with: baton page --test {quote(dead[-1].group)}, then: baton page --retry"
        yield Finding("error", "pager", "\n".join((text, *(f"  - {line}" for line in lines(dead)))), fix)
    if waiting:
        text = f"{len(waiting)} messages wait to be sent:"
        fix = "make ui tries again by itself, and so does each baton run; at once: baton page --retry"
        yield Finding("warning", "pager", "\n".join((text, *(f"  - {line}" for line in lines(waiting)))), fix)


def looking(home: Home) -> Iterator[Finding]:
    """Somebody looks: the sensor under a living daemon, else each run of the command line."""
    from orchestration.instance import get_instance
    from orchestration.observing.watch import DAEMON_SECONDS, LOOKED, LOOKED_BY
    from orchestration.paging import store
    from orchestration.paging.schema import StoreTooNew
    from orchestration.paging.store import Store, StoreError

    if not has_store(home):
        return
    try:
        with Store(home) as kept, kept.transaction() as con:
            last, by = store.fact(con, LOOKED), store.fact(con, LOOKED_BY)
    except (StoreError, StoreTooNew):
        return  # the finding before says it
    now = datetime.now(UTC).replace(tzinfo=None)
    with get_instance(home) as instance:
        beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
        lives = bool(beats) and now.replace(tzinfo=UTC).timestamp() - max(beats) < DAEMON_SECONDS
        why = _why_asleep(instance) if lives else ""
    text = f"last looked at {last or 'no time'} (by the {by or 'nobody'})"
    if lives and (last is None or abs(now - datetime.fromisoformat(last)) > ASLEEP):  # ahead: the clock went back since
        fix = "switch the sensor `pager` on in Dagster (Automation); definitions that do not load are named above"
        yield Finding("error", "pager", f"{text}, though Dagster's daemon lives{why}: nobody would be paged", fix)
    elif lives:
        yield Finding("ok", "pager", text)
    else:
        yield Finding("ok", "pager", f"{text}; without a daemon it looks at the end of each command")


def _why_asleep(instance: "DagsterInstance") -> str:
    """What Dagster says about the sensor: switched off, or the error of its last tick."""
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import InstigatorStatus

    from orchestration.observing.sensor import NAME

    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.instigator_name != NAME:
            continue
        if state.status == InstigatorStatus.STOPPED:
            return ", and the sensor is switched off"
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks and ticks[0].error:
            return f", and its last tick failed: {ticks[0].error.message.strip().splitlines()[0]}"
    return ""


def dead_man(_home: Home) -> Iterator[Finding]:
    """Somebody outside would notice that the pager itself is dead."""
    from orchestration.observing.heartbeat import URL

    if os.environ.get(URL):
        yield Finding("ok", "dead man", f"{URL} is set: each look calls it")
    else:
        fix = f"export {URL}=<address of a service that alarms on silence>, for example a healthchecks.io check"
        yield Finding("warning", "dead man", "nobody would notice if the pager itself died", fix)


def addresses(home: Home) -> Iterator[Finding]:
    """Pages of groups become files where neither they nor their backup have an address."""
    from orchestration.dbt.manifest import ManifestError, ensure_manifest
    from orchestration.dbt.roster import roster
    from orchestration.paging.channels import address_of
    from orchestration.paging.model import Team

    try:
        groups = roster(ensure_manifest(home).load())
    except ManifestError:
        return  # the finding `manifest` says it
    known = {name for name, group in groups.items() if address_of(Team(name, group.page)).url}
    mute = sorted(name for name, group in groups.items() if not known & {name, group.backup})
    if mute:
        who = f"of {', '.join(mute)}" if known else "of every group (no group has a page address here)"
        text = f"pages {who} become files in {home.root / 'pages'}, and lines of baton run"
        yield Finding("warning", "pages", text, "set one, then try it: baton page --test GROUP")


def written_out(home: Home) -> Iterator[Finding]:
    """Addresses that stand in the project with what may be their secret. The address itself is never shown."""
    from orchestration.dbt.manifest import ManifestError, ensure_manifest
    from orchestration.dbt.roster import roster
    from orchestration.paging.channels import may_hold_a_secret

    try:
        groups = roster(ensure_manifest(home).load())
    except ManifestError:
        return  # the finding `manifest` says it
    for name, group in sorted(groups.items()):
        if group.page and may_hold_a_secret(group.page):
            where = group.file or "the groups file"
            text = f"the page address of {name} is written out in {where}: whoever reads it has its password or token"
            variable = f"PAGE_{re.sub('[^A-Z0-9]+', '_', name.upper())}"
            fix = (
                f'write page: "env:{variable}" there, export {variable}=<the address>, and renew its password or token'
            )
            yield Finding("warning", "pages", text, fix)


EXAMINATIONS: list[Examination] = [addresses, written_out, incidents, looking, dead_man]
