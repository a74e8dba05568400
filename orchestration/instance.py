"""The Dagster instance of a home: settings written beside its storage, no telemetry, one step at a time per pool."""

import os
from typing import TYPE_CHECKING, Any

from ml.home import Home

if TYPE_CHECKING:
    from dagster import DagsterInstance

SETTINGS = """# Written by Baton at every start; change orchestration/instance.py instead.
telemetry:
  enabled: false
nux:
  enabled: false         # no sign-up dialog in front of the page
concurrency:
  pools:
    default_limit: 1     # DuckDB has one writer: every step that opens the warehouse is in the pool `warehouse`
    granularity: op
  runs:
    max_concurrent_runs: 4
freshness:
  enabled: true
"""


def prepare(home: Home) -> None:
    """Write dagster.yaml and name the folder in DAGSTER_HOME, for this process and those it starts."""
    home.ensure()
    settings = home.dagster / "dagster.yaml"
    if not settings.exists() or settings.read_text() != SETTINGS:
        fresh = settings.with_suffix(f".{os.getpid()}")
        fresh.write_text(SETTINGS)
        fresh.replace(settings)
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ["BATON_HOME"] = str(home.root)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")


def get_instance(home: Home, capture_output: bool = False) -> "DagsterInstance":
    """The instance of this home; use it as a context manager.

    Its event log keeps its connections. Runs in this process write no stdout and stderr files unless `capture_output`:
    capturing takes the terminal away.
    """
    prepare(home)
    from dagster import DagsterInstance
    from dagster._core.instance.ref import InstanceRef

    runs = {"base_dir": str(home.dagster / "history" / "runs")}
    overrides: dict[str, Any] = {
        "event_log_storage": {"module": "orchestration.event_log", "class": "EventLog", "config": runs}
    }
    if not capture_output:
        nothing = "dagster._core.storage.noop_compute_log_manager"
        overrides["compute_logs"] = {"module": nothing, "class": "NoOpComputeLogManager"}
    return DagsterInstance.from_ref(InstanceRef.from_dir(str(home.dagster), overrides=overrides))
