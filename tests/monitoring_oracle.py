"""Decisions, outcomes and performance computed the slow and obvious way: loops over rows, one definition per function.

Rows are plain dicts. `spec` is the product as the exposure declares it, with whole days as `horizon_days`,
`grace_days` and `per_days` (None: once per entity). Nothing here shares a line with the SQL.
"""

import hashlib
import math
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import monitoring_oracle_cbpe as cbpe

Row = dict[str, Any]
Z = 1.959963984540054
EPSILON = 2.220446049250313e-16


def bucket(text: str, n: int, salt: str) -> int:
    return int(hashlib.md5(f"{salt}|{text}".encode()).hexdigest()[:8], 16) % n


def period(spec: Row, entity: str, as_of: datetime) -> int:
    if spec["per_days"] is None:
        return 0
    days = (as_of - datetime(1970, 1, 1)).days
    return (days - bucket(entity, spec["per_days"], f"period|{spec['name']}")) // spec["per_days"]


def decisions(spec: Row, log: list[Row], scoring: dict[tuple[str, datetime], Row]) -> dict[tuple[str, int], Row]:
    """The deciding prediction per (entity, period): an id counts once, the first written in time to be acted on."""
    written: dict[int, Row] = {}
    for row in sorted(log, key=lambda r: r["predicted_at"]):
        in_time = row["known_at"] is None or row["known_at"] <= row["as_of"] + timedelta(days=1)
        if row["role"] == "champion" and row["score"] is not None and 0 <= row["score"] <= 1 and in_time:
            written.setdefault(row["prediction_id"], row)
    best: dict[tuple[str, int], Row] = {}
    order = 1 if spec["policy"] == "first" else -1
    for row in sorted(written.values(), key=lambda r: (r["as_of"], r["predicted_at"], r["prediction_id"]))[::order]:
        best.setdefault((row["entity"], period(spec, row["entity"], row["as_of"])), row)
    return {key: {**row, **scoring.get((row["entity"], row["as_of"]), {})} for key, row in best.items()}


def outcome(spec: Row, decision: Row, events: list[Row], now: datetime) -> Row:
    """State of one decision as known at now; knowledge is replayed instant by instant."""
    ends = decision["as_of"] + timedelta(days=spec["horizon_days"])
    matures = ends + timedelta(days=spec["grace_days"])
    own = [e for e in events if e["entity"] == decision["entity"] and e["event_at"] > decision["as_of"]]
    inside = [e for e in own if e["event_at"] <= ends]

    def positive(at: datetime) -> bool:
        return any(e["valid_from"] <= at < e["valid_to"] for e in inside)

    instants = sorted({t for e in inside for t in (e["valid_from"], e["valid_to"]) if t <= now})
    since = None  # when the current answer began
    for previous, instant in zip([None, *instants], instants, strict=False):
        if positive(instant) != (previous is not None and positive(previous)):
            since = instant
    too_late = ends + timedelta(days=spec["horizon_days"])
    late = [e for e in own if ends < e["event_at"] <= too_late and e["valid_from"] <= now < e["valid_to"]]
    matured, is_positive = now >= matures, positive(now)
    row: Row = {"matures_at": matures, "outcome_at": None, "outcome_known_at": None}
    if spec["absence"]:  # the answer is yes when nothing happened, and nobody can know that early
        row["state"] = "pending" if not matured else "negative" if is_positive else "positive"
        if row["state"] == "positive":
            row["outcome_at"], row["outcome_known_at"] = ends, max(matures, since or matures)
    elif is_positive:
        row["state"] = "positive" if matured else "early_positive"
        row["outcome_at"] = min(e["event_at"] for e in inside if e["valid_from"] <= now < e["valid_to"])
        row["outcome_known_at"] = since
    elif matured and late:
        row["state"] = "late_positive"
        row["outcome_at"] = min(e["event_at"] for e in late)
        row["outcome_known_at"] = min(e["valid_from"] for e in late)
    else:
        row["state"] = "negative" if matured else "pending"
    row["outcome_label"] = int(is_positive != spec["absence"]) if matured else None
    row["is_restated"] = matured and is_positive != positive(matures)
    row["restated_at"] = since if row["is_restated"] else None
    return row


