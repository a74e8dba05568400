"""Does 0.3 mean 30 %: predicted against realised, with the doubt of each point."""

from typing import TYPE_CHECKING

from ml.pictures.canvas import INK, QUIET, canvas
from ml.pictures.windows import longest_window

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from matplotlib.figure import Figure


def draw(con: "DuckDBPyConnection", relation: str) -> "dict[str, Figure]":
    """The newest of the longest windows that has at least half as many matured decisions as the fullest: of younger
    ones most are pending. A point per bin, sized by its decisions."""
    found = con.execute(
        f"""
        select * from {relation}
        where window_kind = ? and model_version = 'all' and n > 0 and window_end = (
            select window_end from {relation}
            where window_kind = ? and model_version = 'all'
            group by window_end having bool_or(status = 'ok')
            qualify sum(n) >= 0.5 * max(sum(n)) over ()
            order by window_end desc limit 1)
        order by bin
        """,
        [kind := longest_window(con, relation), kind],
    ).df()
    if found.empty:
        return {}
    figure, (ax,) = canvas()
    top = min(1.0, 1.1 * float(found[["mean_score", "positive_rate_high"]].max().max()))
    below = (found["positive_rate"] - found["positive_rate_low"]).clip(lower=0)
    above = (found["positive_rate_high"] - found["positive_rate"]).clip(lower=0)
    ax.plot([0, top], [0, top], linestyle=":", color=QUIET)
    ax.errorbar(found["mean_score"], found["positive_rate"], [below, above], fmt="none", ecolor=QUIET, linewidth=1)
    ax.scatter(found["mean_score"], found["positive_rate"], s=15 + 200 * found["n"] / found["n"].sum(), color=INK)
    for score, rate, n in found[["mean_score", "positive_rate", "n"]].itertuples(index=False):
        ax.annotate(f"{n:,}", (score, rate), textcoords="offset points", xytext=(8, -10), fontsize=8, color=QUIET)
    ax.set(xlabel="mean score of the bin", ylabel="share that happened, 95 % interval", xlim=(0, top), ylim=(0, top))
    ax.set_title(f"Calibration, {kind} to {found['window_end'].iloc[0]:%Y-%m-%d}, {found['n'].sum():,} decisions")
    return {"calibration": figure}
