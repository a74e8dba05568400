"""A scratch copy of a home, taken back to before its newest morning, ready to play that morning again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ml.home import Home
from orchestration.drill import rewind
from orchestration.drill.channels import ON_OWN, Marked, Shown
from orchestration.drill.company import shell
from orchestration.drill.day import Days
from orchestration.drill.rehearsal import Rehearsal
from orchestration.drill.scratch import scratch_copy

if TYPE_CHECKING:
    from ml.diagnosis.lineage import Raw

SILENT = {"DO_NOT_TRACK": "1", "DAGSTER_DISABLE_TELEMETRY": "1"}


@contextmanager
def rehearsal(home: Home, only: Sequence[str], send: bool, say: Callable[[str], None]) -> Iterator[Rehearsal]:
    """A rehearsal on a copy of `home`. only: its products; none named, all. Raises ScratchError, NothingToPlay."""
    from ml.warehouse import open_warehouse
    from orchestration.definitions import load_graph
    from orchestration.sources import load_sources

    with scratch_copy(home, say) as copy, shell({"BATON_HOME": str(copy.root), **SILENT}):
        graph = load_graph(copy)
        days = Days(copy, graph, lambda moment, as_of: None, tuple(only), writes=False)
        start, delivered = copy.root.parent / "start.duckdb", copy.root.parent / "delivered"
        delivered.mkdir()
        with open_warehouse(copy) as con:
            tables = load_sources(graph.manifest)
            others = _others(days)
            morning = rewind.rewound(con, tables, days.trained, others, _anew(days), home.landing, delivered)
        copy.warehouse.replace(start)
        placed = tuple(replace(f, path=copy.landing / f.path.relative_to(delivered)) for f in morning.files)
        channel = Marked(ON_OWN) if send else Shown()
        landed = frozenset(f"{table.schema}/{table.name}" for table in tables)
        yield Rehearsal(days, replace(morning, files=placed), start, delivered, channel, landed)


def _others(days: Days) -> "list[Raw]":
    """Tables above the products that another tool fills."""
    from ml.diagnosis.lineage import lineage

    found = {
        raw.asset: raw
        for product in days.trained
        for raw in lineage(days.graph.manifest, product).sources
        if not raw.is_landed
    }
    return [found[asset] for asset in sorted(found)]


def _anew(days: Days) -> list[str]:
    """Relations that keep what they were: built anew, or they would remember the morning that is taken back."""
    kept = {f"{product.name}_scoring_set" for product in days.trained}
    nodes = [days.graph.manifest["nodes"][uid] for uid in sorted(days.models)]
    return [
        f'"{node["schema"]}"."{node["alias"]}"'
        for node in nodes
        if node["config"]["materialized"] == "incremental" and node["name"] not in kept
    ]
