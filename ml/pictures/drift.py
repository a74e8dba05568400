"""Which features moved away from what the model was trained on, day by day."""

from typing import TYPE_CHECKING

import numpy as np

from ml.pictures.canvas import WARM, canvas, short_dates

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from matplotlib.figure import Figure

WINDOWS_SHOWN, FEATURES_SHOWN = 120, 20
METHODS = ("psi", "new_categories", "null_share")  # of several, the one furthest over its own threshold is shown

_LARGEST = """
    select window_end, feature, max(value / threshold) as excess, bool_or(is_alarm) as is_alarm
    from {relation}
    where method in ? and threshold > 0 and value is not null
        and window_kind = (select window_kind from {relation} group by all order by count(*) desc, window_kind limit 1)
        and window_end in (select distinct window_end from {relation} order by window_end desc limit {windows})
    group by window_end, feature
    order by feature, window_end
"""


def draw(con: "DuckDBPyConnection", relation: str) -> "dict[str, Figure]":
    """One field per feature and window: the value over its threshold, 1 and more is large; a dot is an alarm."""
    query = _LARGEST.format(relation=relation, windows=WINDOWS_SHOWN)
    found = con.execute(query, [list(METHODS)]).df()
    if found["window_end"].nunique() < 2:
        return {}
    wide = found.pivot(index="feature", columns="window_end", values="excess")
    wide = wide.loc[wide.max(axis=1).sort_values().index[-FEATURES_SHOWN:]]
    figure, (ax,) = canvas()
    ax.grid(visible=False)
    field = ax.pcolormesh(wide.columns, np.arange(len(wide)), wide, cmap="cividis", vmin=0, vmax=2, shading="nearest")
    rows = {str(name): row for row, name in enumerate(wide.index)}
    alarms = found[found["is_alarm"] & found["feature"].isin(wide.index)]
    ax.scatter(alarms["window_end"], [rows[name] for name in alarms["feature"]], s=7, color=WARM)
    ax.set_yticks(np.arange(len(wide)), wide.index, fontsize=8)
    figure.colorbar(field, ax=ax, label="value over its threshold")
    ax.set_title("Drift by feature; dots are alarms")
    short_dates(ax)
    return {"drift by feature": figure}
