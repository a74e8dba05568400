"""Specs of assets that Python defines: owner, promise and place in the same form as the translator gives dbt's."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
from dagster import FreshnessPolicy

from orchestration.dbt.roster import Freshness, Group
from orchestration.dbt.translator import FRESHNESS_COLUMN, RELATION, accountable, owners, policy


def python_spec(
    key: Iterable[str],
    *,
    group: str | None,
    groups: Mapping[str, Group],
    description: str,
    freshness: Freshness | None,
    file: str,
    deps: Iterable[dg.AssetKey] = (),
    kinds: Iterable[str] = ("python",),
    metadata: Mapping[str, Any] | None = None,
) -> dg.AssetSpec:
    """A spec with everything the ownership gate asks for, as far as the project declares it."""
    asset_key = dg.AssetKey(list(key))
    extra = dict(metadata or {})
    if freshness and freshness.column:
        quoted = ".".join(f'"{part}"' for part in asset_key.path)
        extra = {FRESHNESS_COLUMN: freshness.column, RELATION: quoted, **extra}
    promise: FreshnessPolicy | None = policy(freshness) if freshness else None
    return dg.AssetSpec(
        asset_key,
        deps=list(deps),
        description=description,
        group_name=asset_key.path[0],
        owners=owners(group, groups),
        kinds=set(kinds),
        metadata={**accountable(group, groups, file), **extra},
        freshness_policy=promise,
    )
