"""The code location. Graph-wide rules live here: one manifest, one owner per asset, one run clock, one writer."""

import warnings

import dagster as dg

from ml.home import Home
from orchestration import instance, jobs
from orchestration.dbt.manifest import ensure_manifest
from orchestration.graph import Graph
from orchestration.observing.sensor import pager_sensor
from orchestration.ownership import enforce
from orchestration.recover import killed_runs
from orchestration.run_info import run_info
from orchestration.stale import stale_when_failed


def build(graph: Graph) -> dg.Definitions:
    """Definitions of a graph."""
    built = jobs.jobs(graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # code references: links only, nothing runs by them
        return dg.Definitions(
            assets=dg.with_source_code_references(graph.assets),
            asset_checks=graph.checks,
            jobs=list(built.values()),
            schedules=jobs.schedules(graph, built),
            sensors=[killed_runs, stale_when_failed, pager_sensor(graph)],
            resources={"run_info": run_info},
            executor=dg.in_process_executor,
        )


def load_graph(home: Home | None = None) -> Graph:
    """The graph of the dbt project as it is now, with every asset's owner, backup, freshness and description proved.

    Raises ManifestError, ProductError or OwnershipError, each with the way out.
    """
    place = (home or Home.from_env()).ensure()
    instance.prepare(place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # backfill policy, code references
        graph = Graph(ensure_manifest(place))
        enforce(graph.specs.values(), graph.translator.groups)
    return graph


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads; lazily, so that importing this module costs nothing."""
    return build(load_graph())
