"""Results of `ml.checks` as Dagster checks: owner, number, threshold and window stand in each."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.dbt.descriptions import spoken
from orchestration.dbt.translator import GROUP

if TYPE_CHECKING:
    from ml.checks import CheckResult


UNJUDGED = "insufficient_data"  # shown as a warning: green would say it was judged


def check_specs(spec: dg.AssetSpec, names: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """Specs of an asset's checks. Blocking: an error stops what is downstream; a warning never does."""
    owner = spec.metadata.get(GROUP)
    metadata = {GROUP: owner} if owner else {}
    return [
        dg.AssetCheckSpec(name, asset=spec.key, blocking=True, description=spoken(name), metadata=metadata)
        for name in names
    ]


def to_dagster(results: Sequence["CheckResult"], owner: str) -> list[dg.AssetCheckResult]:
    """One Dagster result per name; of several (one per version) the worst counts and all are shown."""
    by_check: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results:
        by_check.setdefault((result.asset, result.name), []).append(result)
    return [_to_dagster(found, owner) for found in by_check.values()]


def _badness(result: "CheckResult") -> int:
    if result.status == UNJUDGED:
        return 1
    return 0 if result.passed else (3 if result.severity == "error" else 2)


def _is_error(result: "CheckResult") -> bool:
    return result.severity == "error" and result.status != UNJUDGED


def _to_dagster(results: "Sequence[CheckResult]", owner: str) -> dg.AssetCheckResult:
    worst = max(results, key=_badness)
    message = f"{worst.message} (owner {owner})"
    metadata: dict[str, Any] = {"owner": owner, "status": worst.status, "message": message}
    metadata |= {
        name: value
        for name, value in (("value", worst.value), ("threshold", worst.threshold), ("window", worst.window))
        if value is not None
    }
    if len(results) > 1:
        metadata["all"] = dg.MetadataValue.md("\n".join(f"- {result.message}" for result in results))
    return dg.AssetCheckResult(
        check_name=worst.name,
        asset_key=dg.AssetKey(worst.asset.split("/")),
        passed=worst.passed and worst.status != UNJUDGED,
        severity=dg.AssetCheckSeverity.ERROR if _is_error(worst) else dg.AssetCheckSeverity.WARN,
        description=message,
        metadata=metadata,
    )
