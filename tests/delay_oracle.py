"""The delay curve and delay-corrected performance computed the slow and obvious way: loops over rows and double sums.

Rows are dicts of a decision with its outcome: entity, as_of, score, predicted_label, model_version, slices and amounts,
state, outcome_known_at, matures_at, outcome_label, is_restated. `spec` has open_hours (horizon + grace), horizon_hours,
grid (seconds), delay_by, slices, windows (name to hours, None for whole), value, min_n, min_share, min_positives.
Nothing here shares a line with the SQL.
"""

import math
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]
Z = 1.959963984540054
RATES = ("accuracy", "precision", "recall", "f1", "balanced_accuracy")


def seconds(since: datetime, until: datetime) -> int:
    """Whole seconds, counted as clock ticks passed."""
    return int((until.replace(microsecond=0) - since.replace(microsecond=0)).total_seconds())


def stratum(spec: Row, row: Row) -> str:
    def text(value: Any) -> str:
        return "(none)" if value is None else str(value).replace("%", "%25").replace("|", "%7C")

    return "|".join(f"{name}={text(row[name])}" for name in spec["delay_by"]) or "all"


def seen_age(spec: Row, row: Row) -> int:
    """The first age on the grid at which the outcome of a row is seen, in seconds."""
    if row["outcome_known_at"] <= row["as_of"]:
        return 0
    return math.ceil(seconds(row["as_of"], row["outcome_known_at"]) / spec["grid"]) * spec["grid"]


def counted(row: Row) -> bool:
    """A positive of a closed cohort that was known when it closed."""
    return row["outcome_label"] == 1 and row["outcome_known_at"] <= row["matures_at"]


