"""How good the decisions were over time: ROC AUC with its interval, money against treating everybody and nobody."""

from typing import TYPE_CHECKING

import numpy as np

from ml.pictures.canvas import INK, QUIET, WARM, canvas, short_dates
from ml.pictures.windows import DAYS_SHOWN, longest_window

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection
    from matplotlib.figure import Figure


def draw(con: "DuckDBPyConnection", relation: str) -> "dict[str, Figure]":
    """Figures by name, of the longest window of days; none before two windows have matured decisions."""
    kind = longest_window(con, relation)
    if kind is None:
        return {}
    found = con.execute(
        f"""
        select * from {relation}
        where window_kind = ? and slice_name = 'overall' and model_version = 'all' and basis = 'matured'
            and window_end > (select max(window_end) from {relation} where window_kind = ?) - to_days({DAYS_SHOWN})
        order by window_end
        """,
        [kind, kind],
    ).df()
    figures = {"performance over time": _ranking(found, kind)} if found["roc_auc"].notna().sum() > 1 else {}
    closed = found[(found["coverage"] >= 1) & found["value_lift"].notna()]  # a sum over half of a window is half a sum
    if len(closed) > 1:
        figures["value over time"] = _money(closed, kind)
    return figures


def _ranking(found: "pd.DataFrame", kind: str) -> "Figure":
    """ROC AUC with its 95 % interval; below it the share still pending, so that the end is not believed."""
    figure, (top, bottom) = canvas(2, (3, 1))
    closed = found["coverage"] >= 1
    for rows, style, label in ((closed, "-", "all decisions matured"), (~closed, ":", "some still pending")):
        if rows.any():
            line = found["roc_auc"].where(rows)
            top.plot(found["window_end"], line, style, color=INK, label=label)
    band = found["roc_auc_low"].notna()
    top.fill_between(
        found["window_end"], found["roc_auc_low"], found["roc_auc_high"], where=band, color=INK, alpha=0.15
    )
    top.set(ylabel="ROC AUC, 95 % interval")
    top.set_title(f"Ranking of matured decisions, windows of {kind}")
    top.legend(frameon=False, loc="lower left")
    bottom.fill_between(found["window_end"], 0, 1 - found["coverage"], color=QUIET, alpha=0.6)
    bottom.set(ylabel="pending", ylim=(0, 1))
    short_dates(bottom)
    return figure


def _money(found: "pd.DataFrame", kind: str) -> "Figure":
    """Value of what was done, of treating everybody and nobody."""
    figure, (ax,) = canvas()
    day = found["window_end"]
    ax.plot(day, found["value"], color=INK, label="the model's decisions")
    ax.fill_between(day, found["value_low"], found["value_high"], color=INK, alpha=0.15)
    ax.plot(day, found["value_treat_none"], "--", color=QUIET, label="treating nobody")
    ax.plot(day, found["value_treat_all"], ":", color=WARM, label="treating everybody")
    low = float(np.nanmin(found[["value", "value_low", "value_treat_none"]].to_numpy(dtype=float)))
    high = float(np.nanmax(found[["value", "value_high", "value_treat_none"]].to_numpy(dtype=float)))
    room = (high - low or 1) * 0.35
    ax.set_ylim(low - room, high + room)  # treating everybody can lie far outside: its line then leaves the picture
    ax.set(ylabel="value of the window's decisions")
    ax.set_title(f"Value, windows of {kind}")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.legend(frameon=False, loc="upper left")
    short_dates(ax)
    return figure
