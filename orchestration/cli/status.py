"""`baton status`: where everything stands, on one screen."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ml import clock
from ml.home import Home
from orchestration.cli.options import JSON, NOW

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from orchestration.cli.facts import ProductFacts
    from orchestration.paging.delivery import Letter


@dataclass(frozen=True)
class Status:
    """The published copy at one instant, and the failures since. Of each check the newest evaluation counts."""

    now: datetime
    published_at: datetime
    raw_known_until: datetime | None
    products: "list[ProductFacts]"
    failing_checks: list[dict[str, Any]]
    failed_runs: list[dict[str, Any]]
    stale: str | None
    incidents: list[dict[str, Any]]
    dead_letters: "list[Letter]"  # messages that reached nobody and are tried no more
    waiting_letters: "list[Letter]"  # messages that are tried again


@click.command("status", short_help="Where everything stands, on one screen.")
@NOW
@JSON
def command(now: datetime | None, as_json: bool) -> None:
    """One screen: products, champion and its age, data age, decisions pending and matured, failing checks.

    Products and data come from the published copy, as the last green run left it; failures also from runs since.
    Ages are counted from now.

    \b
    Examples:
      baton status
      baton status --json | python -m json.tool
    """
    from orchestration.cli.output import emit_json

    status = read(Home.from_env(), now or clock.resolve())
    if as_json:
        from orchestration.cli.facts import as_dict

        emit_json(as_dict(status))
    else:
        _print(status)


def read(home: Home, now: datetime) -> Status:
    """Gather the status. Raises NothingPublished before the first run."""
    from datetime import UTC

    import ml
    from orchestration.cli.facts import declared, product_facts, product_names
    from orchestration.cli.unpublished import runs_since

    with ml.connect(home) as con:
        known = declared(home)
        changed = datetime.fromtimestamp(home.published_warehouse.stat().st_mtime, UTC).replace(tzinfo=None)
        checks, run_ids = _published_checks(con)
        failed_runs, newer = runs_since(home, run_ids)
        latest = {(check["asset"], check["check_name"]): check for check in checks + newer}
        return Status(
            now=now,
            published_at=changed.replace(microsecond=0),
            raw_known_until=_raw_known_until(con, now),
            products=[product_facts(con, name, known.get(name)) for name in product_names(con)],
            failing_checks=[check for check in latest.values() if not check["is_passed"]],
            failed_runs=failed_runs,
            stale=_stale(home),
            **_pager(home),
        )


def _pager(home: Home) -> dict[str, Any]:
    """Open incidents, dead letters, and what waits; nothing where the pager has never looked."""
    from orchestration.cli.findings_paging import has_store
    from orchestration.paging.delivery import undelivered
    from orchestration.paging.pager import incidents
    from orchestration.paging.store import Store

    if not has_store(home):
        return {"incidents": [], "dead_letters": [], "waiting_letters": []}
    with Store(home) as kept:
        shown = ("id", "asset", "group", "state", "cause", "kind", "since", "acknowledged_by")
        broken = [{name: getattr(each, name) for name in shown} for each in incidents(kept)]
        dead, waiting = ([each for each in undelivered(kept) if each.is_dead is is_dead] for is_dead in (True, False))
        return {"incidents": broken, "dead_letters": dead, "waiting_letters": waiting}


def _stale(home: Home) -> str | None:
    """What the note beside the published files says, None where they are of the last run."""
    note = home.published / "STALE.txt"
    return note.read_text().splitlines()[0] if note.exists() else None


def _published_checks(con: "DuckDBPyConnection") -> tuple[list[dict[str, Any]], set[str]]:
    """The newest published result of each check, and the ids of the runs that are published."""
    from orchestration.cli.facts import dicts

    columns = "asset, check_name, is_passed, severity, status, owner, message, evaluated_at"
    newest = "row_number() over (partition by asset, check_name order by evaluated_at desc) = 1"
    checks = dicts(con, "ops", "check_results", f"select {columns} from {{relation}} qualify {newest}")
    runs = dicts(con, "ops", "runs", "select run_id from {relation}")
    return checks, {run["run_id"] for run in runs}


def _raw_known_until(con: "DuckDBPyConnection", now: datetime) -> datetime | None:
    """Newest known_at of any raw table up to now: how old the data is."""
    tables = con.execute(
        "select table_name from information_schema.columns where table_schema = 'raw' and column_name = 'known_at'"
    ).fetchall()
    newest = [
        con.execute(f'select max(known_at) from raw."{table}" where known_at <= $now', {"now": now}).fetchone()
        for (table,) in tables
    ]
    return max((row[0] for row in newest if row and row[0]), default=None)


def _print_incidents(status: Status) -> None:
    from orchestration.cli.output import age, console

    out = console()
    out.print(f"\nIncidents: {len(status.incidents) or 'none'}", style="bold")
    for each in status.incidents:
        who = f", {each['acknowledged_by']} works on it" if each["acknowledged_by"] else ""
        what = f"{each['asset']}: {each['cause'].replace('_', ' ')}, {age(each['since'], status.now)}"
        out.print(f"  {each['id']:<3} {each['state']:12} {what}; {each['group']}{who}", markup=False, soft_wrap=True)
    _print_letters(status)


def _print_letters(status: Status) -> None:
    from orchestration.cli.output import console
    from orchestration.paging.delivery import lines

    out = console()
    if status.dead_letters:
        heading = f"  {len(status.dead_letters)} messages reached nobody and are tried no more. Next: baton doctor"
        out.print(heading, style="bold red", soft_wrap=True)
    for line in lines(status.dead_letters):
        out.print(f"    {line}", markup=False, soft_wrap=True)
    if status.waiting_letters:
        out.print(f"  {len(status.waiting_letters)} messages wait and are tried again", soft_wrap=True)
    for line in lines(status.waiting_letters):
        out.print(f"    {line}", markup=False, soft_wrap=True)


def _print(status: Status) -> None:
    from orchestration.cli.output import age, console, owned
    from orchestration.cli.summary import CHECK_KINDS, check_kind, product_lines

    out, now = console(), status.now
    out.print(f"Now {now:%Y-%m-%d %H:%M} UTC", style="bold")
    out.print(f"  published    {age(status.published_at, now)}")
    out.print(f"  data         newest known {age(status.raw_known_until, now)}")
    if status.stale:
        out.print(f"  {status.stale}", style="bold red", markup=False)
    for facts in status.products:
        out.print(f"\n[bold]{facts.label}[/] ({facts.name})")
        for line in product_lines(facts, None, now):
            out.print(f"  {line}", markup=False, soft_wrap=True)
    if not status.products:
        out.print("\nNo product has a prediction log yet. Next: baton run")
    _print_incidents(status)
    out.print(f"\nChecks that are not green: {len(status.failing_checks) or 'none'}", style="bold")
    kinds = [(check_kind(False, check["severity"], check["status"]), check) for check in status.failing_checks]
    for kind, check in sorted(kinds, key=lambda entry: (CHECK_KINDS.index(entry[0]), entry[1]["asset"])):
        said = owned(check["message"], check["owner"])
        out.print(f"  {kind:8} {check['asset']} {check['check_name']}: {said}", markup=False, soft_wrap=True)
    for run in status.failed_runs:
        out.print(f"  failed   run of {run['job']} {age(run['ended_at'], now)} ({run['run_id']}): see it with make ui")
