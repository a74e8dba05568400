# ruff: noqa: E501  SQL reads better in its own line breaks
"""The numbers that a peer computes, and no others, as SQL over the same joined rows: what one would write in place of the peer.

Each function runs its query and returns values by the keys that the peers' scripts use. Rows: table joined (as_of, day,
slices, label, predicted_label, score, features), reference and current (drift of two months).
"""

import math
from typing import TYPE_CHECKING, Any

from monitoring_data import CATEGORIES, NUMBERS, REFERENCE_END, SLICES
from scipy.stats import kstwo

if TYPE_CHECKING:
    import duckdb

NUMERIC = (*NUMBERS, "score")
_SETS = "grouping sets ((day), (region), (channel), (tier))"
_KEY = "case grouping(day, region, channel, tier) when 7 then 'day|' || day when 11 then 'region|' || region when 13 then 'channel|' || channel else 'tier|' || tier end"
_BIN = "floor(40 * ln(greatest(least(score, 1 - 1e-6), 1e-6) / (1 - greatest(least(score, 1 - 1e-6), 1e-6))))::smallint"
_COUNTS = """count_if(predicted_label = 1 and label = 1) as tp, count_if(predicted_label = 1 and label = 0) as fp,
    count_if(predicted_label = 0 and label = 1) as fn, count_if(predicted_label = 0 and label = 0) as tn,
    -sum(ln(case label when 1 then score else 1 - score end)) as loss"""
_METRICS = """(tp + tn) / (tp + fp + fn + tn), tp / nullif(tp + fp, 0), tp / nullif(tp + fn, 0), 2 * tp / nullif(2 * tp + fp + fn, 0)"""


def rates(con: "duckdb.DuckDBPyConnection") -> dict[str, list[Any]]:
    """Accuracy, precision, recall, F1 and log loss per day and slice: cells first, then rolled up."""
    rows = con.execute(
        f"""with cells as (select day, region, channel, tier, {_COUNTS} from joined group by all),
        rolled as (select {_KEY} as key, sum(tp) as tp, sum(fp) as fp, sum(fn) as fn, sum(tn) as tn, sum(loss) as loss
            from cells group by {_SETS})
        select key, {_METRICS}, loss / (tp + fp + fn + tn) from rolled"""
    ).fetchall()
    return {row[0]: list(row[1:]) for row in rows}


def _auc(steps: str) -> str:
    """AUC per key from (key, x, pos, neg), ties at half."""
    return f"""select key, sum(pos * (upto - neg / 2.0)) / nullif(sum(pos) * sum(neg), 0)
        from (select *, sum(neg) over (partition by key order by x rows unbounded preceding) as upto from ({steps})) group by key"""


def performance(con: "duckdb.DuckDBPyConnection", exact: bool) -> dict[str, list[Any]]:
    """Evidently's six metrics for each day and each value of each slice."""
    found, areas = rates(con), {}
    for key in ("day", *SLICES) if exact else ():
        areas |= exact_areas(con, key, "true")
    if not exact:
        keyed = " union all ".join(
            f"select '{key}|' || {key} as key, x, sum(pos)::bigint as pos, sum(neg)::bigint as neg from counts group by {key}, x"
            for key in ("day", *SLICES)
        )
        counts = f"select day, region, channel, tier, {_BIN} as x, count_if(label = 1) as pos, count_if(label = 0) as neg from joined group by all"
        areas = dict(con.execute(f"with counts as materialized ({counts}) {_auc(keyed)}").fetchall())
    return {key: [*values[:4], areas[key], values[4]] for key, values in found.items()}


def exact_areas(con: "duckdb.DuckDBPyConnection", key: str, where: str) -> dict[str, float]:
    """AUC per value of a column from mid-ranks of the positives: half of the rows up to a score with its ties, half of those below it."""
    return dict(
        con.execute(
            f"""select '{key}|' || {key}, (sum(place) filter (label = 1) - p * (p + 1) / 2) / (p * (count(*) - p)) from (
                select {key}, label, (rank() over w + count(*) over w) / 2 as place, sum(label) over (partition by {key}) as p
                from joined where {where} window w as (partition by {key} order by score)) group by {key}, p"""
        ).fetchall()
    )


def performance_daily(con: "duckdb.DuckDBPyConnection") -> dict[str, list[Any]]:
    """NannyML's six numbers per day, AUC exact."""
    rows = con.execute(
        f"select 'day|' || day, {_METRICS}, -fp - 5 * fn from (select day, {_COUNTS} from joined where as_of >= timestamp '{REFERENCE_END}' group by day)"
    ).fetchall()
    areas = exact_areas(con, "day", f"as_of >= timestamp '{REFERENCE_END}'")
    return {key: [accuracy, areas[key]] for key, accuracy, *_ in rows}


def psi(con: "duckdb.DuckDBPyConnection") -> dict[str, float]:
    """PSI of 15 columns between two months on Evidently's own bins: equal widths over both samples (Sturges)."""
    ends = [
        con.execute(f"select count(*), {', '.join(f'min({x}), max({x})' for x in NUMERIC)} from {table}").fetchall()[0]
        for table in ("reference", "current")
    ]
    n_bins = math.ceil(math.log2(ends[0][0] + ends[1][0])) + 1
    bins = {x: x for x in CATEGORIES}
    for i, x in enumerate(NUMERIC):
        low, high = min(end[2 * i + 1] for end in ends), max(end[2 * i + 2] for end in ends)
        bins[x] = f"least(floor(({x} - {low!r}) / {high - low!r} * {n_bins}), {n_bins - 1})::tinyint"
    found: dict[str, float] = {}
    for names in (NUMERIC, CATEGORIES):
        counts = " union all ".join(
            f"select '{x}' as feature, {bins[x]} as bin, '{table}' as side, count(*) as n from {table} where {x} is not null group by bin"
            for x in names
            for table in ("reference", "current")
        )
        rows = con.execute(
            f"""with counts as ({counts}),
            sides as (select feature, bin, sum(n) filter (side = 'reference') as r, sum(n) filter (side = 'current') as c from counts group by all),
            shares as (select feature, greatest(coalesce(r, 0) / sum(r) over w, 1e-4) as r, greatest(coalesce(c, 0) / sum(c) over w, 1e-4) as c from sides window w as (partition by feature))
            select feature, sum((r - c) * ln(r / c)) from shares group by feature"""
        )
        found |= dict(rows.fetchall())
    return found


