"""`ops.runs`, `ops.check_results`: what Dagster knows about runs, for people with SQL; with it what the pager knows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml.masking import masked
from orchestration.paging import copied
from orchestration.run_info import NOW, RunInfo

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from duckdb import DuckDBPyConnection

_TABLES = """
create schema if not exists ops;
create table if not exists ops.runs (
    run_id varchar primary key, job varchar, now timestamp, partition varchar, status varchar,
    started_at timestamp, ended_at timestamp, failed_step varchar, error varchar, tags json
);
create table if not exists ops.check_results (
    run_id varchar, asset varchar, check_name varchar, is_passed boolean, severity varchar, status varchar,
    owner varchar, value double, threshold double, "window" varchar, message varchar, evaluated_at timestamp,
    primary key (run_id, asset, check_name)
);
"""


def copy_into(con: "DuckDBPyConnection", instance: "DagsterInstance", info: RunInfo) -> int:
    """Record this run and every run that ended since the last record; returns the check results written.

    The current run stands as `SUCCESS`: this is its last step, and it is reached only when nothing failed.
    """
    con.execute(_TABLES)
    copied.copy_into(con, info.home)
    rows = con.execute("select run_id from ops.runs where status not in ('STARTED', 'STARTING')").fetchall()
    known = {row[0] for row in rows}
    written = 0
    for record in instance.get_run_records(limit=200):
        run = record.dagster_run
        if run.run_id in known or not (run.is_finished or run.run_id == info.run_id):
            continue
        con.execute(
            "insert or replace into ops.runs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _run_row(record, instance, info)
        )
        checks = list(_check_rows(run.run_id, instance))
        if checks:
            columns = [list(column) for column in zip(*checks, strict=True)]
            con.execute(f"insert or replace into ops.check_results select {', '.join(['unnest(?)'] * 12)}", columns)
        written += len(checks)
    return written


def _run_row(record: Any, instance: "DagsterInstance", info: RunInfo) -> list[Any]:
    run = record.dagster_run
    own = run.run_id == info.run_id
    failed = next(iter(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)), None)
    error = failed.dagster_event.step_failure_data.error if failed and failed.dagster_event else None
    partition = run.tags.get("dagster/partition") or "..".join(
        run.tags[tag]
        for tag in ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        if tag in run.tags
    )
    return [
        run.run_id,
        run.job_name,
        run.tags.get(NOW) or info.now,
        partition,
        "SUCCESS" if own else run.status.value,
        _instant(record.start_time),
        _instant(record.end_time) or (datetime.now(UTC).replace(tzinfo=None) if own else None),
        failed.step_key if failed else None,
        masked(error.message)[:2000] if error else None,
        json.dumps({key: value for key, value in run.tags.items() if not key.startswith(".")}),
    ]


def _instant(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=UTC).replace(tzinfo=None) if seconds else None


def _check_rows(run_id: str, instance: "DagsterInstance") -> Iterator[list[Any]]:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if entry.dagster_event is None:
            continue
        found = entry.dagster_event.asset_check_evaluation_data
        meta = {name: value.value for name, value in found.metadata.items()}
        yield [
            run_id,
            found.asset_key.to_user_string(),
            found.check_name,
            found.passed,
            found.severity.value.lower(),
            meta.get("status") if meta.get("status") in STATUSES else ("ok" if found.passed else "failed"),
            meta.get("owner"),
            _number(meta.get("value")),
            _number(meta.get("threshold")),
            meta.get("window"),
            meta.get("message") or found.description,
            _instant(entry.timestamp),
        ]


STATUSES = {"ok", "failed", "insufficient_data"}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
