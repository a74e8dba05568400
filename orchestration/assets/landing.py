"""`landing/SOURCE`: a source that writes its own landing files, by the callable its dbt yml names."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import dagster as dg

from ml.manifest import Props, group_of
from orchestration.assets.specs import python_spec
from orchestration.dbt.columns import COLUMN_SCHEMA, ROW_COUNT
from orchestration.dbt.roster import Group, freshness_of
from orchestration.run_info import RunInfo


class WriterError(RuntimeError):
    """A source names a writer that cannot be imported or called."""


def writers(manifest: Props) -> dict[str, Props]:
    """Source name -> a table's props, for every source with `meta.landing.writer`."""
    found: dict[str, Props] = {}
    for props in manifest["sources"].values():
        if (props.get("source_meta") or {}).get("landing", {}).get("writer"):
            found.setdefault(props["source_name"], props)
    return found


def landing_key(source_name: str) -> dg.AssetKey:
    """Asset of a source's landing files."""
    return dg.AssetKey(["landing", source_name])


def fields_of(manifest: Props, source_name: str) -> dg.TableSchema:
    """Every field of the source's files as its yml declares them, as `table.field`."""
    tables = [props for props in manifest["sources"].values() if props["source_name"] == source_name]
    return dg.TableSchema(
        [
            dg.TableColumn(
                f"{props['name']}.{name}", column.get("data_type") or "", description=column.get("description") or None
            )
            for props in sorted(tables, key=lambda props: str(props["name"]))
            for name, column in (props.get("columns") or {}).items()
        ]
    )


def landing_asset(
    source_name: str, props: Props, groups: Mapping[str, Group], fields: dg.TableSchema
) -> dg.AssetsDefinition:
    """The asset that writes exactly the landing files that are missing at the run's now."""
    meta, file = props["source_meta"], props.get("original_file_path", "")
    writer = str(meta["landing"]["writer"])
    freshness = freshness_of(meta, file)
    spec = python_spec(
        ["landing", source_name],
        group=group_of(props),
        groups=groups,
        description=(
            f"Landing files that {writer} writes, up to the run's now; a file that exists is never touched. "
            "One file per table and day."
        ),
        freshness=freshness and type(freshness)(freshness.fail_after, freshness.warn_after, None),
        file=file,
    )

    @dg.multi_asset(name=f"landing_{source_name}", specs=[spec], required_resource_keys={"run_info"})
    def write_landing(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        info: RunInfo = context.resources.run_info
        facts = _writer(writer, file)(info.home, info.now)
        shown = {str(name): _plain(value) for name, value in facts.items()}
        return dg.MaterializeResult(spec.key, metadata={**shown, **_rows(facts), COLUMN_SCHEMA: fields})

    return write_landing


def _writer(dotted: str, file: str) -> Any:
    module, _, name = dotted.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise WriterError(
            f"{file}: meta.landing.writer is {dotted!r}, which cannot be imported ({error}). "
            "Allowed is 'module:callable' with (home, now) -> mapping of facts; "
            "or leave the writer out when something else writes the files."
        ) from error


def _rows(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Rows that this call wrote, where the writer says so: `rows`, in all or by table."""
    rows = facts.get("rows")
    counts = list(rows.values()) if isinstance(rows, Mapping) else [rows]
    return {ROW_COUNT: sum(counts)} if all(isinstance(count, int) for count in counts) else {}


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dg.MetadataValue.json({str(key): str(item) for key, item in value.items()})
    return value if isinstance(value, int | float | str | bool) else str(value)
