"""The dbt manifest, always present and never stale: parsed again only when a file, the profile or a version changed."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ml.home import PROJECT_ROOT, Home

DISTRIBUTIONS = ("dbt-core", "dbt-duckdb", "dbt-adapters", "dagster-dbt")
NOT_SOURCE = {"target", "logs", "dbt_packages", "__pycache__"}
SUFFIXES = {".sql", ".yml", ".yaml", ".csv", ".md", ".py"}


class ManifestError(RuntimeError):
    """dbt could not install packages or parse the project; the message is dbt's own."""


@dataclass(frozen=True)
class ManifestFile:
    """A manifest that belongs to the project files as they are now."""

    path: Path
    project_dir: Path
    home: Home
    key: str
    fresh: bool  # False: it had to be parsed by this call

    def load(self) -> Mapping[str, Any]:
        """The manifest; one object per process, because dagster-dbt memoizes by its identity."""
        return _load(self.path, self.key)

    @cached_property
    def target(self) -> Path:
        """dbt's absolute target folder: manifest, compiled SQL, partial parse."""
        return self.path.parent


_loaded: dict[str, Mapping[str, Any]] = {}  # by content key: homes of one project share it


def _load(path: Path, key: str) -> Mapping[str, Any]:
    if key not in _loaded:
        _loaded[key] = json.loads(path.read_bytes())
    return _loaded[key]


def project_dir() -> Path:
    """The dbt project: BATON_DBT_PROJECT, else the one beside the code. Raises ManifestError if there is none."""
    found = Path(os.environ.get("BATON_DBT_PROJECT") or PROJECT_ROOT / "dbt_project").expanduser().resolve()
    if not (found / "dbt_project.yml").is_file():
        raise ManifestError(
            f"{found} has no dbt_project.yml; BATON_DBT_PROJECT must name a dbt project folder. "
            "Set it, or unset it to use the project beside the code."
        )
    return found


def profiles_dir(project: Path) -> Path:
    """Where profiles.yml is: the project, else DBT_PROFILES_DIR, else ~/.dbt (dbt's own order, project first)."""
    if (project / "profiles.yml").is_file():
        return project
    return Path(os.environ.get("DBT_PROFILES_DIR") or "~/.dbt").expanduser().resolve()


def ensure_manifest(home: Home | None = None) -> ManifestFile:
    """The manifest for the project as it is now; parses in process, under a file lock, only if something changed.

    Raises ManifestError with dbt's message when the project does not parse.
    """
    home = (home or Home.from_env()).ensure()
    source = project_dir()
    os.environ["BATON_HOME"] = str(home.root)  # the profile reads it
    target = home.root / "dbt" / "target"
    key = content_key(source)
    if _is_current(target, key, source):
        return ManifestFile(target / "manifest.json", working_dir(source, home), home, key, fresh=True)
    with _locked(source), _locked(home.root):
        if not _is_current(target, key, source):
            from orchestration.dbt.parse import install_packages, parse

            project = working_dir(source, home)
            install_packages(project, home)
            key = content_key(source)  # packages are part of it
            (target / "manifest.key").unlink(missing_ok=True)
            parse(project, home, target)
            _write_key(target, key)
    return ManifestFile(target / "manifest.json", working_dir(source, home), home, key, fresh=False)


def working_dir(source: Path, home: Home) -> Path:
    """The folder dbt runs in: the project; for a read-only checkout a folder of links to it, where dbt may write."""
    if os.access(source, os.W_OK):
        return source
    shadow = home.root / "dbt" / "project"
    shadow.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        link = shadow / entry.name
        if entry.name not in NOT_SOURCE and (link.resolve() != entry):
            link.unlink(missing_ok=True)
            link.symlink_to(entry)
    return shadow


def content_key(project: Path) -> str:
    """Hash of everything a parse reads: project and package files, profile, versions, and where the project lies."""
    digest = hashlib.sha256(str(project).encode())
    for name in DISTRIBUTIONS:
        digest.update(f"{name}={version(name)}\n".encode())
    files = sorted(set(_source_files(project)) | set(_package_files(project)))
    for file in (*files, profiles_dir(project) / "profiles.yml"):
        digest.update(str(file).encode())
        digest.update(file.read_bytes() if file.is_file() else b"absent")
    return digest.hexdigest()


def _source_files(folder: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_SOURCE and not name.startswith(".")]
        for name in files:
            if os.path.splitext(name)[1] in SUFFIXES:
                yield Path(directory, name)


def _package_files(project: Path) -> Iterator[Path]:
    for package in local_packages(project):
        if package.is_dir():
            yield from _source_files(package)


def local_packages(project: Path) -> list[Path]:
    """Folders of the packages that packages.yml names by path."""
    import yaml

    declared = project / "packages.yml"
    if not declared.is_file():
        return []
    packages = (yaml.safe_load(declared.read_text()) or {}).get("packages") or []
    return [(project / entry["local"]).resolve() for entry in packages if "local" in entry]


def _is_current(target: Path, key: str, source: Path) -> bool:
    stored = target / "manifest.key"
    return (target / "manifest.json").is_file() and stored.is_file() and stored.read_text() == key


def _write_key(target: Path, key: str) -> None:
    fresh = target / f"manifest.key.{os.getpid()}"
    fresh.write_text(key)
    fresh.replace(target / "manifest.key")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """An exclusive lock on a folder's marker file; works on read-only checkouts, freed by the system when we die."""
    marker = folder / "dbt_project.yml"
    with open(marker if marker.exists() else folder / "schema_version", "rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
