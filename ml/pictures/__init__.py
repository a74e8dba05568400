"""Figures of the monitoring tables, by the name of the macro that makes the table."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection
    from matplotlib.figure import Figure

    Draw = Callable[[DuckDBPyConnection, str], dict[str, Figure]]

# One module each, with a function `draw(con, relation)`: figures by title, none where there is nothing to show.
PICTURES = ("performance", "calibration", "drift", "delay", "metrics")


def pictures(kind: str, con: "DuckDBPyConnection", relation: str) -> dict[str, bytes]:
    """PNGs of a table by title; none while the table has nothing to show. Raises ValueError for an unknown kind."""
    from ml.pictures.canvas import png

    if kind not in PICTURES:
        raise ValueError(f"{relation}: no picture is called '{kind}'; there are {', '.join(PICTURES)}")
    draw: Draw = import_module(f"ml.pictures.{kind}").draw
    return {title: png(figure) for title, figure in draw(con, relation).items()}
