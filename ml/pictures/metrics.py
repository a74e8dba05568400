"""Business metrics over time, a panel each."""

from typing import TYPE_CHECKING

from ml.pictures.canvas import INK, canvas, short_dates
from ml.pictures.windows import DAYS_SHOWN, longest_window

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from matplotlib.figure import Figure

PANELS_SHOWN = 4


def draw(con: "DuckDBPyConnection", relation: str) -> "dict[str, Figure]":
    """Each metric of the longest window with its 95 % interval, overall."""
    kind = longest_window(con, relation)
    found = con.execute(
        f"""
        select * from {relation} where window_kind = ? and slice_name = 'overall' and value is not null
            and window_end > (select max(window_end) from {relation} where window_kind = ?) - to_days({DAYS_SHOWN})
        order by window_end
        """,
        [kind, kind],
    ).df()
    names = [str(name) for name, rows in found.groupby("metric") if len(rows) > 1][:PANELS_SHOWN]
    if not names:
        return {}
    figure, panels = canvas(len(names))
    for name, ax in zip(names, panels, strict=True):
        rows = found[found["metric"] == name]
        ax.plot(rows["window_end"], rows["value"], color=INK)
        band = rows["value_low"].notna()
        ax.fill_between(rows["window_end"], rows["value_low"], rows["value_high"], where=band, color=INK, alpha=0.15)
        ax.set_title(f"{name}, windows of {kind}", fontsize=10)
    short_dates(panels[-1])
    return {"business metrics": figure}
