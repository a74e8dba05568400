"""Figures as Dagster metadata: the picture stands on the materialization, where people look first."""

import base64
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PICTURE = "picture"  # config.meta.picture of a dbt model: which figures its table is shown as


def markdown(title: str, png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG inside the metadata itself: the event log then needs no file that somebody may move."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def of_table(kind: str, con: "DuckDBPyConnection", relation: str) -> dict[str, dg.MarkdownMetadataValue]:
    """The figures of a table by title. A table with nothing to show yet has none."""
    from ml.pictures import pictures

    return {title: markdown(title, png) for title, png in pictures(kind, con, relation).items()}


def kind_of(node: "dict[str, Any]") -> str | None:
    """The figures a dbt node asks for, None for none."""
    found = node["config"].get("meta", {}).get(PICTURE)
    return str(found) if found else None
