"""Column lineage, remembered.

dagster-dbt derives it by parsing compiled SQL: seconds for wide models, for ever for generated ones. It only changes
when the SQL does.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

METADATA = "dagster/column_lineage"
LONGEST = 16_000  # bytes of compiled SQL; a generated 45 kB model kept the parser busy for over six minutes
_INSTANT = re.compile(r"'\d{4}-\d\d-\d\d[^']*'")


class LineageMemory:
    """Lineage by content of the compiled SQL (without the run's clock) and the columns it reads; a file in the home."""

    def __init__(self, target: Path, manifest: Mapping[str, Any]) -> None:
        self._target, self._manifest = target, manifest
        self._file = target.parent / "column_lineage.json"
        self._changed = False

    @cached_property
    def _known(self) -> dict[str, dict[str, list[list[Any]]]]:
        try:
            found: dict[str, dict[str, list[list[Any]]]] = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found

    def key(self, unique_id: str, history: Mapping[str, Any]) -> str | None:
        """Where the lineage of a node just built is remembered; None for one that is not worth parsing."""
        props = self._manifest["nodes"][unique_id]
        compiled = self._target / "compiled" / props["package_name"] / props["original_file_path"]
        if props["resource_type"] != "model" or not compiled.is_file() or compiled.stat().st_size > LONGEST:
            return None
        read = [_INSTANT.sub("''", compiled.read_text()), json.dumps(history, sort_keys=True)]
        return hashlib.sha256("\0".join(read).encode()).hexdigest()

    def recall(self, key: str) -> dg.TableColumnLineage | None:
        """The lineage remembered under `key`."""
        found = self._known.get(key)
        if found is None:
            return None
        return dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset_key=dg.AssetKey(path), column_name=name) for path, name in deps]
                for column, deps in found.items()
            }
        )

    def learn(self, key: str, lineage: dg.TableColumnLineage) -> None:
        """Remember what dagster-dbt derived."""
        self._known[key] = {
            column: sorted([list(dep.asset_key.path), dep.column_name] for dep in deps)
            for column, deps in lineage.deps_by_column.items()
        }
        self._changed = True

    def save(self) -> None:
        """Write the memory, if it grew."""
        if self._changed:
            fresh = self._file.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(self._known))
            fresh.replace(self._file)
