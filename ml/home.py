"""Where state lives: one folder, BATON_HOME (default `.baton/` in the project), never inside the code."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
SCHEMA_VERSION = 1


class HomeVersionError(RuntimeError):
    """The state folder was written by a newer Baton."""


@dataclass(frozen=True)
class Home:
    """Paths of one installation's state."""

    root: Path

    @classmethod
    def from_env(cls) -> "Home":
        """The home that BATON_HOME names, else `.baton/` beside the code."""
        return cls(Path(os.environ.get("BATON_HOME") or PROJECT_ROOT / ".baton").expanduser().resolve())

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def published_warehouse(self) -> Path:
        return self.published / "warehouse.duckdb"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def mlflow_db(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.mlflow_db}"

    @property
    def mlartifacts(self) -> Path:
        return self.root / "mlartifacts"

    @property
    def incidents_db(self) -> Path:
        return self.root / "incidents.db"

    def ensure(self) -> "Home":
        """Create what is missing and check the schema version. Raises HomeVersionError on a newer home."""
        for folder in (self.root, self.landing, self.published, self.dagster, self.mlartifacts):
            folder.mkdir(parents=True, exist_ok=True)
        marker = self.root / "schema_version"
        found = int(marker.read_text()) if marker.exists() else SCHEMA_VERSION
        if found > SCHEMA_VERSION:
            raise HomeVersionError(
                f"{self.root} has schema version {found}; this Baton knows up to {SCHEMA_VERSION}. "
                "Update Baton, or set BATON_HOME to another folder."
            )
        if not marker.exists():
            marker.write_text(f"{SCHEMA_VERSION}\n")
        return self
