"""What the properties of a dbt resource say, wherever dbt keeps it."""

from collections.abc import Mapping
from typing import Any

Props = Mapping[str, Any]


def meta_of(props: Props) -> Props:
    """`config.meta`, else the older top-level `meta`, else empty."""
    return (props.get("config") or {}).get("meta") or props.get("meta") or {}


def group_of(props: Props) -> str | None:
    """The group a dbt resource names; sources keep it in `config` only, exposures in `owner.name`."""
    if props.get("resource_type") == "exposure":
        return (props.get("owner") or {}).get("name")
    return props.get("group") or (props.get("config") or {}).get("group")


def asset_path(props: Props) -> list[str]:
    """Schema and table of the relation; `meta.dagster.asset_key` wins (the prediction log is a source for dbt)."""
    declared = (meta_of(props).get("dagster") or {}).get("asset_key")
    if declared:
        return [declared] if isinstance(declared, str) else list(declared)
    return [props["schema"], props.get("alias") or props.get("identifier") or props["name"]]


def column_meta(column: Props) -> dict[str, Any]:
    """`meta` of a declared column, which dbt keeps in two places."""
    return {**(column.get("meta") or {}), **((column.get("config") or {}).get("meta") or {})}