def strata(spec: Row, rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        for name in {"all", stratum(spec, row)}:
            found[name].append(row)
    return found


def share_seen(spec: Row, rows: list[Row], age: float) -> float | None:
    ages = [seen_age(spec, row) for row in rows if counted(row)]
    return sum(a <= age for a in ages) / len(ages) if ages else None


def delay(spec: Row, rows: list[Row]) -> dict[tuple[str, int], Row]:
    """(stratum, age in seconds) -> the numbers of the curve."""
    result: dict[tuple[str, int], Row] = {}
    for name, members in strata(spec, rows).items():
        positives = [row for row in members if counted(row)]
        ages = sorted(seen_age(spec, row) for row in positives)
        last = math.ceil(spec["open_hours"] * 3600 / spec["grid"]) * spec["grid"]
        late = [row for row in members if row["outcome_label"] == 1]
        overdue = sorted(seconds(row["as_of"], row["outcome_known_at"]) - spec["horizon_hours"] * 3600 for row in late)
        scores = [row["score"] for row in positives]
        of_stratum = {
            "n_closed": sum(row["outcome_label"] is not None for row in members),
            "n_positives": len(ages),
            "n_known_late": len(late) - len(ages),
            "age_p50_hours": quantile(ages, 50),
            "age_p99_hours": quantile(ages, 99),
            "grace_p99_hours": None if not overdue else max(0.0, quantile(overdue, 99) or 0.0),
            "score_delay_correlation": spearman(scores, [seen_age(spec, row) for row in positives]),
        }
        for age in {*ages, last}:
            n_seen = sum(a <= age for a in ages)
            share = n_seen / len(ages) if ages else None
            low, high = wilson(share, len(ages)) if ages else (None, None)
            result[(name, age)] = {
                **of_stratum, "n_seen": n_seen, "share_seen": share, "share_seen_low": low, "share_seen_high": high,
            }  # fmt: skip
    return result


def quantile(values: list[int], percent: int) -> float | None:
    """The smallest value that at least `percent` of 100 do not exceed, in hours; values are sorted seconds."""
    return values[-(-percent * len(values) // 100) - 1] / 3600 if values else None


def spearman(x: list[float], y: list[float]) -> float | None:
    def ranks(values: list[float]) -> list[float]:
        middle = (len(values) + 1) / 2
        return [sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 - middle for w in values]

    a, b = ranks(x), ranks(y)
    size = math.sqrt(sum(v * v for v in a)) * math.sqrt(sum(v * v for v in b))
    return sum(v * w for v, w in zip(a, b, strict=True)) / size if size else None


def wilson(rate: float, n: float) -> tuple[float, float]:
    middle, half = rate + Z**2 / (2 * n), Z * math.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return max(0.0, (middle - half) / (1 + Z**2 / n)), min(1.0, (middle + half) / (1 + Z**2 / n))


def hour_of(at: datetime) -> datetime:
    hour = at.replace(minute=0, second=0, microsecond=0)
    return hour if hour == at else hour + timedelta(hours=1)


def corrected(spec: Row, rows: list[Row], now: datetime) -> dict[tuple[Any, ...], Row]:
    """(window_kind, window_end, slice_name, slice_value, model_version) -> numbers, for windows that may be open."""
    members = strata(spec, rows)
    weighed = [{**row, **weight(spec, members, row, now)} for row in rows if row["as_of"] <= now]
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    result: dict[tuple[Any, ...], Row] = {}
    for kind, hours in spec["windows"].items():
        if hours is None:
            ends, start = [today], datetime.min
        else:
            step = 24 if hours % 24 == 0 else 1
            reach = now - timedelta(hours=spec["open_hours"] + hours)
            last = today if step == 24 else now.replace(minute=0, second=0, microsecond=0)
            ends = [last - timedelta(hours=i * step) for i in range(2000) if last - timedelta(hours=i * step) > reach]
        for end in ends:
            start = datetime.min if hours is None else end - timedelta(hours=hours)
            inside = [row for row in weighed if start < hour_of(row["as_of"]) <= end]
            for group, members in groups(spec, inside).items():
                result[(kind, end, *group)] = numbers(spec, members)
    return result


def groups(spec: Row, rows: list[Row]) -> dict[tuple[str, str, str], list[Row]]:
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        for name in ("overall", *spec["slices"]):
            value = "all" if name == "overall" else "(none)" if row[name] is None else str(row[name])
            for version in ("all", str(row["model_version"])):
                found[(name, value, version)].append(row)
    return found


def weight(spec: Row, of_stratum: dict[str, list[Row]], row: Row, now: datetime) -> Row:
    """F at the row's age, whether a positive is seen by then, its weight, and what the uncertainty of F needs."""
    if row["outcome_label"] is not None:
        return {"F": 1.0, "seen": row["outcome_label"], "w": float(row["outcome_label"]), "used": True, "curve": None}
    name = stratum(spec, row)
    members = of_stratum[name]
    age = seconds(row["as_of"], now) // spec["grid"] * spec["grid"]
    n_positives = sum(counted(member) for member in members)
    enough = n_positives >= spec["min_positives"]
    share = (share_seen(spec, members, age) or 0.0) if enough else 0.0
    seen = int(row["state"] == "early_positive" and seen_age(spec, row) <= age)
    used = share >= spec["min_share"]
    curve = (name, age, n_positives) if used else None
    return {"F": share, "seen": seen, "w": seen / share if used else 0.0, "used": used, "curve": curve}


def numbers(spec: Row, rows: list[Row]) -> Row:
    out: Row = {"n": len(rows), "n_matured": sum(row["outcome_label"] is not None for row in rows)}
    for state in ("pending", "early_positive", "positive", "negative", "late_positive"):
        out[f"n_{state}"] = sum(row["state"] == state for row in rows)
    out["n_restated"] = sum(row["is_restated"] for row in rows)
    out["n_too_fresh"] = sum(not row["used"] for row in rows)
    out["coverage"] = out["n_matured"] / len(rows)
    used = [row for row in rows if row["used"]]
    out["status"] = "ok" if len(used) >= spec["min_n"] else "insufficient_data"
    labelled = [row for row in used if row["predicted_label"] is not None]
    said = [row for row in labelled if row["predicted_label"]]
    tp, fn = sum(r["w"] for r in said), sum(r["w"] for r in labelled if not r["predicted_label"])
    out |= {"tp": tp, "fn": fn, "fp": len(said) - tp, "tn": len(labelled) - len(said) - fn}
    if used and not labelled:
        out |= dict.fromkeys(("tp", "fp", "fn", "tn"))
    return out | rates(labelled) | losses(used) | money(spec, labelled)


# Numerator and denominator of one row: y predicted label, w weight; and whether the row stands in the rate's set.
PARTS = {
    "accuracy": (lambda y, w: y * w + (1 - y) * (1 - w), lambda y, w: 1, lambda y, seen: True),
    "precision": (lambda y, w: y * w, lambda y, w: y, lambda y, seen: y == 1),
    "recall": (lambda y, w: y * w, lambda y, w: w, lambda y, seen: seen == 1),
    "specificity": (lambda y, w: (1 - y) * (1 - w), lambda y, w: 1 - w, lambda y, seen: seen == 0),
    "f1": (lambda y, w: 2 * y * w, lambda y, w: y + w, lambda y, seen: y == 1 or seen == 1),
}


def rates(rows: list[Row]) -> Row:
    out, residuals, slopes, sizes = {}, {}, {}, {}  # type: Row, Row, Row, Row
    for name, (top, bottom, belongs) in PARTS.items():
        total = sum(bottom(r["predicted_label"], r["w"]) for r in rows)
        rate = (
            min(1.0, max(0.0, sum(top(r["predicted_label"], r["w"]) for r in rows) / total)) if total > 1e-9 else None
        )

        def error(y: int, w: float, of: Any = (top, bottom), r: Any = rate, d: float = total) -> float:
            return (of[0](y, w) - r * of[1](y, w)) / d

        out[name] = rate
        if rate is not None:
            residuals[name] = [error(r["predicted_label"], r["w"]) for r in rows]
            slopes[name] = [error(r["predicted_label"], 1) - error(r["predicted_label"], 0) for r in rows]
        inside = [r for r in rows if belongs(r["predicted_label"], r["seen"])]
        information = sum(1.0 if r["seen"] else r["F"] for r in inside)
        sizes[name] = information * len({r["entity"] for r in inside}) / len(inside) if inside else None
    if out["recall"] is not None and out["specificity"] is not None:
        out["balanced_accuracy"] = (out["recall"] + out["specificity"]) / 2
        for parts in (residuals, slopes):
            pair = zip(parts["recall"], parts["specificity"], strict=True)
            parts["balanced_accuracy"] = [(a + b) / 2 for a, b in pair]
        sizes["balanced_accuracy"] = min(sizes["recall"], sizes["specificity"])
    for name in RATES:
        out.setdefault(name, None)
        low, high = None, None
        if out[name] is not None:
            variance = spread(rows, residuals[name], slopes[name])
            inner = out[name] * (1 - out[name])
            size = inner / variance if variance > 1e-18 and inner > 1e-18 else sizes[name]
            low, high = wilson(out[name], size) if size else (None, None)
        out |= {f"{name}_low": low, f"{name}_high": high}
    out.pop("specificity")
    return out


def spread(rows: list[Row], residuals: list[float], slopes: list[float]) -> float:
    """Sum over entities of squared sums of residuals, plus slopes' quadratic form in the covariance of the curve."""
    sums: dict[Any, float] = defaultdict(float)
    points: dict[tuple[str, int, int], float] = defaultdict(float)
    shares: dict[tuple[str, int, int], float] = {}
    for row, residual, slope in zip(rows, residuals, slopes, strict=True):
        sums[row["entity"]] += residual
        if row["curve"] is not None and row["seen"]:
            points[row["curve"]] += slope * row["w"] ** 2
            shares[row["curve"]] = row["F"]
    curve = 0.0
    for a, x in points.items():
        for b, y in points.items():
            if a[0] == b[0]:
                curve += x * y * min(shares[a], shares[b]) * (1 - max(shares[a], shares[b])) / a[2]
    return sum(total**2 for total in sums.values()) + curve


def losses(rows: list[Row]) -> Row:
    def mean(one: Any) -> float | None:
        terms = [r["w"] * one(r["score"]) + (1 - r["w"]) * one(1 - r["score"]) for r in rows]
        return max(0.0, sum(terms) / len(terms)) if terms else None

    return {"log_loss": mean(lambda p: -math.log(max(p, 2.220446049250313e-16))), "brier": mean(lambda p: (1 - p) ** 2)}


def money(spec: Row, rows: list[Row]) -> Row:
    names = ("value", "value_low", "value_high", "value_per_decision", "value_treat_all", "value_treat_none")
    out: Row = dict.fromkeys((*names, "value_lift", "value_lift_low", "value_lift_high", "value_per_decision_low"))
    if not rows or not spec["value"]:
        return out

    def cell(row: Row, name: str) -> float:
        amount = spec["value"][name]
        return float(row[amount] or 0) if isinstance(amount, str) else float(amount)

    def worth(row: Row, label: int) -> tuple[float, float]:
        """Of a negative, and what a positive is worth more."""
        yes, no = (cell(row, "tp"), cell(row, "fp")) if label else (cell(row, "fn"), cell(row, "tn"))
        return no, yes - no

    policies = {
        "value": [worth(r, r["predicted_label"]) for r in rows],
        "value_treat_all": [worth(r, 1) for r in rows],
        "value_treat_none": [worth(r, 0) for r in rows],
    }
    for name, amounts in policies.items():
        out[name] = sum(no + r["w"] * more for r, (no, more) in zip(rows, amounts, strict=True))
    better = "value_treat_all" if out["value_treat_all"] >= out["value_treat_none"] else "value_treat_none"
    pairs = zip(policies["value"], policies[better], strict=True)
    policies["value_lift"] = [(a[0] - b[0], a[1] - b[1]) for a, b in pairs]
    out |= {"value_lift": out["value"] - out[better], "value_per_decision": out["value"] / len(rows)}
    for name in ("value", "value_lift"):
        if len({r["entity"] for r in rows}) > 1:
            earned = [no + r["w"] * more for r, (no, more) in zip(rows, policies[name], strict=True)]
            mean = sum(earned) / len(rows)
            half = Z * math.sqrt(spread(rows, [e - mean for e in earned], [more for _, more in policies[name]]))
            out |= {f"{name}_low": out[name] - half, f"{name}_high": out[name] + half}
    if out["value_low"] is not None:
        out["value_per_decision_low"] = out["value_low"] / len(rows)
    return out
