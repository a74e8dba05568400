"""Installing packages and parsing, in process. Calls import dbt (2 s); `manifest.py` makes them on a change only."""

import gc
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.home import Home
from orchestration.dbt.manifest import ManifestError, ManifestFile, local_packages, profiles_dir

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

GLOBAL_FLAGS = ("--no-send-anonymous-usage-stats", "--no-use-colors", "--log-level", "none", "--log-level-file", "none")

PARTIAL_PARSE = "partial_parse.msgpack"  # belongs to the key stored beside it

_parsed: dict[str, "Manifest"] = {}  # by content key: homes of one project share it


def invoke(
    arguments: list[str],
    project: Path,
    home: Home,
    manifest: "Manifest | None" = None,
    callbacks: Any = None,
    profiles: Path | None = None,
) -> Any:
    """One dbt command in this process; returns dbt's own result object and never raises for dbt's sake.

    profiles: the folder of profiles.yml, where it is not the project's.
    """
    with warnings.catch_warnings():
        # dbt-core and click deprecate parts of each other; nothing here is ours to change.
        warnings.simplefilter("ignore", DeprecationWarning)
        from dbt.cli.main import dbtRunner

        where = ["--project-dir", str(project), "--profiles-dir", str(profiles or profiles_dir(project))]
        logs = ["--log-path", str(home.root / "dbt" / "logs")]
        return dbtRunner(manifest=manifest, callbacks=callbacks).invoke([*GLOBAL_FLAGS, *logs, *arguments, *where])


def install_packages(project: Path, home: Home) -> None:
    """`dbt deps`, when a package is missing or its link points elsewhere (links are absolute: a clone that moved)."""
    declared = [name for name in ("packages.yml", "dependencies.yml") if (project / name).is_file()]
    installed = project / "dbt_packages"
    if not declared:
        return
    linked = {link.resolve() for link in installed.iterdir()} if installed.is_dir() else set()
    broken = installed.is_dir() and any(not link.exists() for link in installed.iterdir())
    if installed.is_dir() and linked and not broken and set(local_packages(project)) <= linked:
        return
    result = invoke(["deps"], project, home)
    if not result.success:
        raise ManifestError(f"dbt deps failed in {project}: {result.exception}. Next: dbt deps --project-dir {project}")


def parse(project: Path, home: Home, target: Path) -> "Manifest":
    """Parse the project and write target/manifest.json. Raises ManifestError with dbt's message."""
    target.mkdir(parents=True, exist_ok=True)
    os.environ["BATON_HOME"] = str(home.root)
    result = invoke(["parse", "--target-path", str(target)], project, home)
    close_connections()
    if not result.success or result.result is None:
        raise ManifestError(
            f"dbt could not parse {project}:\n{result.exception}\nNext: mend the file it names, run again"
        )
    manifest: Manifest = result.result
    return manifest


def parsed(file: ManifestFile) -> "Manifest":
    """dbt's own manifest object for a build; once per process and content.

    Read from what the last parse of the same content left (10 ms); parsed again only where that is gone.
    """
    if file.key not in _parsed:
        saved = file.target / PARTIAL_PARSE
        _parsed.clear()
        gc.unfreeze()  # the manifest before this one may go
        _parsed[file.key] = _read(saved) if saved.is_file() else parse(file.project_dir, file.home, file.target)
        # A few hundred thousand objects that live as long as the process: walking them again and again would take the
        # collector a tenth of the time of every build.
        gc.freeze()
    return _parsed[file.key]


def _read(saved: Path) -> "Manifest":
    from dbt.contracts.graph.manifest import Manifest

    manifest: Manifest = Manifest.from_msgpack(saved.read_bytes())
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]  # what SQL sees as `graph`; not stored
    return manifest


def close_connections() -> None:
    """Let go of the warehouse file. Never call it while a query runs: it does not stop one."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import FACTORY

    for adapter in FACTORY.adapters.values():
        adapter.connections.cleanup_all()
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