def day_of(as_of: datetime) -> datetime:
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == as_of else midnight + timedelta(days=1)


def hour_of(as_of: datetime) -> datetime:
    full = as_of.replace(minute=0, second=0, microsecond=0)
    return full if full == as_of else full + timedelta(hours=1)


def performance(spec: Row, decided: list[Row], population: list[Row], now: datetime) -> dict[tuple[Any, ...], Row]:
    """(window_kind, window_end, slice_name, slice_value, model_version, basis) -> numbers.

    `decided` has the outcomes too. `windows`: length by name, None for the whole history.
    """
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    units = population_units(spec, population, decided, this_hour)
    decided = [row for row in decided if hour_of(row["as_of"]) <= this_hour]
    result: dict[tuple[Any, ...], Row] = {}
    for kind, length in spec["windows"].items():
        for start, end in spans([row["as_of"] for row in decided + units], length, now):
            for group, rows, people in groups(spec, decided, units, start, end):
                for basis in ("matured", "naive", "estimated"):
                    found = numbers(spec, rows, basis) | covered(people, group[2])
                    result[(kind, end, *group, basis)] = found
    return result


def spans(instants: list[datetime], length: timedelta | None, now: datetime) -> list[tuple[datetime, datetime]]:
    """Start and end of every window of one kind that may hold an instant."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if length is None:
        return [(datetime.min, today)]
    of_days = length % timedelta(days=1) == timedelta(0)
    unit = timedelta(days=1) if of_days else timedelta(hours=1)
    last = today if of_days else now.replace(minute=0, second=0, microsecond=0)
    firsts = {day_of(t) if of_days else hour_of(t) for t in instants}
    ends = {first + k * unit for first in firsts for k in range(length // unit)}
    return [(end - length, end) for end in sorted(ends) if end <= last]


def population_units(spec: Row, population: list[Row], decided: list[Row], last: datetime) -> list[Row]:
    """One row per (entity, period) of the population, on its first day, with whether a decision exists."""
    keys = {(row["entity"], period(spec, row["entity"], row["as_of"])) for row in decided}
    units: dict[tuple[str, int], Row] = {}
    for row in sorted(population, key=lambda r: r["as_of"]):
        if hour_of(row["as_of"]) <= last:
            units.setdefault((row["entity"], period(spec, row["entity"], row["as_of"])), row)
    return [{**row, "scored": key in keys} for key, row in units.items()]


def groups(spec: Row, decided: list[Row], units: list[Row], start: datetime, end: datetime) -> list[Any]:
    found: dict[tuple[str, str, str], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for index, rows in enumerate((decided, units)):
        for row in rows:
            if not start < row["as_of"] <= end:
                continue
            slices = [("overall", "all"), *((s, "(none)" if row.get(s) is None else row[s]) for s in spec["slices"])]
            for name, value in slices:
                found[(name, value, "all")][index].append(row)
                if index == 0:
                    found[(name, value, str(row["model_version"]))][0].append(row)
    return [(group, *pair) for group, pair in found.items()]


def covered(people: list[Row], version: str) -> Row:
    if version != "all":
        return {"n_population": None, "n_never_scored": None, "share_never_scored": None}
    never = sum(not person["scored"] for person in people)
    return {"n_population": len(people), "n_never_scored": never, "share_never_scored": ratio(never, len(people))}


def ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom else None


def numbers(spec: Row, rows: list[Row], basis: str) -> Row:
    matured = [row for row in rows if row["outcome_label"] is not None]
    out: Row = {"n": len(rows), "n_matured": len(matured), "coverage": ratio(len(matured), len(rows))}
    out["status"] = "ok" if len(matured if basis == "matured" else rows) >= spec["min_n"] else "insufficient_data"
    for state in ("pending", "early_positive", "positive", "negative", "late_positive"):
        out[f"n_{state}"] = sum(row["state"] == state for row in rows)
    out["n_restated"] = sum(row["is_restated"] for row in rows)
    out["share_restated"] = ratio(out["n_restated"], len(matured))
    if basis == "estimated":
        closed = len(matured) == len(rows)
        return out | cbpe.estimated(spec, rows, labelled(spec, matured) if closed else {})
    if basis == "naive":
        matured = [{**row, "outcome_label": seen_label(row)} for row in rows]
    return out | labelled(spec, matured)


def seen_label(row: Row) -> int:
    """What has not been seen is negative."""
    return int(row["state"] == "early_positive") if row["outcome_label"] is None else row["outcome_label"]


def labelled(spec: Row, rows: list[Row]) -> Row:
    return rates(rows) | ranking(rows) | losses(rows) | money(spec, rows) | calibration(rows)


def calibration(rows: list[Row]) -> Row:
    """Ten bins of equal width: ECE (Guo 2017), reliability and resolution (Murphy 1973)."""
    bins: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        bins[min(9, math.floor(10 * row["score"]))].append(row)
    overall = sum(r["outcome_label"] for r in rows) / len(rows) if rows else 0.0
    ece = reliability = resolution = 0.0
    for members in bins.values():
        share, mean = len(members) / len(rows), sum(r["score"] for r in members) / len(members)
        rate = sum(r["outcome_label"] for r in members) / len(members)
        ece += share * abs(mean - rate)
        reliability += share * (mean - rate) ** 2
        resolution += share * (rate - overall) ** 2
    found = {"ece": ece, "brier_reliability": reliability, "brier_resolution": resolution}
    return found if rows else dict.fromkeys(found)


def rates(rows: list[Row]) -> Row:
    """Ratios of sums with their clustered Wilson intervals; each rate is numerator and denominator of one row."""
    label = lambda r: r["outcome_label"]  # noqa: E731
    said = lambda r: r["predicted_label"]  # noqa: E731
    parts = {
        "accuracy": (lambda r: said(r) == label(r), lambda r: 1),
        "precision": (lambda r: said(r) and label(r), said),
        "recall": (lambda r: said(r) and label(r), label),
        "specificity": (lambda r: not said(r) and not label(r), lambda r: 1 - label(r)),
        "f1": (lambda r: 2 * (said(r) and label(r)), lambda r: said(r) + label(r)),
    }
    out: Row = {}
    residuals: dict[str, list[float]] = {}
    for name, (top, bottom) in parts.items():
        total = sum(bottom(r) for r in rows)
        rate = ratio(sum(top(r) for r in rows), total)
        out[name] = rate
        residuals[name] = [] if rate is None else [(top(r) - rate * bottom(r)) / total for r in rows]
        entities = len({r["entity"] for r in rows if bottom(r)})
        out[f"{name}_low"], out[f"{name}_high"] = interval(rate, clustered(rows, residuals[name]), entities)
    both = out["recall"] is not None and out["specificity"] is not None
    out["balanced_accuracy"] = (out["recall"] + out["specificity"]) / 2 if both else None
    halves = [(a + b) / 2 for a, b in zip(residuals["recall"], residuals["specificity"], strict=True)] if both else []
    out["balanced_accuracy_low"], out["balanced_accuracy_high"] = interval(
        out["balanced_accuracy"], clustered(rows, halves), entities_of_smaller_class(rows)
    )
    return {name: value for name, value in out.items() if not name.startswith("specificity")}


def entities_of_smaller_class(rows: list[Row]) -> int:
    return min(len({r["entity"] for r in rows if r["outcome_label"] == label}) for label in (0, 1))


def clustered(rows: list[Row], residuals: list[float]) -> float | None:
    sums: dict[str, float] = defaultdict(float)
    for row, residual in zip(rows, residuals, strict=False):
        sums[row["entity"]] += residual
    return sum(total**2 for total in sums.values()) if residuals else None


def interval(rate: float | None, variance: float | None, entities: int) -> tuple[float | None, float | None]:
    """Wilson's score interval at the effective sample size r (1 - r) / variance."""
    if rate is None or variance is None:
        return None, None
    spread = rate * (1 - rate)
    n = spread / variance if variance > 1e-18 and spread > 1e-18 else entities
    middle = rate + Z**2 / (2 * n)
    half = Z * math.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return max(0.0, (middle - half) / (1 + Z**2 / n)), min(1.0, (middle + half) / (1 + Z**2 / n))


