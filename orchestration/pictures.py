"""Figures as Dagster metadata: the picture stands on the materialization, where people look first."""

import base64
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PACKAGE = "macro.baton."


def markdown(title: str, png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG inside the metadata itself: the event log then needs no file that somebody may move."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def of_table(kind: str, con: "DuckDBPyConnection", relation: str) -> dict[str, dg.MarkdownMetadataValue]:
    """The figures of a table by title. A table with nothing to show yet has none."""
    from ml.pictures import pictures

    return {title: markdown(title, png) for title, png in pictures(kind, con, relation).items()}


def kind_of(node: "dict[str, Any]") -> str | None:
    """The figures of a dbt model: those of the monitoring macro it is a line of, None where there are none."""
    from ml.pictures import PICTURES

    called = {macro.removeprefix(PACKAGE) for macro in node["depends_on"].get("macros", [])}
    return next((kind for kind in PICTURES if kind in called), None)
