"""The data's half of freshness: the newest value of an asset's freshness column against the run's clock.

Dagster's policy looks at the last materialization only: a run that loaded nothing new turns it green, not this check.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from orchestration.dbt.roster import Freshness
from orchestration.dbt.translator import FRESHNESS_COLUMN, GROUP, RELATION

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAME = "data_is_fresh"


def freshness_check(spec: dg.AssetSpec) -> dg.AssetCheckSpec | None:
    """The check of an asset that declares a freshness column, else None."""
    column = spec.metadata.get(FRESHNESS_COLUMN)
    if not column or spec.freshness_policy is None:
        return None
    return dg.AssetCheckSpec(
        NAME,
        asset=spec.key,
        blocking=True,
        description=f"The newest {column} is young enough on the run's clock, whatever Dagster last ran.",
        metadata={key: spec.metadata[key] for key in (GROUP, RELATION, FRESHNESS_COLUMN) if key in spec.metadata},
    )


def newest(con: "DuckDBPyConnection", relation: str, column: str) -> datetime | None:
    """The newest value as naive UTC; None where the relation is empty or not there."""
    if not exists(con, relation):
        return None
    found = con.execute(f'select max("{column}") from {relation}').fetchone()
    return _instant(found[0]) if found else None


def exists(con: "DuckDBPyConnection", relation: str) -> bool:
    """Whether a quoted relation is there: somebody else's loader may never have run."""
    import duckdb

    try:
        con.execute(f"select 1 from {relation} limit 0")
    except duckdb.CatalogException:
        return False
    return True


def not_there(key: dg.AssetKey, relation: str, owner: str) -> dg.AssetCheckResult:
    """The check on a table that somebody else fills and that does not exist."""
    message = (
        f"{relation} does not exist. Its source declares no landing, so somebody else loads it, and has never run or "
        f"writes elsewhere (owner {owner})"
    )
    return dg.AssetCheckResult(
        check_name=NAME, asset_key=key, passed=False, severity=dg.AssetCheckSeverity.ERROR, description=message,
        metadata={"owner": owner, "status": "failed", "message": message},
    )  # fmt: skip


def evaluate(
    con: "DuckDBPyConnection", key: dg.AssetKey, promise: Freshness, relation: str, now: datetime, owner: str
) -> dg.AssetCheckResult:
    """Age of the newest value against `fail_after` (error) and `warn_after`; an empty table is insufficient data."""
    found = con.execute(
        f'select max("{promise.column}") from {relation} where "{promise.column}" <= ?', [now]
    ).fetchone()
    newest = _instant(found[0]) if found else None
    metadata: dict[str, Any] = {"owner": owner, "column": promise.column or "", "fail_after": spell(promise.fail_after)}
    if newest is None:
        message = f"no {promise.column} at or before {now}: too little data to judge (owner {owner})"
        metadata |= {"status": "insufficient_data", "message": message}
        return dg.AssetCheckResult(
            check_name=NAME, asset_key=key, passed=False, severity=dg.AssetCheckSeverity.WARN,
            metadata=metadata, description=message,
        )  # fmt: skip
    age = now - newest
    failed, late = age > promise.fail_after, promise.warn_after is not None and age > promise.warn_after
    limit = promise.fail_after if failed or not late else promise.warn_after or promise.fail_after
    message = (
        f"newest {promise.column} is {newest}, {spell(age)} old; allowed is {spell(limit)} at {now} (owner {owner})"
    )
    metadata |= {"status": "failed" if failed or late else "ok", "message": message}
    metadata |= {"newest": str(newest), "value": round(age / timedelta(hours=1), 3), "unit": "hours"}
    metadata |= {"threshold": round(limit / timedelta(hours=1), 3)}
    return dg.AssetCheckResult(
        check_name=NAME,
        asset_key=key,
        passed=not failed and not late,
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=message,
    )


def _instant(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value.replace(tzinfo=None) if value else None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise TypeError(f"a freshness column must be a timestamp or a date; found {type(value).__name__}: {value!r}")


def spell(span: timedelta) -> str:
    """A duration as people say it: '26 h', '3 d 4 h', '12 min'."""
    minutes = round(span / timedelta(minutes=1))
    if abs(minutes) < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 72:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    return f"{hours // 24} d" + (f" {hours % 24} h" if hours % 24 else "")


def promises(specs: Mapping[dg.AssetKey, dg.AssetSpec]) -> dict[dg.AssetKey, dg.AssetSpec]:
    """The specs among these that have a freshness check."""
    return {key: spec for key, spec in specs.items() if freshness_check(spec) is not None}


def promise_of(spec: dg.AssetSpec) -> Freshness:
    """The freshness an asset's spec promises. Raises ValueError when it promises none."""
    policy = spec.freshness_policy
    if not isinstance(policy, TimeWindowFreshnessPolicy):
        raise ValueError(f"{spec.key.to_user_string()} has no freshness policy with a time window")
    warn = policy.warn_window.to_timedelta() if policy.warn_window else None
    return Freshness(policy.fail_window.to_timedelta(), warn, spec.metadata.get(FRESHNESS_COLUMN))
