"""`raw/*`: landing files into raw tables, one step for all tables, each asset with its own load report."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml.manifest import Props, meta_of
from orchestration import freshness, lock
from orchestration.assets.dbt_models import POOL
from orchestration.assets.landing import landing_key, writers
from orchestration.dbt.columns import COLUMN_SCHEMA, ROW_COUNT, column_schema
from orchestration.dbt.roster import descriptions
from orchestration.dbt.translator import GROUP, RELATION, Translator, asset_key
from orchestration.run_info import CLOCK, RunInfo

if TYPE_CHECKING:
    from dagster_dbt import DbtProject
    from duckdb import DuckDBPyConnection

    from orchestration.sources.report import FailedFile, LoadReport


def landed_sources(manifest: Props) -> list[Props]:
    """dbt sources with `meta.landing.path`: the tables Baton loads itself."""
    return [props for props in manifest["sources"].values() if "path" in (meta_of(props).get("landing") or {})]


def raw_tables(manifest: Props, translator: Translator, project: "DbtProject") -> list[dg.AssetsDefinition]:
    """The loading asset, or none where somebody else loads."""
    landed = landed_sources(manifest)
    if not landed:
        return []
    written = writers(manifest)
    specs = []
    for props in landed:
        spec = translator.get_asset_spec(manifest, props["unique_id"], project)
        deps = [landing_key(props["source_name"])] if props["source_name"] in written else []
        specs.append(spec.replace_attributes(deps=deps, kinds={"duckdb", "python"}, skippable=True))
    described = {asset_key(props): descriptions(props) for props in landed}
    by_key = {spec.key: spec for spec in specs}
    wanted = [
        *(c for spec in specs if (c := freshness.freshness_check(spec))),
        *(c for spec in specs for c in _checks(spec)),
    ]

    @dg.multi_asset(
        name="raw", specs=specs, check_specs=wanted, can_subset=True, pool=POOL, required_resource_keys={"run_info"}
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[Any]:
        from ml.warehouse import open_warehouse
        from orchestration.sources.loader import load_table
        from orchestration.sources.spec import load_sources

        info: RunInfo = context.resources.run_info
        tables = {dg.AssetKey([table.schema, table.name]): table for table in load_sources(manifest)}
        selected = context.selected_asset_check_keys
        reports: dict[dg.AssetKey, LoadReport] = {}
        with lock.retried(), open_warehouse(info.home) as con:
            for key in sorted(context.selected_asset_keys):
                report = reports[key] = load_table(con, tables[key], info.home.landing, info.now)
                _remember(con, {key: report}, info, is_whole=False)
                schema = {COLUMN_SCHEMA: column_schema(con, tables[key].relation, described=described[key])}
                yield dg.MaterializeResult(key, metadata=report_metadata(report) | schema)
                if not report.rows_total and not any(info.home.landing.glob(tables[key].path)):
                    report = replace(report, files_failed=(_nothing_landed(tables[key].path, info.home.landing),))
                for result in load_results(by_key[key], report):
                    if dg.AssetCheckKey(key, str(result.check_name)) in selected:
                        yield result
                if dg.AssetCheckKey(key, freshness.NAME) in selected:
                    yield freshness_result(con, by_key[key], info)
            _remember(con, reports, info, is_whole=True)

    return [load]


def _remember(
    con: "DuckDBPyConnection", reports: "Mapping[dg.AssetKey, LoadReport]", info: RunInfo, is_whole: bool
) -> None:
    """Keep what was loaded, each table at once; of an archive all together: its day is known when all of it is in."""
    from orchestration.sources.remembered import remember

    is_archive = info.tags.get(CLOCK) == "data"
    if is_archive != is_whole:
        return
    known = [report.newest_known_at for report in reports.values() if report.newest_known_at]
    for key, report in reports.items():
        remember(con, key.to_user_string(), report, max(known, default=info.now) if is_archive else info.now)


def _nothing_landed(path: str, landing: Path) -> "FailedFile":
    """A source that never got a file: a wrong path, or a delivery that never began."""
    from orchestration.sources import FailedFile

    way_out = f"put the first file there, or mend `path` in the source's yml; paths are below {landing}"
    return FailedFile(path, "no file has ever matched", way_out)


def freshness_result(con: "DuckDBPyConnection", spec: dg.AssetSpec, info: RunInfo) -> dg.AssetCheckResult:
    """On an archive whose `now` is still to be found, a table is as fresh as can be; the next run judges it."""
    owner, relation = str(spec.metadata.get(GROUP)), str(spec.metadata[RELATION])
    now = info.now
    if info.tags.get(CLOCK) == "data":
        found = con.execute(f"select max(known_at) from {relation}").fetchone()
        now = found[0] if found and found[0] else now
    return freshness.evaluate(con, spec.key, freshness.promise_of(spec), relation, now, owner)


def _checks(spec: dg.AssetSpec) -> list[dg.AssetCheckSpec]:
    """A file that cannot be read is missing data and stops the run; single bad lines are kept aside and warned of."""
    metadata = {GROUP: spec.metadata.get(GROUP)}
    return [
        dg.AssetCheckSpec(
            "files_load",
            asset=spec.key,
            blocking=True,
            metadata=metadata,
            description="Every landing file could be read.",
        ),
        dg.AssetCheckSpec(
            "rows_are_accepted",
            asset=spec.key,
            metadata=metadata,
            description="No line went to raw.rejects in this run.",
        ),
    ]


def load_results(spec: dg.AssetSpec, report: "LoadReport") -> list[dg.AssetCheckResult]:
    """The checks on what a load reports of itself: files that could not be read, lines that were kept aside."""
    owner = spec.metadata.get(GROUP)
    failed = "; ".join(str(file) for file in report.files_failed)
    rejected = ", ".join(f"{reason}: {count}" for reason, count in report.rejects_by_reason.items())
    return [
        _result(spec, "files_load", len(report.files_failed), dg.AssetCheckSeverity.ERROR,
                f"{len(report.files_failed)} files could not be loaded, allowed are 0 (owner {owner}). {failed}"),
        _result(spec, "rows_are_accepted", report.rows_rejected, dg.AssetCheckSeverity.WARN,
                f"{report.rows_rejected} new lines in raw.rejects, allowed are 0 (owner {owner}). {rejected}"),
    ]  # fmt: skip


def _result(
    spec: dg.AssetSpec, name: str, found: int, severity: dg.AssetCheckSeverity, message: str
) -> dg.AssetCheckResult:
    status = "failed" if found else "ok"
    metadata: dict[str, Any] = {
        "owner": str(spec.metadata.get(GROUP)),
        "status": status,
        "value": found,
        "threshold": 0,
        "message": message,
    }
    return dg.AssetCheckResult(
        asset_key=spec.key, check_name=name, passed=not found, severity=severity, metadata=metadata, description=message
    )


def report_metadata(report: "LoadReport") -> dict[str, Any]:
    """A load report as Dagster metadata: numbers as numbers, the rest as text."""
    found = {field.name.replace("_", " "): getattr(report, field.name) for field in fields(report)}
    found = {name: value for name, value in found.items() if value not in (None, (), {})}
    found[ROW_COUNT] = found.pop("rows total", 0)
    return {name: value if isinstance(value, int | float | str | bool) else str(value) for name, value in found.items()}
