"""Checks of the predictions of some days."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ml.check_result import CheckResult, Judge
from ml.clock import partition_of, sql
from ml.product import Product
from ml.registry import champion, versions
from ml.warehouse import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STALE_AFTER_CADENCES = 2
MISSED_WITHIN = timedelta(days=28)
PREDICTION_CHECKS = (
    *("population_covered", "scores_in_range", "prediction_id_unique", "model_not_stale", "no_day_missed"),
)


def prediction_checks(
    con: "DuckDBPyConnection", product: Product, *, as_of_days: Sequence[datetime], now: datetime
) -> tuple[CheckResult, ...]:
    """Checks of the predictions of some days, in the order of PREDICTION_CHECKS."""
    first, last = min(as_of_days), max(as_of_days)
    judge = Judge(product.asset("predictions"), f"as_of {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    days = "as_of in (" + ", ".join(f"timestamp '{sql(day)}'" for day in sorted(as_of_days)) + ")"
    return (
        _covered(con, product, judge, days),
        _in_range(con, product, judge, days),
        _unique(con, product, judge, days),
        _stale(con, product, now),
        _missed(con, product, now),
    )


def _one(con: "DuckDBPyConnection", query: str) -> Any:
    row = first_row(con, query)
    return row if row is not None else (None,)


def _covered(con: "DuckDBPyConnection", product: Product, judge: Judge, days: str) -> CheckResult:
    key = f'as_of, "{product.entity}"'
    wanted, found = _one(
        con,
        f"select count(*), count(hit) from (from {product.relation('scoring_set')} where {days}) left join "
        f"(select distinct {key}, true as hit from {product.relation('predictions')} "
        f"where {days} and role = 'champion') using ({key})",
    )
    share = found / wanted if wanted else 0.0
    message = f"{found} of {wanted} rows of the scoring set have a champion's prediction ({share:.2%}); allowed is all"
    return judge.result("population_covered", wanted > 0 and found == wanted, share, 1.0, message)


def _in_range(con: "DuckDBPyConnection", product: Product, judge: Judge, days: str) -> CheckResult:
    (bad,) = _one(
        con,
        f"select count(*) from {product.relation('predictions')} where {days} and "
        "(score between 0 and 1 and raw_score between 0 and 1) is not true",
    )
    return judge.result("scores_in_range", bad == 0, bad, 0, f"{bad} scores are null or outside 0 .. 1; allowed is 0")


def _unique(con: "DuckDBPyConnection", product: Product, judge: Judge, days: str) -> CheckResult:
    (twice,) = _one(
        con,
        f"select count(*) - count(distinct prediction_id) from {product.relation('predictions')} where {days}",
    )
    message = f"{twice} rows repeat a prediction_id; allowed is 0"
    return judge.result("prediction_id_unique", twice == 0, twice, 0, message)


def _stale(con: "DuckDBPyConnection", product: Product, now: datetime) -> CheckResult:
    serving = champion(con, product)
    assert product.train is not None
    limit = product.train.cadence * STALE_AFTER_CADENCES
    judge = Judge(product.asset("predictions"), f"up to {now}")
    if serving is None:
        return judge.result("model_not_stale", True, 0.0, limit.days, "no champion", enough=False)
    age = now - serving.labels_known_until
    message = (
        f"version {serving.version} knows labels up to {serving.labels_known_until:%Y-%m-%d}, {age.days} days ago; "
        f"allowed is {STALE_AFTER_CADENCES} cadences of {product.train.cadence.days} days"
    )
    return judge.result("model_not_stale", age <= limit, age.total_seconds() / 86400, limit.days, message, "warn")


def _missed(con: "DuckDBPyConnection", product: Product, now: datetime) -> CheckResult:
    """Days that stand in the scoring set without a prediction; those before any version served cannot have one."""
    served = min((version.serves_from for version in versions(con, product) if version.serves_from), default=now)
    since = max(now - MISSED_WITHIN, served)
    rows = con.execute(
        f"select as_of from {product.relation('scoring_set')} where as_of between $since and $now except "
        f"select as_of from {product.relation('predictions')} where role = 'champion' and as_of >= $since "
        "order by as_of",
        {"since": since, "now": now},
    ).fetchall()
    days = [row[0] for row in rows]
    message = f"{len(days)} days of the scoring set have no champion's prediction; allowed is 0"
    if days:
        first, last = partition_of(days[0]), partition_of(days[-1])
        message += f". as_of {', '.join(f'{day:%Y-%m-%d}' for day in days)}: baton backfill {first} {last}"
    judge = Judge(product.asset("predictions"), f"as_of {since:%Y-%m-%d} to {now:%Y-%m-%d}")
    return judge.result("no_day_missed", not days, len(days), 0, message, "warn")
