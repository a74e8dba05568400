"""How long it takes until an outcome is known."""

from typing import TYPE_CHECKING

from ml.pictures.canvas import INK, QUIET, canvas

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from matplotlib.figure import Figure

STRATA_SHOWN = 6


def draw(con: "DuckDBPyConnection", relation: str) -> "dict[str, Figure]":
    """Share of the positives known by each age of a decision, with its 95 % interval; one line per larger stratum."""
    found = con.execute(f"select * from {relation} where share_seen is not null order by stratum, age_seconds").df()
    whole = found[found["stratum"] == "all"]
    if len(whole) < 2:
        return {}
    figure, (ax,) = canvas()
    days = whole["age_hours"] / 24
    ax.fill_between(days, whole["share_seen_low"], whole["share_seen_high"], step="post", color=INK, alpha=0.15)
    ax.step(days, whole["share_seen"], where="post", color=INK, label=f"all, {whole['n_positives'].iloc[0]:,} outcomes")
    parts = found[found["stratum"] != "all"].groupby("stratum")
    for stratum in parts["n_positives"].first().nlargest(STRATA_SHOWN).index:
        part = parts.get_group(stratum)
        ax.step(part["age_hours"] / 24, part["share_seen"], where="post", linewidth=1, label=str(stratum))
    if (late := whole["age_p99_hours"].iloc[0]) == late:
        ax.axvline(late / 24, linestyle=":", color=QUIET, label=f"99 % are known after {late / 24:.3g} days")
    ax.set(xlabel="days since the decision", ylabel="share of outcomes known", ylim=(0, 1.02))
    ax.set_title("How late outcomes are known")
    ax.legend(frameon=False, fontsize=8)
    return {"delay of outcomes": figure}
