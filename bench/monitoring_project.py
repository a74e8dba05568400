"""A dbt project with one made product and the package's one-line monitoring models, built in this process.

The project is written into a folder, parsed once, and built through dbt as Baton does it; every build reports the CPU
and wall seconds of this process, of dbt as a whole and of each model.
"""

import contextlib
import io
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PACKAGE = Path(__file__).resolve().parent.parent / "dbt_project" / "baton"
SOURCES = {"raw": ("predictions", "prediction_features", "scoring_set", "events"), "ops": ("model_reference",)}
MODELS = {
    "decisions": "predictions=source('raw', 'predictions'), scoring_set=source('raw', 'scoring_set')",
    "outcomes": "decisions=ref('decisions'), events=source('raw', 'events')",
    "performance_hourly": "decisions=ref('decisions'), outcomes=ref('outcomes')",
    "performance": (
        "decisions=ref('decisions'), outcomes=ref('outcomes'), hourly=ref('performance_hourly'), "
        "population=source('raw', 'scoring_set')"
    ),
    "calibration": "hourly=ref('performance_hourly'), decisions=ref('decisions'), outcomes=ref('outcomes')",
    "drift": (
        "predictions=source('raw', 'predictions'), features=source('raw', 'prediction_features'), "
        "reference=source('ops', 'model_reference')"
    ),
}


def cpu_seconds() -> float:
    """User and system time of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass
class Spent:
    """CPU and wall seconds of a build, wall seconds per model as dbt measured them, and of all SQL statements."""

    cpu: float
    wall: float
    models: dict[str, float] = field(default_factory=dict)
    sql_cpu: float = 0.0
    sql_wall: float = 0.0


class Project:
    """A dbt project in `folder` on the warehouse `path`, for one product; `models`: names of MODELS to write."""

    def __init__(
        self, folder: Path, path: Path, product: dict[str, Any], models: Sequence[str], now: str, memory: str = "4GiB"
    ):
        self.folder, self.path, self.now = folder, path, now
        duck = {
            "type": "duckdb", "path": str(path), "threads": 1,
            "settings": {
                "TimeZone": "UTC", "memory_limit": memory, "threads": 2,
                "checkpoint_threshold": "128MB",  # as in Baton's own profile
            },
        }  # fmt: skip
        exposure = {"name": "leads", "type": "ml", "owner": {"name": "ml"}, "config": {"meta": {"product": product}}}
        self._write("dbt_project.yml", {"name": "bench", "version": "1.0", "config-version": 2, "profile": "bench"})
        self._write("packages.yml", {"packages": [{"local": str(PACKAGE)}]})
        self._write("profiles.yml", {"bench": {"target": "duckdb", "outputs": {"duckdb": duck}}})
        sources = [
            {"name": name, "schema": name, "tables": [{"name": table} for table in tables]}
            for name, tables in SOURCES.items()
        ]
        self._write("models/sources.yml", {"sources": sources})
        self._write("models/exposures.yml", {"exposures": [exposure]})
        for name in models:
            call = f"{{{{ baton.{name}('leads', {MODELS[name]}) }}}}\n"
            (folder / f"models/{name}.sql").write_text(call)
        self.dbt("deps")
        self.manifest = self.dbt("parse")

    def build(self, *models: str, full: bool = False) -> Spent:
        """`dbt run` of some models in their order, in this process, from the manifest."""
        cpu, wall = cpu_seconds(), time.perf_counter()
        refresh = ["--full-refresh"] if full else []
        with statements() as sql:
            results = self.dbt("run", "--select", *models, *refresh, manifest=self.manifest)
        spent = Spent(cpu_seconds() - cpu, time.perf_counter() - wall, sql_cpu=sql[0], sql_wall=sql[1])
        spent.models = {result.node.name: result.execution_time for result in results}
        return spent

    def dbt(self, *command: str, manifest: Any = None) -> Any:
        """The result of one dbt command. Raises RuntimeError with what failed."""
        from dbt.adapters.factory import FACTORY
        from dbt.cli.main import dbtRunner

        flags = ["--quiet", "--no-send-anonymous-usage-stats", "--log-level-file", "none", "--no-write-json"]
        places = ["--project-dir", str(self.folder), "--profiles-dir", str(self.folder)]
        variables = ["--vars", yaml.safe_dump({"now": self.now})] if command[0] != "deps" else []
        with said() as text:
            outcome = dbtRunner(manifest=manifest).invoke([*flags, *command, *places, *variables])
        for adapter in FACTORY.adapters.values():
            adapter.connections.close_all_connections()
        if not outcome.success:
            raise RuntimeError(f"dbt {' '.join(command)} failed: {outcome.exception or ''} {text.getvalue()[-3000:]}")
        return outcome.result

    def compiled(self, model: str) -> str:
        """The SQL of the last build of a model, as dbt ran it."""
        return next((self.folder / "target" / "run").rglob(f"{model}.sql")).read_text()

    def _write(self, name: str, content: Any) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))


@contextlib.contextmanager
def statements() -> Iterator[list[float]]:
    """CPU and wall seconds of every statement dbt sends to DuckDB in the meantime, commits included."""
    from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper

    spent, execute = [0.0, 0.0], DuckDBCursorWrapper.execute

    def timed(self: Any, sql: str, bindings: Any = None) -> Any:
        cpu, wall = cpu_seconds(), time.perf_counter()
        try:
            return execute(self, sql, bindings)
        finally:
            spent[0] += cpu_seconds() - cpu
            spent[1] += time.perf_counter() - wall

    DuckDBCursorWrapper.execute = timed
    try:
        yield spent
    finally:
        DuckDBCursorWrapper.execute = execute


@contextlib.contextmanager
def said() -> Iterator[io.StringIO]:
    """What dbt prints, kept for the error message."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        yield text
