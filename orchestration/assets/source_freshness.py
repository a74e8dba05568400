"""Freshness of tables that somebody else loads: Baton never materializes them, so only their data can tell."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from ml.home import Home
from orchestration import freshness, lock
from orchestration.assets.dbt_models import POOL
from orchestration.dbt.translator import GROUP, RELATION
from orchestration.run_info import CLOCK, RunInfo

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def source_freshness(specs: Sequence[dg.AssetSpec], prepare: Callable[[Home], None]) -> list[dg.AssetChecksDefinition]:
    """One step for all such tables that declare a freshness column; none if there are none.

    prepare: makes the tables of `ops` and the logs where a fresh home lacks them; an empty one is too little to judge.
    """
    watched = {spec.key: spec for spec in specs if freshness.freshness_check(spec)}
    wanted = [check for spec in watched.values() if (check := freshness.freshness_check(spec))]
    if not wanted:
        return []

    @dg.multi_asset_check(
        name="source_freshness", specs=wanted, can_subset=True, pool=POOL, required_resource_keys={"run_info"}
    )
    def check_sources(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from ml.warehouse import open_warehouse

        info: RunInfo = context.resources.run_info
        with lock.retried():
            prepare(info.home)
        with lock.retried(), open_warehouse(info.home) as con:
            for check in sorted(context.selected_asset_check_keys, key=str):
                spec = watched[check.asset_key]
                owner, relation = str(spec.metadata.get(GROUP)), str(spec.metadata[RELATION])
                if not freshness.exists(con, relation):
                    yield freshness.not_there(spec.key, relation, owner)
                    continue
                promise = freshness.promise_of(spec)
                now = _now(con, info, relation, promise.column or "")
                yield freshness.evaluate(con, spec.key, promise, relation, now, owner)

    return [check_sources]


def _now(con: "DuckDBPyConnection", info: RunInfo, relation: str, column: str) -> datetime:
    """The run's now. On an archive whose now is still to be found, a table is as fresh as can be."""
    found = freshness.newest(con, relation, column) if info.tags.get(CLOCK) == "data" else None
    return found or info.now