def ranking(rows: list[Row]) -> Row:
    """AUC over all pairs; DeLong's variance, plus the covariance of rows of one entity; average precision."""
    out: Row = dict.fromkeys(("roc_auc", "roc_auc_low", "roc_auc_high", "average_precision", "ks"))
    positives = [r for r in rows if r["outcome_label"] == 1]
    negatives = [r for r in rows if r["outcome_label"] == 0]
    if not positives or not negatives:
        return out

    def wins(p: Row, q: Row) -> float:
        return 1.0 if p["score"] > q["score"] else 0.5 if p["score"] == q["score"] else 0.0

    placements = {id(p): sum(wins(p, q) for q in negatives) / len(negatives) for p in positives}
    placements |= {id(q): sum(wins(p, q) for p in positives) / len(positives) for q in negatives}
    auc = sum(placements[id(p)] for p in positives) / len(positives)
    variance = None
    if len(positives) > 1 and len(negatives) > 1:
        influence = [(placements[id(r)] - auc) / len(positives if r["outcome_label"] else negatives) for r in rows]
        delong = sum(
            i**2 * (len(g) / (len(g) - 1))
            for r, i in zip(rows, influence, strict=True)
            for g in [positives if r["outcome_label"] else negatives]
        )
        variance = max(0.0, delong + (clustered(rows, influence) or 0.0) - sum(i**2 for i in influence))
    out["roc_auc"] = auc
    out["roc_auc_low"], out["roc_auc_high"] = interval(auc, variance, entities_of_smaller_class(rows))
    out["average_precision"] = average_precision(rows, len(positives))
    out["ks"] = max(abs(share_up_to(positives, r["score"]) - share_up_to(negatives, r["score"])) for r in rows)
    return out


