"""What every figure shares: no pyplot (it keeps figures alive), few lines, nothing that does not carry a number."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 6.0, 4.5  # inches
INK, QUIET, WARM = "#1f5fa8", "#8a8f98", "#c2410c"


def canvas(rows: int = 1, heights: tuple[int, ...] | None = None) -> "tuple[Figure, list[Axes]]":
    """A figure with `rows` panels over one x axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights)
    panels = [row[0] for row in grid]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
    return figure, panels


def short_dates(ax: "Axes") -> None:
    """Dates of an axis as few words as they need."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def png(figure: "Figure") -> bytes:
    """The figure as a PNG of about 30 kB, small enough to stand inside a materialization."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=90)
    return out.getvalue()
