"""Evidence of what came of the model: matured answers, lasting drift, parity, and how old the champion is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ml import clock
from ml.diagnosis.evidence import Champion, DriftAlarm, Matured, Parity
from ml.diagnosis.lineage import Raw
from ml.diagnosis.matured import matured
from ml.ops_tables import columns_in, columns_of
from ml.product import Product
from ml.quoting import quoted
from ml.warehouse import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BEFORE = timedelta(days=90)
SHARES, FUNCTIONS = "shares", "functions"  # what a comparison looks at: shares of bins, or distribution functions
KIND_OF_DRIFT = {
    "psi": SHARES,
    "jensen_shannon": SHARES,
    "chi_square": SHARES,
    "ks": FUNCTIONS,
    "wasserstein": FUNCTIONS,
}


def answers(con: "DuckDBPyConnection", product: Product, now: datetime) -> tuple[Matured | None, Matured | None]:
    """The newest decisions with an answer, as long as one period, and those of 90 days before."""
    if not columns_of(con, product, "decisions") or not columns_of(con, product, "outcomes"):
        return None, None
    rows = con.execute(
        f"""
        select decisions.as_of, decisions.score, outcomes.outcome_label
        from {product.relation("decisions")} as decisions
        inner join {product.relation("outcomes")} as outcomes using (decision_key)
        where outcomes.matures_at <= $now and outcomes.outcome_label is not null and isfinite(decisions.score)
        qualify decisions.as_of > max(decisions.as_of) over () - $span::interval
        order by decisions.as_of, decision_key
        """,
        {"now": now, "span": f"{(BEFORE + _period(product)).days} days"},
    ).fetchall()
    if not rows:
        return None, None
    cut = rows[-1][0] - _period(product)
    recent, before = [row for row in rows if row[0] > cut], [row for row in rows if row[0] <= cut]
    return _stretch(recent), _stretch(before, with_chances=False)


def _stretch(rows: Sequence[tuple[datetime, float, int]], with_chances: bool = True) -> Matured | None:
    as_of, score, label = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    return matured(as_of, score, label, with_chances)


def _period(product: Product) -> timedelta:
    return max(product.decide.per or product.outcome.horizon, clock.DAY)


def drift(con: "DuckDBPyConnection", product: Product, day: datetime) -> tuple[DriftAlarm, ...]:
    """The alarms of the newest window of each length that ends at `day`."""
    if not columns_of(con, product, "drift"):
        return ()
    rows = con.execute(
        f"""
        select window_kind, feature, method, value, threshold, is_alarm, is_alarm and n_breaches >= $k as is_firm
        from {product.relation("drift")}
        where window_end <= $day and window_end > $day - interval 1 day
        qualify window_end = max(window_end) over (partition by window_kind)
        order by feature, method, value, threshold
        """,
        {"day": day, "k": product.monitor.drift.k},
    ).fetchall()
    compared = [row for row in rows if row[2] in KIND_OF_DRIFT]
    kinds = {(window, feature, KIND_OF_DRIFT[method]) for window, feature, method, *_ in compared}
    firm = {(window, feature, KIND_OF_DRIFT[method]) for window, feature, method, *_, is_firm in compared if is_firm}
    loose = {(window, feature) for window, feature, _ in kinds - firm}
    return tuple(
        DriftAlarm(feature, method, value or 0.0, limit or 0.0, (window, feature) not in loose)
        for window, feature, method, value, limit, is_alarm, _ in rows
        if is_alarm
    )


def parity(
    con: "DuckDBPyConnection", product: Product, day: datetime, sources: Sequence[Raw] = ()
) -> tuple[Parity, ...]:
    """Logged against replayed features of the last week that was compared, oldest first."""
    if not columns_of(con, product, "parity"):
        return ()
    rows = con.execute(
        f"""
        select window_end, sum(n)::bigint, sum(n_equal)::bigint, arg_max(feature, n - n_equal), max(n - n_equal)::bigint
        from {product.relation("parity")} where window_end <= ? group by 1 order by 1 desc limit 7
        """,
        [day],
    ).fetchall()
    found = [Parity(*row) for row in reversed(rows)]
    if found and found[-1].n_rows:
        found[-1] = replace(found[-1], n_late=_loaded_later(con, product, found[-1].day, sources))
    return tuple(found)


def _loaded_later(con: "DuckDBPyConnection", product: Product, day: datetime, sources: Sequence[Raw]) -> int:
    """Rows that count as known before `day`, though they were loaded after its first score was written."""
    first = "select min(predicted_at) from {} where role = 'champion' and as_of = $day".format(
        product.relation("predictions")
    )
    tables = [raw for raw in sources if raw.is_landed and raw.known_at]
    late = [
        f"(select count(*) from {raw.relation} where loaded_at > ({first}) and {quoted(str(raw.known_at))} <= $day)"
        for raw in tables
        if {raw.known_at, "loaded_at"} <= set(columns_in(con, *raw.asset.split("/", 1)))
    ]
    (n,) = first_row(con, f"select {' + '.join(late)}", {"day": day}) or (0,) if late else (0,)
    return int(n)


def champion(con: "DuckDBPyConnection", product: Product, day: datetime) -> Champion | None:
    """The version that served at `day`, and how old its newest answer was; None of a product without one."""
    if product.train is None or not columns_in(con, "ops", "model_versions"):
        return None
    row = con.execute(
        "select version, labels_known_until from ops.model_versions where product = $product and serves_from <= $day "
        "and (serves_to is null or serves_to > $day) and labels_known_until <= $day order by version desc limit 1",
        {"product": product.name, "day": day},
    ).fetchone()
    if row is None:
        return None
    age, allowed = day - row[1], 2 * product.train.cadence
    return Champion(row[0], age / clock.DAY, allowed / clock.DAY)