def share_up_to(rows: list[Row], score: float) -> float:
    return sum(r["score"] <= score for r in rows) / len(rows)


def average_precision(rows: list[Row], n_pos: int) -> float:
    total, recall = 0.0, 0.0
    for score in sorted({r["score"] for r in rows}, reverse=True):
        taken = [r for r in rows if r["score"] >= score]
        hits = sum(r["outcome_label"] for r in taken)
        total += (hits / n_pos - recall) * hits / len(taken)
        recall = hits / n_pos
    return total


def losses(rows: list[Row]) -> Row:
    chance = [r["score"] if r["outcome_label"] else 1 - r["score"] for r in rows]
    return {
        "log_loss": ratio(sum(-math.log(max(c, EPSILON)) for c in chance), len(rows)),
        "brier": ratio(sum((1 - c) ** 2 for c in chance), len(rows)),
    }


def money(spec: Row, rows: list[Row]) -> Row:
    names = ("value", "value_per_decision", "value_treat_all", "value_treat_none", "value_lift")
    out: Row = dict.fromkeys([*names, "value_low", "value_high", "value_lift_low", "value_lift_high"])
    if not rows:
        return out

    def worth(row: Row, label: int) -> float:
        cell = (
            spec["value"]["tp" if row["outcome_label"] else "fp"]
            if label
            else spec["value"]["fn" if row["outcome_label"] else "tn"]
        )
        return float(row[cell] or 0) if isinstance(cell, str) else float(cell)

    taken = [worth(r, r["predicted_label"]) for r in rows]
    everybody, nobody = [worth(r, 1) for r in rows], [worth(r, 0) for r in rows]
    better = everybody if sum(everybody) >= sum(nobody) else nobody
    lift = [a - b for a, b in zip(taken, better, strict=True)]
    out |= {"value": sum(taken), "value_per_decision": sum(taken) / len(rows), "value_lift": sum(lift)}
    out |= {"value_treat_all": sum(everybody), "value_treat_none": sum(nobody)}
    for name, amounts in (("value", taken), ("value_lift", lift)):
        if len({r["entity"] for r in rows}) > 1:
            mean = sum(amounts) / len(rows)
            half = Z * math.sqrt(clustered(rows, [a - mean for a in amounts]) or 0.0)
            out[f"{name}_low"], out[f"{name}_high"] = sum(amounts) - half, sum(amounts) + half
    return out