def ks_chi2(con: "duckdb.DuckDBPyConnection") -> dict[str, float]:
    """KS (exact) with its p-value, and the chi-square statistic of the contingency table, of 15 columns between two months."""
    # One sorted pass: the distance counts behind the last row of each value.
    ks = [
        f"""select '{x}' as feature, max(abs(r / nr - (place - r) / nc)) from (
            select {x}, lead({x}) over () as next, sum(is_ref) over (rows unbounded preceding) as r, row_number() over () as place
            from (select 1 as is_ref, {x} from reference where {x} is not null union all select 0, {x} from current where {x} is not null order by {x})),
            (select count({x}) as nr from reference), (select count({x}) as nc from current)
        where next is distinct from {x}"""
        for x in NUMERIC
    ]
    chi = " union all ".join(
        f"""select '{x}' as feature, sum((o - e) * (o - e) / e) from (
            select o, sum(o) over (partition by {x}) * sum(o) over (partition by is_ref) / sum(o) over () as e
            from (select {x}, is_ref, count(*)::double as o from (select true as is_ref, {x} from reference union all select false, {x} from current) where {x} is not null group by all))"""
        for x in CATEGORIES
    )
    # One feature after the other: all at once would hold twelve sorts in memory.
    found = dict(row for query in [*ks, chi] for row in con.execute(query).fetchall())
    sizes = [
        con.execute(f"select {', '.join(f'count({x})' for x in NUMERIC)} from {table}").fetchall()[0]
        for table in ("reference", "current")
    ]
    # Evidently says p-values; its chi-square takes the reference for the truth, so only KS can agree.
    p_values = {x: float(kstwo.sf(found[x], round(n * m / (n + m)))) for x, n, m in zip(NUMERIC, *sizes, strict=True)}
    return p_values | {f"chi-square {x}": found[x] for x in CATEGORIES}


def drift_daily(con: "duckdb.DuckDBPyConnection") -> dict[str, float]:
    """KS (on 4,096 equal widths of the reference's range) and chi-square statistics of 15 columns per day against the first 30 days."""
    ends = con.execute(
        f"select {', '.join(f'min({x}), max({x})' for x in NUMERIC)} from joined where as_of < timestamp '{REFERENCE_END}'"
    ).fetchall()[0]
    group = f"case when as_of < timestamp '{REFERENCE_END}' then null else day end as day"
    codes = {
        x: f"least(greatest(floor(({x} - {ends[2 * i]!r}) / {(ends[2 * i + 1] - ends[2 * i]) / 4096!r}), -1), 4096)::smallint"
        for i, x in enumerate(NUMERIC)
    }
    counts = " union all ".join(
        f"select {i}::tinyint as feature, {group}, {code} as code, count(*) as n from joined where {x} is not null group by all"
        for i, (x, code) in enumerate(codes.items())
    )
    ks = f"""
    with counts as materialized ({counts}),
    sorted as (select *, sum(n) over (rows unbounded preceding) as so_far from (from counts where day is not null order by feature, day, code)),
    sizes as (select feature, day, sum(n) as n, sum(sum(n)) over (order by feature, day) - sum(n) as start from counts where day is not null group by feature, day),
    dense as (
        select feature, code, sum(coalesce(n, 0)) over (partition by feature order by code) / sum(n) over (partition by feature) as f
        from (select distinct feature from counts) cross join (select unnest(range(-1, 4097))::smallint as code)
        left join (select feature, code, n from counts where day is null) using (feature, code)
    ),
    places as (select feature, code, f, lag(f, 1, 0) over (partition by feature order by code) as f_before from dense)
    select feature, day, max(greatest(abs((so_far - start) / sizes.n - f), abs((so_far - start - sorted.n) / sizes.n - f_before)))
    from sorted join sizes using (feature, day) join places using (feature, code)
    group by feature, day"""
    early = f"as_of < timestamp '{REFERENCE_END}'"
    chi = " union all ".join(
        f"""select '{x}|' || day, sum((o - e) * (o - e) / e + (r - re) * (r - re) / re) from (
            select day, o, r, (o + r) * nd / (nd + nr) as e, (o + r) * nr / (nd + nr) as re from (
                select day, nd, coalesce(r.n, 0)::double as r, coalesce(c.n, 0)::double as o, sum(coalesce(r.n, 0)) over (partition by day) as nr
                from (select day, count({x}) as nd from joined where not {early} group by day)
                cross join (select {x}, count(*) filter ({early}) as n from joined where {x} is not null group by {x}) as r
                left join (select day, {x}, count(*) as n from joined where not {early} group by all) as c using (day, {x}))
            where o + r > 0) group by day"""
        for x in CATEGORIES
    )
    found = {f"{NUMERIC[feature]}|{day}": value for feature, day, value in con.execute(ks).fetchall()}
    return found | dict(con.execute(chi).fetchall())
