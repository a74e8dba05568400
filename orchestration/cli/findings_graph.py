"""What `baton doctor` looks at in the graph: manifest, ownership gate, page addresses, Dagster's daemon, dead runs."""

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ml.home import Home
from orchestration.cli.findings import Examination, Finding

if TYPE_CHECKING:
    from orchestration.dbt.roster import Group

HEARTBEAT_SECONDS = 300.0


def manifest(home: Home) -> Iterator[Finding]:
    """dbt's manifest belongs to the project files as they are now, and every product in it is well formed."""
    from ml.product import ProductError, load_products
    from orchestration.dbt.manifest import ManifestError, ensure_manifest

    try:
        found = ensure_manifest(home)
        products = load_products(found.load())
    except (ManifestError, ProductError) as error:
        yield Finding("error", "manifest", str(error), "mend what the message names, then: baton doctor")
        return
    names = ", ".join(sorted(products)) or "none"
    yield Finding("ok", "manifest", f"{found.path} is current; products: {names}")


def definitions(home: Home) -> Iterator[Finding]:
    """The graph loads: every asset has its group, backup, freshness and description."""
    import subprocess
    import sys

    from ml.home import PROJECT_ROOT

    probe = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from orchestration.definitions import load_graph; load_graph()"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "BATON_HOME": str(home.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode == 0:
        yield Finding("ok", "ownership", "definitions load: every asset has group, backup, freshness and description")
        return
    lines = probe.stderr.strip().splitlines()
    start = max((n for n, line in enumerate(lines) if line and not line.startswith((" ", "Traceback"))), default=0)
    message = "\n".join(line for line in lines[start:] if line) or "no message"
    yield Finding("error", "ownership", message, "mend what the message names, then: baton doctor")


def pages(home: Home) -> Iterator[Finding]:
    """Groups whose page address is unset: their pages reach nobody."""
    from orchestration.dbt.manifest import ManifestError, ensure_manifest
    from orchestration.dbt.roster import roster

    try:
        groups = roster(ensure_manifest(home).load())
    except ManifestError:
        return  # the finding `manifest` says it
    yield from map(page_of, groups.values())


def page_of(group: "Group") -> Finding:
    """Whether a group's page address is known here; the address itself is never shown."""
    if not group.page:
        fix = f"add config: {{meta: {{page: env:PAGE_{group.name.upper()}}}}} to the group in {group.file}"
        return Finding("warning", "pages", f"group {group.name} has no page address", fix)
    variable = group.page.removeprefix("env:")
    if group.page.startswith("env:") and not os.environ.get(variable):
        fix = f"export {variable}=<Apprise URL>, for example mailto://user:password@example.com"
        return Finding("warning", "pages", f"page address of {group.name} is unset ({variable})", fix)
    return Finding("ok", "pages", f"page address of {group.name} is set")


def daemon(home: Home) -> Iterator[Finding]:
    """Dagster's daemon: without it the schedule does not tick."""
    from orchestration.instance import get_instance
    from orchestration.serve import serving

    if urls := serving(home):
        yield Finding("ok", "ui", f"Dagster {urls.get('dagster')}, MLflow {urls.get('mlflow')}")
    with get_instance(home) as instance:
        beats = instance.get_daemon_heartbeats()
    newest = max((beat.timestamp for beat in beats.values()), default=None)
    fix = "make ui (keeps it running; the daily schedule is on by default)"
    if newest is None:
        yield Finding("warning", "daemon", "has never run on this home: nothing is scheduled", fix)
    elif (seconds := time.time() - newest) > HEARTBEAT_SECONDS:
        yield Finding("warning", "daemon", f"last heartbeat {seconds / 60:.0f} minutes ago: nothing is scheduled", fix)
    else:
        yield Finding("ok", "daemon", f"last heartbeat {seconds:.0f} seconds ago")
    for kind, beat in beats.items():
        if newest is not None and beat.timestamp == newest and beat.errors:
            first = beat.errors[0].message.strip()
            yield Finding("warning", "daemon", f"{kind} reports: {first}", "see logs/dagster.log in the home")


def dagster_settings(home: Home) -> Iterator[Finding]:
    """dagster.yaml: ours, or changed by somebody and still with what Baton cannot do without."""
    import yaml

    from orchestration.instance import lacking, prepare

    prepare(home)
    file = home.dagster / "dagster.yaml"
    try:
        missing = list(lacking(home))
    except yaml.YAMLError as error:
        fix = f"mend it, or delete it: Baton writes its own where there is none ({file})"
        yield Finding("error", "dagster", f"{file} is no YAML: {error}", fix)
        return
    for found in missing:
        yield Finding("error", "dagster", f"{file}: {found}", "set it there, or delete the file to get Baton's own")
    if not missing:
        yield Finding("ok", "dagster", f"{file} has what Baton needs")


def dead_runs(home: Home) -> Iterator[Finding]:
    """Runs marked as running whose process is gone: they would hold their pool slot."""
    from orchestration import recover
    from orchestration.instance import get_instance

    with get_instance(home) as instance:
        dead = recover.dead_runs(home, instance)
    for run in dead:
        fix = "baton run (recovers them first)"
        yield Finding(
            "warning", "runs", f"run {run.run_id} of {run.job_name} was killed and is still marked running", fix
        )
    if not dead:
        yield Finding("ok", "runs", "no killed run is left over")


EXAMINATIONS: list[Examination] = [manifest, definitions, pages, dagster_settings, daemon, dead_runs]
