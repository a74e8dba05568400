"""A run's Dagster events, heard one by one: retold as progress, collected into its outcome."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.outcome import CheckOutcome, FailedStep, JobOutcome, OnProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import DagsterEvent, MetadataValue
    from dagster_shared.error import SerializableErrorInfo


class Told:
    """Hears every event of one run."""

    def __init__(self, run_id: str, say: OnProgress) -> None:
        self.run_id, self._say = run_id, say
        self.first_sql: float | None = None  # time.monotonic() of the first thing the warehouse did
        self._success = False
        self._failed: list[FailedStep] = []
        self._checks: list[CheckOutcome] = []
        self._blocking: dict[str, list[CheckOutcome]] = {}  # failed error checks by step
        self._seconds: dict[str, float] = {}
        self._rows: dict[str, int] = {}

    def hear(self, event: "DagsterEvent") -> None:
        """Take one event in."""
        handler = {
            "STEP_START": self._started,
            "ASSET_MATERIALIZATION": self._materialized,
            "ASSET_CHECK_EVALUATION": self._checked,
            "STEP_FAILURE": self._broke,
            "STEP_SUCCESS": self._done,
            "PIPELINE_SUCCESS": self._succeeded,
            "PIPELINE_FAILURE": self._run_failed,
            "PIPELINE_CANCELED": self._run_failed,
        }.get(event.event_type_value)
        if handler:
            handler(event)

    def outcome(self, job: str, partition: str, seconds: float) -> JobOutcome:
        """What the run did."""
        return JobOutcome(
            job=job,
            run_id=self.run_id,
            success=self._success,
            partition=partition,
            seconds=seconds,
            failed_steps=tuple(self._failed),
            checks=tuple(self._checks),
            step_seconds=dict(self._seconds),
            rows=dict(self._rows),
        )

    def _started(self, event: "DagsterEvent") -> None:
        self._say(Progress("step", event.step_key or ""))

    def _materialized(self, event: "DagsterEvent") -> None:
        found = event.step_materialization_data.materialization
        name, meta = found.asset_key.to_user_string(), _plain(found.metadata)
        if self.first_sql is None and not name.startswith("landing/"):
            self.first_sql = time.monotonic() - float(meta.get("Execution Duration") or 0)
        rows = meta.get("dagster/row_count")
        if isinstance(rows, int):
            self._rows[name] = rows
        text = (
            f"{rows:,} rows" if isinstance(rows, int) else (f"as of day {found.partition}" if found.partition else "")
        )
        self._say(Progress("asset", name, text, seconds=meta.get("Execution Duration")))

    def _checked(self, event: "DagsterEvent") -> None:
        found = event.asset_check_evaluation_data
        meta = _plain(found.metadata)
        status = meta.get("status")
        check = CheckOutcome(
            run_id=self.run_id,
            asset=found.asset_key.to_user_string(),
            check=found.check_name,
            passed=found.passed,
            severity=found.severity.value.lower(),
            status=status if status in ("ok", "failed", "insufficient_data") else ("ok" if found.passed else "failed"),
            owner=str(meta.get("owner") or ""),
            message=str(meta.get("message") or found.description or ""),
        )
        self._checks.append(check)
        if not check.passed and check.severity == "error":
            self._blocking.setdefault(event.step_key or "", []).append(check)
        self._say(
            Progress(
                "check", f"{check.asset}:{check.check}", check.message, passed=check.passed, severity=check.severity
            )
        )

    def _broke(self, event: "DagsterEvent") -> None:
        data = event.step_failure_data
        given = data.user_failure_data  # of a dagster.Failure: it names the nodes
        nodes = given.metadata["on"].value if given and "on" in given.metadata else []
        asset = ", ".join(str(node).split(".")[-1] for node in nodes) if isinstance(nodes, list) else ""
        text = given.description if given and given.description else _words(data.error)
        blocking = self._blocking.get(event.step_key or "", [])
        if blocking and not given:  # Dagster's own words name the check, not what it found
            asset = ", ".join(dict.fromkeys(check.asset for check in blocking))
            text = "\n".join(f"{check.asset} {check.check}: {check.message}" for check in blocking)
        failed = FailedStep(self.run_id, event.step_key or "", asset or _asset_of(event), text.strip())
        self._failed.append(failed)
        self._say(Progress("step_failed", failed.step, failed.message))

    def _done(self, event: "DagsterEvent") -> None:
        seconds = event.step_success_data.duration_ms / 1000
        self._seconds[event.step_key or ""] = seconds
        self._say(Progress("step_done", event.step_key or "", seconds=seconds))

    def _succeeded(self, _event: "DagsterEvent") -> None:
        self._success = True

    def _run_failed(self, event: "DagsterEvent") -> None:
        if not self._failed:
            self._failed.append(FailedStep(self.run_id, "", "", event.message or "the run ended without success"))


WRAPPERS = {"DagsterExecutionStepExecutionError", "RetryRequestedFromPolicy"}
FRAME = re.compile(r'File "(?P<file>.+?)", line (?P<line>\d+)')


def _words(error: "SerializableErrorInfo | None") -> str:
    """The innermost error's own words, and where it was raised."""
    while error is not None and error.cause is not None and error.cls_name in WRAPPERS:
        error = error.cause
    if error is None:
        return "the step ended without an error"
    frames = [match for entry in error.stack if (match := FRAME.search(entry))]
    where = f" [{Path(frames[-1]['file']).name}:{frames[-1]['line']}]" if frames else ""
    return f"{error.message.strip()}{where}"


def _plain(metadata: "Mapping[str, MetadataValue[Any]]") -> dict[str, Any]:
    return {key: value.value for key, value in metadata.items()}


def _asset_of(event: "DagsterEvent") -> str:
    """The asset of a step that makes one: `churn_model` is churn/model."""
    step = event.step_key or ""
    product, _, table = step.rpartition("_")
    return f"{product}/{table}" if table in ("model", "predictions") else step
