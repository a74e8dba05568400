"""Basis `estimated` the slow and obvious way: one row, one pair at a time. Shares nothing with the SQL."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
Z = 1.959963984540054
EPSILON = 2.220446049250313e-16
CELLS = {(1, 1): "tp", (1, 0): "fp", (0, 1): "fn", (0, 0): "tn"}


def estimated(spec: Row, rows: list[Row], realised: Row) -> Row:
    """Expected numbers of decisions whose labels are drawn by their scores; `realised` once all have matured."""
    if not rows:
        return dict.fromkeys(("tp", "fp", "fn", "tn"), 0.0) | dict.fromkeys(("accuracy", "roc_auc", "value", "brier"))
    p, said = [r["score"] for r in rows], [r["predicted_label"] for r in rows]
    repeats = Counter(r["entity"] for r in rows)
    clustering = 1 + sum(m * (m - 1) for m in repeats.values()) / len(rows)
    out = rates(p, said, clustering) | ranking(p, clustering) | losses(p) | money(spec, rows, clustering)
    out |= dict.fromkeys(("ece", "brier_reliability", "brier_resolution"))
    for metric in ("accuracy", "roc_auc", "value_per_decision"):
        known = realised.get(metric) is not None and out[metric] is not None
        out[f"{metric}_error"] = out[metric] - realised[metric] if known else None
    return out


def divided(top: float, bottom: float) -> float | None:
    return top / bottom if bottom else None


def rates(p: list[float], said: list[int], clustering: float) -> Row:
    """Each rate by its definition on expected cells; its variance from a numerical derivative by each row's label."""
    both = {
        "accuracy": lambda t, f, m, c: divided(t + c, t + f + m + c),
        "precision": lambda t, f, m, c: divided(t, t + f),
        "recall": lambda t, f, m, c: divided(t, t + m),
        "f1": lambda t, f, m, c: divided(2 * t, 2 * t + f + m),
        "balanced_accuracy": lambda t, f, m, c: (t / (t + m) + c / (f + c)) / 2 if t + m and f + c else None,
    }
    cells = [
        sum(q for q, y in zip(p, said, strict=True) if y),
        sum(1 - q for q, y in zip(p, said, strict=True) if y),
        sum(q for q, y in zip(p, said, strict=True) if not y),
        sum(1 - q for q, y in zip(p, said, strict=True) if not y),
    ]
    sizes = {
        "accuracy": len(p),
        "precision": sum(said),
        "recall": sum(p),
        "f1": sum(said) + sum(p),
        "balanced_accuracy": len(p),
    }
    out: Row = dict(zip(("tp", "fp", "fn", "tn"), cells, strict=True))
    for name, rate in both.items():
        value = rate(*cells)
        variance = None if value is None else clustering * spread(rate, cells, p, said)
        out[name] = value
        out[f"{name}_low"], out[f"{name}_high"] = wilson(value, variance, sizes[name] / clustering)
    return out


def spread(rate: Callable[..., float | None], cells: list[float], p: list[float], said: list[int]) -> float:
    """Sum of p (1 - p) d^2, d the derivative of the rate by a label: from a negative cell to a positive one."""
    by_label = {}
    for y in (0, 1):
        step = 1e-6 * max(1.0, sum(cells))
        ends = []
        for sign in (1, -1):
            moved = list(cells)
            moved[0 if y else 2] += sign * step
            moved[1 if y else 3] -= sign * step
            ends.append(rate(*moved))
        by_label[y] = 0.0 if None in ends else (ends[0] - ends[1]) / (2 * step)  # type: ignore[operator]
    return sum(q * (1 - q) * by_label[int(y)] ** 2 for q, y in zip(p, said, strict=True))


def wilson(rate: float | None, variance: float | None, size: float) -> tuple[float | None, float | None]:
    if rate is None or variance is None:
        return None, None
    n = rate * (1 - rate) / variance if variance > 1e-18 and rate * (1 - rate) > 1e-18 else size
    if not n > 0:
        return None, None
    middle, half = rate + Z**2 / (2 * n), Z * math.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return max(0.0, (middle - half) / (1 + Z**2 / n)), min(1.0, (middle + half) / (1 + Z**2 / n))


def ranking(p: list[float], clustering: float) -> Row:
    """Every pair of rows: one positive with p, the other negative with 1 - p; a row meets itself half."""
    positives, negatives = sum(p), sum(1 - q for q in p)
    out: Row = dict.fromkeys(("roc_auc", "roc_auc_low", "roc_auc_high", "ks"))
    order = sorted(set(p), reverse=True)
    total = sum(p.count(s) * s * sum(q for q in p if q >= s) / sum(q >= s for q in p) for s in order)
    out["average_precision"] = divided(total, positives)
    if not positives or not negatives:
        return out

    def half(a: float, b: float) -> float:
        return 1.0 if a > b else 0.5 if a == b else 0.0

    out["ks"] = max(
        abs(sum(q for q in p if q <= s) / positives - sum(1 - q for q in p if q <= s) / negatives) for s in p
    )
    auc = sum(a * (1 - b) * half(a, b) for a in p for b in p) / (positives * negatives)
    variance = 0.0
    for a in p:
        below = sum((1 - b) * half(a, b) for b in p) / negatives
        above = sum(b * half(b, a) for b in p) / positives
        variance += a * (1 - a) * ((below - auc) / positives - (above - auc) / negatives) ** 2
    out["roc_auc"] = auc
    out["roc_auc_low"], out["roc_auc_high"] = wilson(auc, clustering * variance, len(p) / clustering)
    return out


def losses(p: list[float]) -> Row:
    def loss(q: float) -> float:
        return -q * math.log(max(q, EPSILON)) - (1 - q) * math.log(max(1 - q, EPSILON))

    return {"log_loss": sum(map(loss, p)) / len(p), "brier": sum(q * (1 - q) for q in p) / len(p)}


def money(spec: Row, rows: list[Row], clustering: float) -> Row:
    def worth(row: Row, said: int, label: int) -> float:
        cell = spec["value"][CELLS[(said, label)]]
        return float(row[cell] or 0) if isinstance(cell, str) else float(cell)

    def expected(choose: Callable[[Row], int]) -> float:
        return sum(r["score"] * worth(r, choose(r), 1) + (1 - r["score"]) * worth(r, choose(r), 0) for r in rows)

    def stake(row: Row, said: int) -> float:
        return worth(row, said, 1) - worth(row, said, 0)

    taken, everybody, nobody = expected(lambda r: r["predicted_label"]), expected(lambda r: 1), expected(lambda r: 0)
    other = 1 if everybody >= nobody else 0
    out: Row = {"value": taken, "value_per_decision": taken / len(rows), "value_lift": taken - max(everybody, nobody)}
    out |= {"value_treat_all": everybody, "value_treat_none": nobody}
    stakes = {
        "value": [stake(r, r["predicted_label"]) for r in rows],
        "value_lift": [stake(r, r["predicted_label"]) - stake(r, other) for r in rows],
    }
    for name, amounts in stakes.items():
        variance = sum(r["score"] * (1 - r["score"]) * a**2 for r, a in zip(rows, amounts, strict=True))
        half = Z * math.sqrt(clustering * variance)
        out[f"{name}_low"], out[f"{name}_high"] = out[name] - half, out[name] + half
    return out
