"""What happened since the last published copy: a run that fails publishes nothing, yet `status` shows it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml.home import Home

if TYPE_CHECKING:
    from dagster import DagsterInstance, RunRecord

RUNS_LOOKED_AT = 20


def runs_since(home: Home, known: set[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Failed runs, and check results of every run, that are not in `known` (run ids of ops.runs); oldest first."""
    if not (home.dagster / "dagster.yaml").exists():
        return [], []
    import dagster as dg

    from orchestration.instance import get_instance

    with get_instance(home) as instance:
        records = [r for r in instance.get_run_records(limit=RUNS_LOOKED_AT) if r.dagster_run.run_id not in known]
        failed = [_run(record) for record in records if record.dagster_run.status == dg.DagsterRunStatus.FAILURE]
        checks = [check for record in reversed(records) for check in _checks(instance, record)]
    return failed[::-1], checks


def _run(record: "RunRecord") -> dict[str, Any]:
    run = record.dagster_run
    return {"run_id": run.run_id, "job": run.job_name, "ended_at": _instant(record.end_time)}


def _checks(instance: "DagsterInstance", record: "RunRecord") -> Iterator[dict[str, Any]]:
    import dagster as dg

    for entry in instance.all_logs(record.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if entry.dagster_event is None:
            continue
        found = entry.dagster_event.asset_check_evaluation_data
        told = {name: value.value for name, value in found.metadata.items()}
        yield {
            "asset": found.asset_key.to_user_string(),
            "check_name": found.check_name,
            "is_passed": found.passed,
            "severity": found.severity.value.lower(),
            "status": told.get("status") or ("ok" if found.passed else "failed"),
            "owner": told.get("owner"),
            "message": told.get("message") or found.description,
            "evaluated_at": _instant(entry.timestamp),
        }


def _instant(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=UTC).replace(tzinfo=None, microsecond=0) if seconds else None
