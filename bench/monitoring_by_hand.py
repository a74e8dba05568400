"""The made product's monitoring by hand: `monitoring_by_hand.sql`, and drift in numpy. Its liberties are named there.

`build(con)` fills schema hand with decisions, outcomes, performance_hourly, performance, calibration and drift. Each
day is compared with the reference of the version that served it, by the package's methods and tests, with histograms
and scipy in place of SQL. Rare bins are merged by a simpler rule than Cochran's, so a p-value of theirs may differ.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from monitoring_data import CATEGORIES, DAYS, FIRST, NOW, NUMBERS
from scipy import stats

if TYPE_CHECKING:
    import duckdb

    Array = np.ndarray[Any, Any]

SQL = Path(__file__).with_name("monitoring_by_hand.sql")
CODES = 4096
Q, MIN_N = 0.01, 30
FLOORS = {
    "psi": 0.1, "jensen_shannon": 0.1, "chi_square": 0.1, "ks": 0.1, "wasserstein": 0.1, "new_categories": 0.01,
    "vanished_categories": 0.01, "null_share": 0.02, "range": 0.01,
}  # fmt: skip


def build(con: "duckdb.DuckDBPyConnection", tables: tuple[str, ...] = ("performance", "drift")) -> None:
    """Everything from raw log to drift; `tables` leaves a half out."""
    if "performance" in tables:
        for statement in con.extract_statements(SQL.read_text()):
            con.execute(statement)
    if "drift" in tables:
        drift(con)


def drift(con: "duckdb.DuckDBPyConnection") -> None:
    """Table hand.drift: one row per day, feature and method."""
    import pyarrow as pa

    rows = con.sql(
        f"""select date_diff('day', timestamp '{FIRST}', as_of - interval 1 microsecond)::smallint + 1::smallint as day,
            model_version::tinyint as version, score, {", ".join((*NUMBERS, *CATEGORIES))}
        from (select prediction_id, as_of, model_version, score from raw.predictions where role = 'champion')
        join raw.prediction_features using (prediction_id)"""
    ).to_arrow_table()
    day = rows["day"].to_numpy().astype(np.int64)
    version = np.zeros(DAYS + 1, dtype=np.int64)
    version[day] = rows["version"].to_numpy()
    totals = np.bincount(day, minlength=DAYS + 1)
    days = np.flatnonzero(totals)
    found: list[dict[str, Any]] = []
    references = {number: _reference(con, number) for number in np.unique(version[days]).tolist()}
    for name in ("score", *NUMBERS):
        column = rows[name].to_numpy()
        for number, reference in references.items():
            mine = days[version[days] == number]
            found += _numbers(name, column, day, mine, totals, reference[name])
    for name in CATEGORIES:
        codes = rows[name].combine_chunks().dictionary_encode()
        for number, reference in references.items():
            found += _categories(name, codes, day, days[version[days] == number], totals, reference[name])
    con.execute("create schema if not exists hand")
    con.register("found", pa.Table.from_pylist(_judged(found)))
    con.execute(
        f"""create or replace table hand.drift as
        select '1d' as window_kind, timestamp '{FIRST}' + to_days(day::integer) as window_end, found.* exclude (day),
            model_version, if(feature = 'score', 'held_out', 'training') as reference, n::bigint as n_entities, content,
            predicted_at, 'made' as spec_hash, timestamp '{NOW}' as evaluated_at, timestamp '{NOW}' as built_at
        from found join (
            select date_diff('day', timestamp '{FIRST}', as_of - interval 1 microsecond) + 1 as day,
                max(predicted_at) as predicted_at, max(model_version)::integer as model_version,
                count(*) || '|' || sum(score) as content
            from raw.predictions where role = 'champion' group by day
        ) using (day)
        order by window_end, feature, method"""
    )
    con.unregister("found")


def _reference(con: "duckdb.DuckDBPyConnection", version: int) -> dict[str, dict[str, Any]]:
    """Per feature of one version: counts of its bins, finite edges, fine counts with grid, moments, categories."""
    found: dict[str, dict[str, Any]] = {}
    rows = con.execute(
        "select feature, kind, bin, lower, upper, category, n, value from ops.model_reference where product = 'leads' "
        "and version = ? and kind in ('quantile', 'fine', 'category', 'moments') order by feature, kind, bin",
        [version],
    ).fetchall()
    for feature, kind, number, lower, upper, category, n, value in rows:
        of = found.setdefault(
            feature, {"bins": {}, "edges": [], "fine": np.zeros(CODES + 2), "categories": {}, "nulls": 0}
        )
        if kind == "fine":
            of["fine"][number + 1] = n
            of["tails"] = of.get("tails", {}) | ({number: n * value} if number in (-1, CODES) and n else {})
            if number in (0, CODES - 1):
                of["low" if number == 0 else "high"] = lower if number == 0 else upper
        elif kind == "moments":
            of["lowest"], of["highest"], of["deviation"] = lower, upper, value
        elif number == -1:
            of["nulls"] = n
        elif kind == "quantile":
            of["bins"][number] = n
            of["edges"] += [upper] if np.isfinite(upper) else []
        elif kind == "category":
            of["categories"][category] = n
    return found


def _numbers(
    name: str, x: "Array", day: "Array", days: "Array", totals: "Array", of: dict[str, Any]
) -> list[dict[str, Any]]:
    """Histograms of one number per day, and what follows from them."""
    known = np.isfinite(x)
    inside, at = x[known], day[known]
    low, width = of["low"], (of["high"] - of["low"]) / CODES
    n_bins = len(of["edges"]) + 1
    position = (inside - low) / width
    codes = np.clip(np.floor(position), -1, CODES).astype(np.int64) + 1
    fine = np.bincount(at * (CODES + 2) + codes, minlength=(DAYS + 1) * (CODES + 2)).reshape(DAYS + 1, -1)[days]
    bins = np.bincount(
        at * n_bins + np.searchsorted(of["edges"], inside, side="right"), minlength=(DAYS + 1) * n_bins
    ).reshape(DAYS + 1, -1)[days]
    nulls = totals[days] - bins.sum(axis=1)
    reference = np.r_[[of["bins"].get(i, 0) for i in range(n_bins)], of["nulls"]].astype(float)
    rows = _shape(name, days, np.c_[bins, nulls].astype(float), reference, "number")
    n, m = fine.sum(axis=1).astype(float), of["fine"].sum()
    after = np.cumsum(fine, axis=1) / n[:, None] - np.cumsum(of["fine"]) / m
    deciles = np.cumsum(bins, axis=1) / n[:, None] - np.cumsum(reference[:-1]) / m
    ks = np.maximum(np.abs(after).max(axis=1), np.abs(deciles).max(axis=1))
    # The area between the two functions: each code's rows taken at its middle; in the tails how far out they lie.
    area = np.abs(after[:, :-1]).sum(axis=1) - np.abs(after[:, 0]) / 2 - np.abs(after[:, -2]) / 2
    for beyond, sign, edge, code in ((position < 0, -1, 0, -1), (position > CODES, 1, CODES, CODES)):
        here = np.bincount(at[beyond], weights=sign * (position[beyond] - edge), minlength=DAYS + 1)[days] / n
        there = (
            sign * ((of["tails"].get(code, 0) - of["fine"][code + 1] * low) / width - of["fine"][code + 1] * edge) / m
        )
        area += np.abs(here - there)
    wasserstein = area * width / max(of["deviation"], 1e-3)
    size = n * m / (n + m)
    p = np.asarray(stats.kstwobign.sf(ks * np.sqrt(size)))
    critical = np.sqrt(-np.log(Q / 2) / 2 / size)
    outside = np.bincount(at[(inside < of["lowest"]) | (inside > of["highest"])], minlength=DAYS + 1)[days] / n
    rows += _rows(name, "ks", days, n, m, ks, p, np.maximum(FLOORS["ks"], critical))
    rows += _rows(name, "wasserstein", days, n, m, wasserstein, p, FLOORS["wasserstein"])
    rows += _rows(
        name, "range", days, n, m, outside, _two_shares(outside * n, n, np.full(len(n), 2.0), m, True), FLOORS["range"]
    )
    return rows


def _categories(
    name: str, codes: Any, day: "Array", days: "Array", totals: "Array", of: dict[str, Any]
) -> list[dict[str, Any]]:
    """Counts of one category per day; unseen ones share a bin, nulls have one."""
    import pyarrow.compute as pc

    names = list(of["categories"])
    place = np.array(
        [names.index(each) if each in of["categories"] else len(names) for each in codes.dictionary.to_pylist()]
    )
    index = pc.fill_null(codes.indices, len(place)).to_numpy(zero_copy_only=False)
    place = np.r_[place, len(names) + 1]
    counts = (
        np.bincount(day * (len(names) + 2) + place[index], minlength=(DAYS + 1) * (len(names) + 2))
        .reshape(DAYS + 1, -1)[days]
        .astype(float)
    )
    reference = np.r_[list(of["categories"].values()), 0, of["nulls"]].astype(float)
    n, m = totals[days].astype(float), reference.sum()
    rows = _shape(name, days, counts, reference, "category")
    once = np.full(len(n), float((reference[:-2] == 1).sum()))
    unseen = counts[:, -2]
    gone = (counts[:, :-2] == 0) * reference[:-2]
    chance = np.minimum(1, len(names) * np.exp(gone.max(axis=1) * np.log(m / (m + n))))
    rows += _rows(
        name, "new_categories", days, n, m, unseen / n, _two_shares(unseen, n, once, m, True), FLOORS["new_categories"]
    )
    rows += _rows(name, "vanished_categories", days, n, m, gone.sum(axis=1) / m, chance, FLOORS["vanished_categories"])
    return rows


def _shape(name: str, days: "Array", counts: "Array", reference: "Array", kind: str) -> list[dict[str, Any]]:
    """PSI, Jensen-Shannon, the contingency test of the same bins, and the share of nulls (the last bin)."""
    used = (counts.sum(axis=0) + reference) > 0
    nulls, m_nulls = counts[:, -1], reference[-1]
    counts, reference = counts[:, used], reference[used]
    n, m = counts.sum(axis=1), reference.sum()
    p, q = counts / n[:, None], reference / m
    floored_p, floored_q = np.where(counts > 0, p, 1e-4), np.where(reference > 0, q, 1e-4)
    psi = ((floored_p - floored_q) * np.log(floored_p / floored_q)).sum(axis=1)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / middle), 0) + np.where(q > 0, q * np.log2(q / middle), 0)
        triangle = np.where(p + q > 0, (p - q) ** 2 / (p + q), 0).sum(axis=1)
    js = np.sqrt(np.maximum(terms.sum(axis=1) / 2, 0))
    statistic, freedom = _contingency(counts, reference)
    tail = np.where(freedom >= 1, stats.chi2.sf(statistic, np.maximum(freedom, 1)), np.nan)
    critical = stats.chi2.ppf(1 - Q, len(reference) - 1) * (1 / n + 1 / m)
    more = {"statistic": statistic, "degrees_of_freedom": freedom}
    rows = _rows(name, "psi", days, n, m, psi, tail, np.maximum(FLOORS["psi"], critical), **more)
    rows += _rows(
        name,
        "jensen_shannon",
        days,
        n,
        m,
        js,
        tail,
        np.maximum(FLOORS["jensen_shannon"], np.sqrt(critical / (8 * np.log(2)))),
        **more,
    )
    if kind == "category":
        rows += _rows(name, "chi_square", days, n, m, np.sqrt(triangle / 2), tail, FLOORS["chi_square"], **more)
    share = _two_shares(nulls, n, np.full(len(n), m_nulls), m, False)
    return rows + _rows(name, "null_share", days, n, m, nulls / n - m_nulls / m, share, FLOORS["null_share"])


def _contingency(counts: "Array", reference: "Array") -> tuple["Array", "Array"]:
    """Pearson's statistic per day; bins that are expected below 5 are merged where Cochran's rule fails."""
    n, m = counts.sum(axis=1), reference.sum()
    pooled = (counts + reference) / (n + m)[:, None]
    least = np.minimum(n, m)[:, None] * pooled
    failing = (least.min(axis=1) < 1) | ((least < 5).mean(axis=1) > 0.2)
    statistic, freedom = np.empty(len(n)), np.empty(len(n), dtype=np.int64)
    for i in range(len(n)):
        row, other = counts[i], reference
        small = (least[i] < 5) & (counts[i] + reference > 0)
        if failing[i] and small.any():
            row, other = (np.r_[side[~small], side[small].sum()] for side in (row, other))
        both = row + other
        row, other, both = row[both > 0], other[both > 0], both[both > 0]
        statistic[i] = (n[i] * m / (n[i] + m) * (row / n[i] - other / m) ** 2 / (both / (n[i] + m))).sum()
        freedom[i] = len(both) - 1
    return statistic, freedom


def _two_shares(k: "Array", n: "Array", k_reference: "Array", m: float, one_sided: bool) -> "Array":
    """Pearson's chi-square where 5 are expected in each cell, else Chernoff's bound on the hypergeometric tail."""
    both = k + k_reference
    expected = np.minimum(n, m) / (n + m) * np.minimum(both, n + m - both)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = (k / n - k_reference / m) ** 2 * n * m * (n + m) / (both * (n + m - both))
        bound = np.exp(
            -np.where(k > 0, k * np.log(k / both * (n + m) / n), 0)
            - np.where(k_reference > 0, k_reference * np.log(k_reference / both * (n + m) / m), 0)
        )
    p = np.where(
        expected >= 5,
        stats.chi2.sf(square, 1) * (0.5 if one_sided else 1),
        np.minimum(1, bound * (1 if one_sided else 2)),
    )
    return np.where((both == 0) | (one_sided & (k / n <= k_reference / m)), 1.0, p)


def _rows(
    name: str, method: str, days: "Array", n: "Array", m: float, value: "Array", p: "Array", threshold: Any, **more: Any
) -> list[dict[str, Any]]:
    columns = {"n": n, "value": value, "p_value": p, "threshold": np.broadcast_to(threshold, value.shape), **more}
    lists = {key: column.tolist() for key, column in columns.items()}
    empty = {"statistic": None, "degrees_of_freedom": None}
    return [
        {
            "day": each,
            "feature": name,
            "method": method,
            "n_reference": m,
            **empty,
            **{key: column[i] for key, column in lists.items()},
        }
        for i, each in enumerate(days.tolist())
    ]


def _judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Benjamini-Hochberg per day, status, and breaches among the last three windows."""
    by_day: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_day.setdefault(row["day"], []).append(row)
    for of_day in by_day.values():
        for row in of_day:
            judged = min(row["n"], row["n_reference"]) >= MIN_N and row["p_value"] == row["p_value"]
            row |= {"q_value": None, "is_breach": False, "status": "ok" if judged else "insufficient_data"}
        tested = [row for row in of_day if row["status"] == "ok"]
        q_values = stats.false_discovery_control([row["p_value"] for row in tested]).tolist() if tested else []
        for row, q in zip(tested, q_values, strict=True):
            large = abs(row["value"]) > row["threshold"] and q <= Q
            unseen = row["method"] == "new_categories" and row["value"] > 0
            status = "new_category" if unseen else "drift" if large else "ok"
            row |= {"q_value": q, "is_breach": large, "status": status}
    series: dict[tuple[str, str], list[bool]] = {}
    alarms: dict[tuple[str, str], bool] = {}
    for day in sorted(by_day):
        for row in by_day[day]:
            key = (row["feature"], row["method"])
            past = series.setdefault(key, [])
            past.append(row["is_breach"])
            row["n_breaches"] = sum(past[-3:])
            row["n_consecutive"] = next((i for i, breach in enumerate(reversed(past)) if not breach), len(past))
            alarms[key] = row["n_breaches"] >= 2 or (alarms.get(key, False) and row["n_breaches"] > 0)
            row["is_alarm"] = alarms[key]
    return rows
