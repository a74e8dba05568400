"""The graph as the pager sees it: what stands below what, whose it is, who acts on it, how to see a failure again."""

import os
import shlex
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from ml.clock import parse_duration
from ml.commands import baton_sql
from ml.diagnosis.lineage import above
from ml.home import Home
from ml.manifest import group_of
from ml.quoting import quoted
from orchestration import freshness
from orchestration.assets import published
from orchestration.dbt.selection import UNIQUE_ID
from orchestration.dbt.translator import FRESHNESS_COLUMN, GROUP, RELATION, asset_key
from orchestration.graph import Graph
from orchestration.paging.model import Consumer, Team, World

PUBLISHED = "/".join(published.KEY)


def world_of(graph: Graph, home: Home | None = None) -> World:
    """What the pager must know of `graph`. home: whose pager it is, where its pages are to say so."""
    return World(
        parents=graph.parents,
        groups={key.to_user_string(): str(spec.metadata.get(GROUP) or "") for key, spec in graph.specs.items()},
        teams=teams_of(graph),
        consumers=tuple(_consumers(graph.manifest)),
        checks=frozenset((spec.asset_key.to_user_string(), spec.name) for spec in check_specs(graph)),
        dagster_url=os.environ.get("BATON_DAGSTER_URL", "http://127.0.0.1:3000").rstrip("/"),
        published=PUBLISHED,
        place=place_of(home) if home else "",
    )


def place_of(home: Home) -> str:
    """Machine and folder of a home, as its pages and the incidents' store name it."""
    return f"{socket.gethostname()}, BATON_HOME {home.root}"


def teams_of(graph: Graph) -> dict[str, Team]:
    """The roster with its page addresses."""
    return {
        name: Team(
            name, group.page, group.backup, parse_duration(group.escalate_after) if group.escalate_after else None
        )
        for name, group in graph.translator.groups.items()
    }


def check_specs(graph: Graph) -> Iterator[dg.AssetCheckSpec]:
    """Every check of the graph."""
    for asset in graph.assets:
        if isinstance(asset, dg.AssetsDefinition):
            yield from asset.check_specs
    for checks in graph.checks:
        yield from checks.check_specs


def _consumers(manifest: Mapping[str, Any]) -> Iterator[Consumer]:
    known = {**manifest["nodes"], **manifest["sources"]}
    for props in manifest.get("exposures", {}).values():
        nodes = [known[unique_id] for unique_id in props["depends_on"]["nodes"] if unique_id in known]
        yield Consumer(
            name=props["name"],
            label=props.get("label") or props["name"],
            group=group_of(props) or "",
            # Whoever acts reads the published copy.
            assets=frozenset((PUBLISHED, *(asset_key(node).to_user_string() for node in nodes))),
            is_product=props.get("type") == "ml",
        )


@dataclass(frozen=True)
class Commands:
    """How to see a failure again."""

    graph: Graph

    @cached_property
    def _checks(self) -> dict[tuple[str, str], dg.AssetCheckSpec]:
        return {(spec.asset_key.to_user_string(), spec.name): spec for spec in check_specs(self.graph)}

    def of_check(self, asset: str, name: str) -> str:
        """The command that shows what a check saw."""
        spec = self._checks.get((asset, name))
        meta = (spec.metadata or {}) if spec else {}
        if name == freshness.NAME and meta.get(RELATION):
            relation = str(meta[RELATION]).removeprefix('"warehouse".')
            return baton_sql(f"select max({quoted(str(meta[FRESHNESS_COLUMN]))}) from {relation}")
        if UNIQUE_ID in meta:
            return f"baton dbt test --select {shlex.quote(self.graph.manifest['nodes'][meta[UNIQUE_ID]]['name'])}"
        return "baton status"

    def of_step(self, asset: str) -> str:
        """The command that builds an asset again."""
        spec = self.graph.specs.get(dg.AssetKey(asset.split("/")))
        unique_id = str(spec.metadata.get(UNIQUE_ID, "")) if spec else ""
        if unique_id.startswith("model."):
            return f"baton dbt build --select {shlex.quote(unique_id.split('.')[-1])}"
        return "baton run"


def asset_of_node(graph: Graph, node: str) -> str | None:
    """The asset of a dbt node by unique id, as a failure names it; a test's is what it stands on.

    Of several (a singular test; dbt attaches a source's test to nothing) the one furthest down: there they meet.
    """
    found = graph.manifest["nodes"].get(node) or graph.manifest["sources"].get(node)
    if found is None:
        return None
    attached = found.get("attached_node")
    if attached:
        return asset_of_node(graph, attached)
    if found["resource_type"] == "test":
        on = sorted(found["depends_on"]["nodes"], key=lambda uid: (len(above(graph.manifest, [uid])), uid))
        return asset_of_node(graph, on[-1]) if on else None
    return asset_key(found).to_user_string() if found.get("schema") else None
