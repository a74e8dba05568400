"""A product's monitoring as it was known at an instant: its own dbt models, built again from what was known by then.

Nothing is computed here. The tables that the models read are copied from the published copy into a scratch warehouse,
without the rows and endings that became known later, and dbt builds the models there with the instant as its clock.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ml.clock import sql
from ml.home import Home
from orchestration.dbt.manifest import ManifestFile, ensure_manifest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

END_OF_TIME = "timestamp '9999-12-31 00:00:00'"


class NotMonitored(LookupError):
    """The project has no model of decisions or performance for the product."""


@contextmanager
def known_then(home: Home, product: str, at: datetime) -> Iterator["DuckDBPyConnection"]:
    """A read-only connection to a scratch warehouse with the product's monitoring as known at `at`; gone on leaving.

    Raises NotMonitored, orchestration.dbt.failures.BuildFailed, ml.warehouse.NothingPublished.
    """
    import duckdb

    import ml

    file = ensure_manifest(home)
    manifest = file.load()
    models = monitoring_models(manifest, product)
    ml.connect(home).close()  # raises where nothing is published
    with TemporaryDirectory(prefix="baton-known-then-") as folder:
        # The manifest's relations carry the database's name, which DuckDB takes from the file's.
        database = manifest["nodes"][models[0]]["database"]
        scratch = Path(folder) / f"{database}.duckdb"
        with duckdb.connect() as con:
            # Views in the copy name its database, so it keeps that name here.
            con.execute("set TimeZone = 'UTC'")
            con.execute(f"attach '{_escaped(home.published_warehouse)}' as \"{database}\" (read_only)")
            con.execute(f"attach '{_escaped(scratch)}' as baton_scratch")
            for props in _read_by(manifest, models):
                _copy(con, database, props, at)
        _build(file, [manifest["nodes"][model]["name"] for model in models], scratch, at)
        with duckdb.connect(str(scratch), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            yield con


def monitoring_models(manifest: Mapping[str, Any], product: str) -> list[str]:
    """Unique ids of the models between the product's decisions and its performance, both included.

    Raises NotMonitored naming the products that have both.
    """
    tables: dict[str, dict[str, str]] = {}
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "model" and node["alias"] in ("decisions", "performance"):
            tables.setdefault(node["schema"], {})[node["alias"]] = unique_id
    monitored = sorted(schema for schema, found in tables.items() if len(found) == 2)
    if product not in monitored:
        raise NotMonitored(
            f"there is no product {product!r} with models of decisions and performance; allowed is one of "
            f"{', '.join(monitored) or 'none yet'}. Add the monitoring of a product: baton new NAME"
        )
    above, below = tables[product]["performance"], tables[product]["decisions"]
    return sorted(_reachable(above, manifest["parent_map"]) & _reachable(below, manifest["child_map"]))


def load_lag(home: Home, product: str) -> timedelta:
    """How long before its loading a row may count as known: the longest `load_lag` of the sources below the outcomes.

    An answer for an instant is final once that long has passed.
    """
    from orchestration.sources import load_sources

    manifest = ensure_manifest(home).load()
    read = [props["unique_id"] for props in _read_by(manifest, monitoring_models(manifest, product))]
    below: set[str] = set()
    while read:
        unique_id = read.pop()
        below.add(unique_id)
        read += [parent for parent in manifest["parent_map"].get(unique_id, []) if parent not in below]
    return max((table.load_lag for table in load_sources(manifest) if table.unique_id in below), default=timedelta(0))


def _reachable(start: str, neighbours: Mapping[str, list[str]]) -> set[str]:
    """Models that can be reached from `start`, itself included."""
    found, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        if node not in found and node.startswith("model."):
            found.add(node)
            waiting += neighbours.get(node, [])
    return found


def _read_by(manifest: Mapping[str, Any], models: list[str]) -> list[Mapping[str, Any]]:
    """What the models read and dbt does not build here: sources, and relations of other models."""
    found: dict[str, Mapping[str, Any]] = {}
    waiting = list(models)
    while waiting:
        for parent in manifest["nodes"][waiting.pop()]["depends_on"]["nodes"]:
            props = manifest["nodes"].get(parent) or manifest["sources"][parent]
            if props.get("config", {}).get("materialized") == "ephemeral":
                waiting.append(parent)
            elif parent not in models:
                found[parent] = props
    return list(found.values())


def _copy(con: "DuckDBPyConnection", database: str, props: Mapping[str, Any], at: datetime) -> None:
    schema, table = props["schema"], props.get("alias") or props.get("identifier") or props["name"]
    kept = f'"{database}"."{schema}"."{table}"'
    columns = {row[0] for row in con.execute(f"describe {kept}").fetchall()}
    con.execute(f'create schema if not exists baton_scratch."{schema}"')
    con.execute(f'create table baton_scratch."{schema}"."{table}" as {_known(kept, columns, at)}')


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


def _known(relation: str, columns: set[str], at: datetime) -> str:
    """The rows of a relation that were known at `at`, as they were: by versions, else known_at, else as_of."""
    instant = f"timestamp '{sql(at)}'"
    if {"valid_from", "valid_to"} <= columns:
        ended = f"case when valid_to > {instant} then {END_OF_TIME} else valid_to end"
        return f"select * replace ({ended} as valid_to) from {relation} where valid_from <= {instant}"
    if "known_at" in columns:
        known_at = "coalesce(known_at, predicted_at)" if "predicted_at" in columns else "known_at"
        return f"select * from {relation} where {known_at} <= {instant}"
    return f"select * from {relation}" + (f" where as_of <= {instant}" if "as_of" in columns else "")


def _build(file: ManifestFile, models: list[str], scratch: Path, at: datetime) -> None:
    """dbt builds the models in the scratch warehouse, through a profile that knows no other."""
    from orchestration.dbt.failures import raise_on_failure
    from orchestration.dbt.parse import close_connections, invoke, parsed

    folder = scratch.parent
    (folder / "profiles.yml").write_text(json.dumps(_profile(file.project_dir, scratch)))
    arguments = ["run", "--no-write-json", "--select", *models, "--vars", json.dumps({"now": sql(at)})]
    arguments += ["--target-path", str(folder / "target"), "--threads", str(min(2, os.cpu_count() or 1))]
    try:
        result = invoke(arguments, file.project_dir, Home(folder), parsed(file), profiles=folder)
    finally:
        close_connections()
    raise_on_failure(result)


def _profile(project: Path, scratch: Path) -> dict[str, Any]:
    import yaml

    name = yaml.safe_load((project / "dbt_project.yml").read_text())["profile"]
    output = {"type": "duckdb", "path": str(scratch), "settings": {"TimeZone": "UTC"}}
    return {name: {"target": "duckdb", "outputs": {"duckdb": output}}}  # YAML reads JSON
