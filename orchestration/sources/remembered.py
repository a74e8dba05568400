"""What a load did, kept by day in `ops.loads`: a later run compares with it."""

from datetime import datetime
from typing import TYPE_CHECKING

from ml import clock
from ml.diagnosis import record
from ml.diagnosis.evidence import Load
from orchestration.sources.report import LoadReport

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def remember(con: "DuckDBPyConnection", asset: str, report: LoadReport, now: datetime) -> None:
    """Add the report to the day of `now`."""
    load = Load(
        day=clock.as_of(now),
        files=report.files_loaded,
        rows=report.rows_new + report.rows_duplicate,
        rejected=report.rows_rejected,
        reasons=", ".join(f"{reason}: {count}" for reason, count in sorted(report.rejects_by_reason.items())),
        failed="; ".join(str(file) for file in report.files_failed),
        undeclared=", ".join(report.unexpected_columns),
        empty=report.files_empty,
    )
    relation = ".".join(f'"{part}"' for part in asset.split("/"))
    row = con.execute(f"select coalesce(max(row_id), 0) from {relation}").fetchone()
    record.record_load(con, asset, load, int(row[0]) if row else 0)
