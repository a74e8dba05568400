"""Whether a new version serves: the first must beat doing without it, a later one must beat the champion, paired."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import nan
from typing import TYPE_CHECKING

from ml.bootstrap import paired_value_delta
from ml.clock import DAY
from ml.evaluation import Sample
from ml.model_checks import LEAK_LIMIT, beats_base_rate
from ml.ops_tables import insert_row
from ml.product import Product
from ml.registry import Version
from ml.warehouse import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Decision:
    """`is_promoted` with its reason; `delta` is value per decision of the new version minus the champion's."""

    is_promoted: bool
    reason: str
    champion_version: int | None = None
    delta: float = nan
    delta_low: float = nan
    delta_high: float = nan
    serves_from: datetime | None = field(default=None)


def decide_first(product: Product, metrics: Mapping[str, float], leak_feature: str) -> Decision:
    """Promotion of a product's first serving version."""
    if metrics["leak_auc"] > LEAK_LIMIT:
        return Decision(False, _leak(leak_feature, metrics["leak_auc"]))
    verdict, numbers = beats_base_rate(product, metrics)
    if verdict == "loses":
        return Decision(False, f"does not beat the base rate on test: {numbers}")
    return Decision(True, f"first version: {numbers}")


def decide_challenger(
    product: Product,
    metrics: Mapping[str, float],
    leak_feature: str,
    cut: datetime,
    champion: Version,
    samples: tuple[Sample, Sample],
    seed: int,
) -> Decision:
    """Challenger against champion on the same test rows (`samples`, in this order)."""
    assert product.train is not None
    rule = product.train.promote
    delta, low, high = paired_value_delta(*samples, seed=seed)
    n, positives = int(metrics["n"]), int(metrics["n_positives"])
    versus = (
        f"{delta:+.4g} [{low:.4g}, {high:.4g}] {product.cells.currency} per decision against version {champion.version}"
    )
    is_promoted, reason = False, f"{versus}, margin {rule.margin:g}, {n} matured rows, {positives} positives"
    if metrics["leak_auc"] > LEAK_LIMIT:
        reason = _leak(leak_feature, metrics["leak_auc"])
    elif cut < champion.labels_known_until:
        reason = f"its cut {cut} is older than the champion's {champion.labels_known_until}"
    elif n < rule.min_matured or positives < rule.min_positives:
        reason = f"too little to judge: {n} matured rows and {positives} positives in test; allowed is at least "
        reason += f"{rule.min_matured} and {rule.min_positives}. {versus}"
    else:
        is_promoted = delta >= rule.margin
    return Decision(is_promoted, reason, champion.version, delta, low, high)


def replace_unusable(champion: Version, lacking: list[str]) -> Decision:
    """The champion cannot score any more, so there is nothing to compare with and somebody must serve."""
    return Decision(
        True, f"version {champion.version} wants columns that are gone: {', '.join(lacking)}", champion.version
    )


def _leak(feature: str, auc: float) -> str:
    return f"leak canary: {feature} alone has ROC AUC {auc:.3f}; allowed is at most {LEAK_LIMIT}"


def first_day_to_serve(con: "DuckDBPyConnection", product: Product, cut: datetime) -> datetime:
    """The cut, or the day after the last one that a champion has scored already, if that is later."""
    row = first_row(con, f"select max(as_of) from {product.relation('predictions')} where role = 'champion'")
    scored = row[0] if row else None
    return cut if scored is None else max(cut, scored + DAY)


def record(
    con: "DuckDBPyConnection",
    product: Product,
    version: Version,
    decision: Decision,
    now: datetime,
    dagster_run_id: str | None,
) -> None:
    """Write version and decision; a promoted version ends the champion's service where its own begins."""
    assert product.train is not None
    if decision.is_promoted:
        con.execute(
            "update ops.model_versions set serves_to = ?, is_champion = false where product = ? and is_champion",
            [decision.serves_from, product.name],
        )
    recorded = {name: value for name, value in vars(version).items() if name != "recorded"}
    insert_row(con, "ops.model_versions", product=product.name, **recorded, metrics=json.dumps(version.recorded))
    insert_row(
        con,
        "ops.promotions",
        product=product.name,
        version=version.version,
        fingerprint=version.fingerprint,
        decided_at=now,
        champion_version=decision.champion_version,
        is_promoted=decision.is_promoted,
        reason=decision.reason,
        metric="value_per_decision",
        delta=decision.delta,
        delta_low=decision.delta_low,
        delta_high=decision.delta_high,
        margin=product.train.promote.margin,
        n_matured=int(version.metrics["n"]),
        n_positives=int(version.metrics["n_positives"]),
        serves_from=decision.serves_from,
        dagster_run_id=dagster_run_id,
    )
