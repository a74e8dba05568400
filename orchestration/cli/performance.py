"""`baton performance`: how good a product's decisions were, as known now or as it was known on any past day."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from ml import clock
from ml.home import Home
from orchestration.cli.errors import FAILED, USAGE, CommandFailed
from orchestration.cli.options import JSON, Instant

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from orchestration.cli.performance_rows import Asked

WITH_INTERVAL = ("roc_auc", "accuracy", "value_per_decision")
SHOWN = ("window", "ending", "slice", "n", "matured", "roc_auc", "accuracy", "value/decision", "precision", "recall")


class KnownAt(Instant):
    """An instant, or a day, which means its end: what was known when it was over."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse; a bad text is wrong usage and says what is allowed."""
        found = super().convert(value, param, ctx)
        return found + clock.DAY if len(str(value).strip()) == len("2026-11-01") else found


@click.command("performance", short_help="How good the decisions were, as known now or on any past day.")
@click.argument("product")
@click.option("--known-at", type=KnownAt(), help="A day (its end) or an instant in UTC. Default: the newest run.")
@click.option("--window", help="One of the product's windows: 28d. Default: each of them.")
@click.option("--slice", "slices", help="A slice (plan) or one value of it (plan=growth). Default: overall.")
@click.option("--basis", default="matured", show_default=True, help="Which decisions the numbers rest on.")
@click.option("--ending", type=Instant(), help="Windows that end at this instant. Default: the newest closed ones.")
@JSON
def command(
    product: str,
    known_at: datetime | None,
    window: str | None,
    slices: str | None,
    basis: str,
    ending: datetime | None,
    as_json: bool,
) -> None:
    """How good PRODUCT's decisions were: of each window the newest closed one, in which every decision has matured.

    With --known-at the same models are built again, in a scratch warehouse, from what was known by then: every later
    prediction, outcome, correction and retraction is left out. The answer is the same whenever it is asked, as long as
    the raw tables keep their versions. Parameters are those of today's exposure; the share of the population that was
    never scored is left out, because nothing says when the population was known.

    \b
    Examples:
      baton performance churn
      baton performance churn --known-at 2026-11-01 --window 28d --slice plan
      baton performance churn --known-at 2026-11-01T06:00 --json
    """
    from orchestration.cli.performance_rows import Asked

    asked = Asked(product, window, slices, basis, ending)
    home = Home.from_env()
    _show(_now(home, asked) if known_at is None else _then(home, asked, known_at), as_json)


def _now(home: Home, asked: "Asked") -> dict[str, Any]:
    """The published table's answer."""
    import ml
    from orchestration.cli.performance_rows import refuse_unknown, rows

    with ml.connect(home) as con:
        refuse_unknown(con, asked.product)
        found: dict[str, Any] = {"product": asked.product, "known_at": _known_until(con)}
        return {**found, "final_from": None, "is_final": None, "rows": rows(con, asked)}


def _then(home: Home, asked: "Asked", known_at: datetime) -> dict[str, Any]:
    """The answer as it was known at `known_at`, and from when on it is final."""
    import ml
    from orchestration.cli.performance_rows import rows
    from orchestration.dbt.failures import BuildFailed
    from orchestration.dbt.known_then import NotMonitored, known_then, load_lag

    with ml.connect(home) as con:
        until = _known_until(con)
    if until is None or known_at > until:
        raise CommandFailed(
            f"what will be known at {known_at} UTC is not known yet: the published copy is of {until or 'no run'}. "
            "Allowed is up to then; for later: baton run",
            USAGE,
        )
    found: dict[str, Any] = {"product": asked.product, "known_at": known_at}
    try:
        found["final_from"] = known_at + load_lag(home, asked.product)
        found["is_final"] = until >= found["final_from"]
        with known_then(home, asked.product, known_at) as con:
            found["rows"] = [_without_population(row) for row in rows(con, asked)]
    except NotMonitored as error:
        raise CommandFailed(str(error), USAGE) from error
    except BuildFailed as error:
        raise CommandFailed(f"dbt could not build it as of {known_at}:\n{error}", FAILED) from error
    return found


def _without_population(row: Mapping[str, Any]) -> dict[str, Any]:
    """A missed day is added to the population later, and nothing says when."""
    return {name: None if "population" in name or "never_scored" in name else value for name, value in row.items()}


def _known_until(con: "DuckDBPyConnection") -> datetime | None:
    """The clock of the newest run that is published."""
    from orchestration.cli.facts import dicts

    return max(
        (row["now"] for row in dicts(con, "ops", "runs", "select now from {relation}") if row["now"]), default=None
    )


def _show(found: dict[str, Any], as_json: bool) -> None:
    from orchestration.cli.output import console, emit_json, print_table

    if as_json:
        emit_json(found)
        return
    out = console()
    out.print(f"{found['product']}, as known at {found['known_at']:%Y-%m-%d %H:%M} UTC", style="bold", markup=False)
    if found["is_final"] is False:
        out.print(
            f"Not final: what is loaded until {found['final_from']:%Y-%m-%d %H:%M} may still count as known then.",
            markup=False,
        )
    if not found["rows"]:
        out.print("No decisions were known then." if found["final_from"] else "No decisions yet. Next: baton run")
        return
    out.print("Windows closed by then where there is one; 95 % intervals in brackets.", style="dim")
    print_table(SHOWN, [_cells(row) for row in found["rows"]])


def _cells(row: Mapping[str, Any]) -> list[Any]:
    slice_ = "overall" if row["slice_name"] == "overall" else f"{row['slice_name']} {row['slice_value']}"
    ending = row["window_end"]
    shown = f"{ending:%Y-%m-%d}" if ending - clock.as_of(ending) == timedelta(0) else f"{ending:%Y-%m-%d %H:%M}"
    rates = [_with_interval(row, rate) for rate in WITH_INTERVAL]
    return [row["window_kind"], shown, slice_, row["n"], row["n_matured"], *rates, row["precision"], row["recall"]]


def _with_interval(row: Mapping[str, Any], rate: str) -> str | None:
    value, low, high = (row.get(name) for name in (rate, f"{rate}_low", f"{rate}_high"))
    if value is None:
        return None
    bounds = f"\n[{low:.3g}, {high:.3g}]" if low is not None and high is not None else ""
    return f"{value:.3g}{bounds}"
