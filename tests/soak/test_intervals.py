"""Coverage of the 95 % intervals where entities are scored again and again: 93 to 97 %, thousands of worlds each.

Report: docs/reports/intervals.md. `make test` keeps a short form in tests/test_monitoring_metrics.py.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from macro_harness import MacroHarness
from sklearn.metrics import roc_auc_score
from test_monitoring_metrics import PRODUCTS, measured

from ml.home import PROJECT_ROOT

WORLDS = int(os.environ.get("BATON_SOAK_WORLDS", "2000"))
REPORT = PROJECT_ROOT / "docs" / "reports" / "intervals.md"
METRICS = (
    *("accuracy", "precision", "recall", "f1", "balanced_accuracy", "roc_auc"),
    *("value_per_decision", "value_lift"),
)
# entities, days each is scored on, share of the outcome that its own day decides
SETTINGS = {
    "200 entities once": (200, 1, 1.0),
    "200 entities on 5 days, one lasting outcome": (200, 5, 0.0),
    "200 entities on 5 days, half of them settled anew each day": (200, 5, 0.5),
    "100 entities on 9 days, one lasting outcome": (100, 9, 0.0),
}
REPORTED: dict[str, dict[str, float]] = {}


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("soak"), PRODUCTS, now="2025-03-30 06:00:00") as harness:
        yield harness
    if len(REPORTED) == len(SETTINGS):
        write_report()


def world(rng: np.random.Generator, entities: int, days: int, anew: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels, days x entities: both last over the days but for the share that is drawn anew."""
    score = np.repeat(rng.random((1, entities)), days, axis=0)
    redrawn = rng.random((days, entities)) < anew
    score = np.where(redrawn, rng.random((days, entities)), score)
    lasting = np.repeat(rng.random((1, entities)), days, axis=0)
    chance = np.where(redrawn, rng.random((days, entities)), lasting)
    return score, (chance < 0.2 + 0.6 * score).astype(int)


def truth(anew: float) -> dict[str, float]:
    """Each metric over a population too large to be wrong; the marginal law does not depend on repetition."""
    score, label = (a[0] for a in world(np.random.default_rng(1), 4_000_000, 1, anew))
    said = score > 0.5
    tp, fp, fn, tn = (
        float(np.mean((said == s) & (label == y))) for s, y in ((True, 1), (True, 0), (False, 1), (False, 0))
    )
    value, everybody, nobody = 50 * tp - 10 * fp - 50 * fn, 50 * (tp + fn) - 10 * (fp + tn), -50 * (tp + fn)
    return {
        "accuracy": tp + tn,
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "balanced_accuracy": (tp / (tp + fn) + tn / (fp + tn)) / 2,
        "roc_auc": float(roc_auc_score(label, score)),
        "value_per_decision": value,
        "value_lift": value - max(everybody, nobody),
    }


@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_cover(macros: MacroHarness, setting: str) -> None:
    entities, days, anew = SETTINGS[setting]
    score, label = world(np.random.default_rng(20261121), WORLDS * entities, days, anew)
    entity = np.tile(np.arange(WORLDS * entities), days)
    rows = measured(
        macros, score.ravel(), label.ravel(), (score.ravel() > 0.5).astype(int), entity=entity,
        plan=(entity // entities).astype(str), day=np.repeat(np.arange(days), WORLDS * entities), amount=50.0,
    )  # fmt: skip
    of_worlds = [row for row in rows if row["slice_name"] == "plan" and row["model_version"] == "all"]
    assert len(of_worlds) == WORLDS
    REPORTED[setting] = covered(of_worlds, truth(anew), entities * days)
    outside = {metric: share for metric, share in REPORTED[setting].items() if not 0.93 <= share <= 0.97}
    assert outside == {}


def covered(rows: list[dict[str, Any]], target: dict[str, float], n: int) -> dict[str, float]:
    found = {}
    for metric in METRICS:
        wanted = target[metric] * (n if metric == "value_lift" else 1)
        found[metric] = float(np.mean([row[f"{metric}_low"] <= wanted <= row[f"{metric}_high"] for row in rows]))
    return found


def write_report() -> None:
    lines = [
        "# Coverage of the intervals under daily rescoring",
        "",
        f"Share of {WORLDS} worlds in which the 95 % interval of `performance` (basis matured) holds the true number;",
        "allowed is 93 to 97 %. Scores are uniform, the outcome comes with probability 0.2 + 0.6 score, threshold 0.5.",
        "Written by `make soak`.",
        "",
        "| setting | " + " | ".join(METRICS) + " |",
        "|---|" + "---|" * len(METRICS),
    ]
    for setting, shares in REPORTED.items():
        lines.append(f"| {setting} | " + " | ".join(f"{100 * shares[metric]:.1f} %" for metric in METRICS) + " |")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")
