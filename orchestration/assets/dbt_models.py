"""Every dbt model and seed as one subsettable asset: Dagster splits it into the two halves round the predictions."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import DbtProject
from dagster_dbt.asset_utils import build_dbt_specs
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from ml.product import pii_columns
from orchestration import freshness, lock, pictures
from orchestration.checks import UNJUDGED
from orchestration.dbt.columns import ColumnReader
from orchestration.dbt.failing_rows import as_markdown, column_of, failing_rows
from orchestration.dbt.failures import BuildFailed
from orchestration.dbt.lineage import METADATA, LineageMemory, LineageUnknown
from orchestration.dbt.manifest import ManifestFile
from orchestration.dbt.runner import Build, Event
from orchestration.dbt.selection import UNIQUE_ID, select_arguments
from orchestration.dbt.translator import GROUP, RELATION, Translator, asset_key
from orchestration.run_info import RunInfo

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

POOL = "warehouse"
JUDGED = ("pass", "fail", "warn")  # a test in any other state has no rows to show: its SQL could not be run


def dbt_models(
    file: ManifestFile, manifest: Mapping[str, Any], project: DbtProject, translator: Translator, prepare: Any
) -> dg.AssetsDefinition:
    """The dbt half of the graph. `prepare(con)` creates the tables dbt reads as sources and Python writes."""
    specs, tests = build_dbt_specs(
        translator=translator, manifest=manifest, select="fqn:*", exclude="", selector="",
        io_manager_key=None, project=project,
    )  # fmt: skip
    fresh = [check for spec in specs if (check := freshness.freshness_check(spec))]

    @dg.multi_asset(
        name="dbt",
        specs=specs,
        check_specs=[*tests, *fresh],
        can_subset=True,
        pool=POOL,
        required_resource_keys={"run_info"},
        allow_arbitrary_check_specs=True,
        retry_policy=None,
    )
    def build(context: dg.AssetExecutionContext) -> Iterator[Any]:
        step = _Step(context, file, manifest, project, translator)
        with lock.retried():
            prepare(step.info.home)
            yield from step.build()

    return build


class _Step:
    """One Dagster step of the dbt asset: a subset of the models, built by one dbt invocation."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        file: ManifestFile,
        manifest: Mapping[str, Any],
        project: DbtProject,
        translator: Translator,
    ) -> None:
        self.context, self.file, self.manifest = context, file, manifest
        self.project, self.translator = project, translator
        self.info: RunInfo = context.resources.run_info
        self.specs = context.assets_def.specs_by_key
        self.hidden = pii_columns(manifest)
        self.lineage = LineageMemory(file.target.parent / "column_lineage.json")
        self.messages: dict[str, str] = {}
        self.unjudged: dict[str, dg.AssetCheckResult] = {}  # tests whose SQL failed: dbt says why when it ends

    def build(self) -> Iterator[Any]:
        """Dagster events of the build, then the freshness of what it built. Raises dagster.Failure naming the nodes."""
        checks = {key: spec for spec in self.context.assets_def.check_specs if (key := spec.key)}
        selected = self.context.selected_asset_check_keys
        tests = {checks[key].metadata[UNIQUE_ID] for key in selected if key.name != freshness.NAME}
        models = {self.specs[key].metadata[UNIQUE_ID] for key in self.context.selected_asset_keys}
        build = Build(self.file, select_arguments(self.manifest, models, tests), self.info.dbt_vars)
        reader: ColumnReader | None = None
        try:
            for event, con in build.events(self.info.home):
                reader = reader or ColumnReader(self.manifest, con)
                yield from self._dagster_events(event, con, reader)
        except BuildFailed as failure:
            if failure.is_lock:
                raise
            yield from self._not_judged(failure)
            raise self._failure(failure) from failure
        finally:
            self.lineage.save()
        yield from self._freshness(selected)

    def _dagster_events(self, event: Event, con: "DuckDBPyConnection", reader: ColumnReader) -> Iterator[Any]:
        node = event["data"]["node_info"]
        unique_id = node["unique_id"]
        is_built = unique_id in self.manifest["nodes"] and node["resource_type"] != "test"
        is_built = is_built and node["node_status"] in ("success", "warn")
        history = {"columns": reader.built(unique_id)} if is_built else {}
        message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata=history)
        for found in message.to_default_asset_events(
            self.manifest, self.translator, self.context, self.file.target, self.project
        ):
            if isinstance(found, dg.Output):
                extra: dict[str, Any] = {
                    "dagster/row_count": reader.row_count(unique_id),
                    **self._lineage(unique_id, reader),
                    **self._pictures(unique_id, con),
                }
                yield found.with_metadata({**found.metadata, **extra})
            elif isinstance(found, dg.AssetCheckResult):
                if node["node_status"] in JUDGED:
                    yield self._explained(found, unique_id, con)
                else:
                    self.unjudged[unique_id] = found
            else:
                yield found

    def _lineage(self, unique_id: str, reader: ColumnReader) -> dict[str, Any]:
        """Column lineage of a model just built. Not from dagster-dbt, which is given no parents: see dbt/lineage.py."""
        node = self.manifest["nodes"][unique_id]
        compiled = self.file.target / "compiled" / node["package_name"] / node["original_file_path"]
        if node["resource_type"] != "model" or not compiled.is_file():
            return {}
        parents = node["depends_on"].get("nodes", [])
        read = [self.manifest["nodes"].get(each) or self.manifest["sources"][each] for each in parents]
        keys = {props["relation_name"]: asset_key(props) for props in read if props["relation_name"]}
        try:
            types = reader.types([*parents, unique_id])
            return {METADATA: self.lineage.lineage(compiled.read_text(), node["relation_name"], types, keys)}
        except LineageUnknown as error:
            self.context.log.info(str(error))
            return {}

    def _pictures(self, unique_id: str, con: "DuckDBPyConnection") -> dict[str, Any]:
        node = self.manifest["nodes"][unique_id]
        kind = pictures.kind_of(node)
        return dict(pictures.of_table(kind, con, node["relation_name"])) if kind else {}

    def _explained(self, result: dg.AssetCheckResult, unique_id: str, con: "DuckDBPyConnection") -> dg.AssetCheckResult:
        """The check with its owner and, where it failed, the rows and the sentence that say why."""
        owner = self._owner(result)
        extra: dict[str, Any] = {"owner": owner, "status": "ok" if result.passed else "failed"}
        description = None
        if not result.passed:
            rows, message = self._rows(unique_id, con)
            count = result.metadata.get("dagster_dbt/failed_row_count")
            message = message.replace(f"; owner {owner}", "")  # each row names it, for those who ask dbt alone
            description = f"{message or f'{count and count.value} rows break it; allowed are 0'} (owner {owner})"
            extra |= {"message": description, "failing rows": dg.MetadataValue.md(as_markdown(rows))}
            if rows and all(row.get("status") == UNJUDGED for row in rows):
                extra["status"] = UNJUDGED
            self.messages[unique_id] = description
        return result._replace(metadata={**result.metadata, **extra}, description=description)

    def _rows(self, unique_id: str, con: "DuckDBPyConnection") -> tuple[list[dict[str, Any]], str]:
        """The rows, or a sentence why they cannot be shown: the failure itself is dbt's to tell, and it does."""
        import duckdb

        from orchestration.dbt.parse import parsed

        sql = getattr(parsed(self.file).nodes[unique_id], "compiled_code", None)
        try:
            return (
                failing_rows(con, sql, self.hidden, column_of(self.manifest["nodes"][unique_id])) if sql else ([], "")
            )
        except duckdb.Error as error:  # its text may quote a value
            return [], f"it failed, and its failing rows could not be read ({type(error).__name__})"

    def _not_judged(self, failure: BuildFailed) -> Iterator[dg.AssetCheckResult]:
        """Checks of the tests that dbt could not run, in dbt's words."""
        said = {node.unique_id: str(node) for node in failure.nodes}
        for unique_id, result in self.unjudged.items():
            owner = self._owner(result)
            description = f"{said.get(unique_id) or failure} (owner {owner})"
            extra: dict[str, Any] = {"owner": owner, "status": "failed", "message": description}
            yield result._replace(metadata={**result.metadata, **extra}, description=description)

    def _owner(self, result: dg.AssetCheckResult) -> str:
        for spec in self.context.assets_def.check_specs:
            if spec.asset_key == result.asset_key and spec.name == result.check_name:
                return str((spec.metadata or {}).get(GROUP, "nobody"))
        return "nobody"

    def _failure(self, failure: BuildFailed) -> dg.Failure:
        nodes = [
            f"{node}" + (f" {self.messages[node.unique_id]}" if node.unique_id in self.messages else "")
            for node in failure.nodes
        ]
        lines = nodes or [str(failure)]
        if nodes and failure.skipped:
            lines.append(f"not built because of this: {', '.join(failure.skipped)}")
        return dg.Failure(
            "\n".join(lines),
            metadata={
                "nodes": dg.MetadataValue.json([node.unique_id for node in failure.nodes]),
                "on": dg.MetadataValue.json(
                    list(dict.fromkeys(node.model or node.unique_id for node in failure.nodes))
                ),
            },
            allow_retries=False,
        )

    def _freshness(self, selected: Any) -> Iterator[dg.AssetCheckResult]:
        from ml.warehouse import open_warehouse

        keys = sorted(key.asset_key for key in selected if key.name == freshness.NAME)
        if not keys:
            return
        with open_warehouse(self.info.home) as con:
            for key in keys:
                spec = self.specs[key]
                owner, relation = str(spec.metadata.get(GROUP)), str(spec.metadata[RELATION])
                yield freshness.evaluate(con, key, freshness.promise_of(spec), relation, self.info.now, owner)
