"""The diagnosis as the pager asks for it: of the product below a broken asset, once per look and run."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from ml import clock
from ml.home import Home
from ml.warehouse import WarehouseLocked
from orchestration.paging.cause import ancestors, below
from orchestration.paging.model import CHECK, Diagnose, Observation, World
from orchestration.run_info import NOW

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from ml.diagnosis.verdict import Diagnosis
    from orchestration.graph import Graph

MACHINE = "published/warehouse"  # what a diagnosis names where the machine failed, whichever step met it


def diagnoser(graph: "Graph", home: Home, instance: "DagsterInstance", now: datetime, world: World) -> Diagnose:
    """Diagnoses by product; None where no product stands below the asset, or where the verdict is about another one.

    The clock of a diagnosis is that of the run in which it broke, `now` where the run has none.
    """

    @cache
    def of_run(run_id: str) -> "dict[str, Diagnosis]":
        """By product; none where no run is known (nothing ran, so that all looks lost), or where nobody can look."""
        from orchestration import diagnosis

        run = instance.get_run_by_id(run_id) if run_id else None
        if run is None:
            return {}
        when = clock.resolve(run.tags[NOW]) if NOW in run.tags else now
        log = logging.getLogger(__name__)
        try:
            failures = diagnosis.failures_of_run(instance, run_id)
            return diagnosis.of_home(home, graph.manifest, list(graph.products.values()), when, failures)
        except WarehouseLocked as error:
            log.warning("no diagnosis of run %s, what broke is paged without one: %s", run_id, error)
        except Exception:  # whatever is wrong with the diagnosis: what is broken is paged, by its check's own name
            log.exception("no diagnosis of run %s, what broke is paged without one", run_id)
        return {}

    def diagnose(asset: str, seen: Sequence[Observation]) -> "Diagnosis | None":
        touched = {asset, *below([asset], world.parents)}
        products = sorted({name.split("/")[0] for name in touched} & set(graph.products))
        found = of_run(seen[0].run_id) if products else {}
        verdicts = (applied(found[product], asset, seen, world) for product in products if product in found)
        return next((verdict for verdict in verdicts if verdict is not None), None)

    return diagnose


def applied(found: "Diagnosis", asset: str, seen: Sequence[Observation], world: World) -> "Diagnosis | None":
    """What the product's diagnosis says about this broken asset.

    The accountable asset may be the broken one or one above it. What is itself broken stays accountable where the
    diagnosis looks below it, but not at the model: that breaks nothing above it. A verdict about another branch says
    nothing here. A full disk is about every branch. That drift is benign silences its alarm, and nothing else.
    """
    if not found.is_fault:
        are_alarms = all(each.source == CHECK and each.asset.split("/")[-1] == "drift" for each in seen)
        return found if are_alarms else None
    if found.asset == MACHINE:
        return found
    if found.asset == asset or found.asset in ancestors(asset, world.parents):
        return found
    if found.kind != "model" and found.asset in below([asset], world.parents):
        return replace(found, asset=asset, group=world.groups.get(asset) or found.group)
    return None
