"""The Dagster instance of a home: settings beside its storage, no telemetry, one step at a time per pool.

A dagster.yaml that somebody changed is theirs: it is never written again, and `baton doctor` says what it lacks.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ml.home import Home

if TYPE_CHECKING:
    from dagster import DagsterInstance

SETTINGS = """# Written by Baton. Change it and it is yours: it then stays, and `baton doctor` says what it lacks.
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
EARLIER = {
    "90fd394ef7adb88bbcb2ef6730ce7b2f0474e4c7765979e3adc57c20a385edf6"
}  # SHA-256 of texts that earlier versions wrote

# What Baton cannot do without: where it stands in dagster.yaml, what is allowed (None: left to Dagster's default), and
# what happens otherwise.
NEEDED: tuple[tuple[tuple[str, ...], tuple[Any, ...], str], ...] = (
    (("concurrency", "pools", "default_limit"), (1,), "two steps would open the warehouse at once"),
    (("concurrency", "pools", "granularity"), ("op", None), "a waiting run would hold the pool for all its steps"),
    (("freshness", "enabled"), (True, None), "freshness policies would not be evaluated"),
    (("telemetry", "enabled"), (False,), "Dagster would report usage to its makers"),
)


def prepare(home: Home) -> None:
    """Write dagster.yaml unless somebody changed it, and name its folder in DAGSTER_HOME, for us and our children."""
    home.ensure()
    settings = home.dagster / "dagster.yaml"
    if not settings.exists() or _is_outdated(settings.read_bytes()):
        fresh = settings.with_suffix(f".{os.getpid()}")
        fresh.write_text(SETTINGS)
        fresh.replace(settings)
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    os.environ["BATON_HOME"] = str(home.root)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")


def _is_outdated(text: bytes) -> bool:
    """Whether this is, to the last byte, what an earlier version wrote."""
    return hashlib.sha256(text).hexdigest() in EARLIER


def settings_of(home: Home) -> Mapping[str, Any]:
    """What dagster.yaml says. Raises yaml.YAMLError where it is no YAML."""
    import yaml

    found = yaml.safe_load((home.dagster / "dagster.yaml").read_text())
    return found if isinstance(found, dict) else {}


def lacking(home: Home) -> Iterator[str]:
    """What a changed dagster.yaml lacks, each with what happens without it; nothing for our own."""
    declared = settings_of(home)
    for path, allowed, otherwise in NEEDED:
        found: Any = declared
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if found not in allowed:
            said = "not set" if found is None else str(found).lower()
            yield f"{'.'.join(path)} is {said}, needed is {str(allowed[0]).lower()} ({otherwise})"


def get_instance(home: Home, capture_output: bool = False) -> "DagsterInstance":
    """The instance of this home; use it as a context manager.

    Its event log keeps its connections. Runs in this process write no stdout and stderr files unless `capture_output`:
    capturing takes the terminal away. Where dagster.yaml chooses another storage, that is used as it is.
    """
    prepare(home)
    from dagster import DagsterInstance
    from dagster._core.instance.ref import InstanceRef

    declared, overrides = settings_of(home), {}
    if not {"storage", "event_log_storage"} & set(declared):
        runs = {"base_dir": str(home.dagster / "history" / "runs")}
        overrides["event_log_storage"] = {"module": "orchestration.event_log", "class": "EventLog", "config": runs}
    if not capture_output and "compute_logs" not in declared:
        nothing = "dagster._core.storage.noop_compute_log_manager"
        overrides["compute_logs"] = {"module": nothing, "class": "NoOpComputeLogManager"}
    return DagsterInstance.from_ref(InstanceRef.from_dir(str(home.dagster), overrides=overrides))
