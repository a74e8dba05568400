"""A diagnosis at the end of every run: what failed in it, the evidence in the warehouse, and the check that says so."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml import clock
from ml.diagnosis.evidence import Failed
from ml.diagnosis.lineage import lineage
from ml.diagnosis.verdict import Cause, Diagnosis
from ml.home import Home
from ml.manifest import Props
from ml.product import Product
from orchestration.dbt.translator import GROUP, asset_key
from orchestration.outcome import CheckOutcome, FailedStep
from orchestration.run_info import AS_OF
from orchestration.told import Told

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAME = "no_fault_is_diagnosed"
WAIT_SECONDS = 5.0
FAILURES = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
}


def check_spec(product: Product) -> dg.AssetCheckSpec:
    """The check on PRODUCT/health that fails, without blocking, when a fault is diagnosed."""
    return dg.AssetCheckSpec(
        NAME,
        asset=dg.AssetKey([product.name, "health"]),
        description="Nothing upstream, nothing in the model and nothing in its outcomes is diagnosed as broken.",
        metadata={GROUP: product.owner},
    )


def check_result(found: Diagnosis) -> dg.AssetCheckResult:
    """The check: passed where nobody has to mend anything."""
    text = sentence(found)
    metadata: dict[str, Any] = {
        "owner": found.group,
        "status": "failed" if found.is_fault else "ok",
        "message": text,
        "value": float(found.is_fault),
        "threshold": 0.0,
        "diagnosis": dg.MetadataValue.json(_plain(found)),
    }
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey([found.product, "health"]),
        check_name=NAME,
        passed=not found.is_fault,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=text,
    )


def sentence(found: Diagnosis) -> str:
    """One line: cause, accountable asset and group, the strongest evidence."""
    cause = found.cause.replace("_", " ")
    if found.cause == Cause.HEALTHY and found.evidence:
        return f"no rule explains what fails: {found.evidence[0]}"
    if not found.is_fault:
        return f"{cause}: nobody has to act" + (f"; {found.evidence[0]}" if found.evidence else "")
    since = f" since {found.since:%Y-%m-%d}" if found.since else ""
    return f"{cause} at {found.asset}{since} ({found.kind}, owner {found.group}): {found.evidence[0]}"


def _plain(found: Diagnosis) -> dict[str, Any]:
    import json

    plain: dict[str, Any] = json.loads(found.as_json())
    return plain


def of_products(
    con: "DuckDBPyConnection",
    manifest: Props,
    products: Iterable[Product],
    now: datetime,
    failures: Sequence[CheckOutcome | FailedStep],
    home: Home,
    ends_run: bool = False,
) -> dict[str, Diagnosis]:
    """The diagnosis of each product from the live warehouse, by name. ends_run: what the run's code was is kept."""
    from ml.diagnosis.read import read
    from ml.diagnosis.record import record_code
    from ml.diagnosis.rules import diagnose

    found = {}
    for product in products:
        upstream = lineage(manifest, product)
        if ends_run:
            record_code(con, clock.as_of(now), upstream.code)
        found[product.name] = diagnose(
            read(con, product, upstream, now, errors(failures, manifest, upstream.groups), home)
        )
    return found


def of_home(
    home: Home,
    manifest: Props,
    products: Sequence[Product],
    now: datetime,
    failures: Sequence[CheckOutcome | FailedStep],
    ends_run: bool = False,
) -> dict[str, Diagnosis]:
    """`of_products`, also where the warehouse cannot be opened: then from the run's own words alone.

    Raises WarehouseLocked where another process holds it, a run in good health for one, and those words name no cause.
    """
    import duckdb

    from ml.warehouse import WarehouseLocked, open_warehouse

    if not home.warehouse.exists():  # asking makes none
        return _from_words(home, manifest, products, now, failures, f"{home.warehouse} does not exist")
    try:
        with open_warehouse(home, wait_seconds=WAIT_SECONDS) as con:
            return of_products(con, manifest, products, now, failures, home, ends_run)
    except WarehouseLocked as error:
        told = _from_words(home, manifest, products, now, failures, str(error))
        sure = {name: found for name, found in told.items() if found.is_fault and found.cause != Cause.STEP_FAILED}
        if not sure:  # what failed is known; what stands behind it, nobody has looked at
            raise
        return sure
    except duckdb.IOException as error:
        return _from_words(home, manifest, products, now, failures, str(error))


def _from_words(
    home: Home,
    manifest: Props,
    products: Sequence[Product],
    now: datetime,
    failures: Sequence[CheckOutcome | FailedStep],
    why: str,
) -> dict[str, Diagnosis]:
    from ml.diagnosis.read import without_warehouse
    from ml.diagnosis.rules import diagnose

    known = {}
    for product in products:
        upstream = lineage(manifest, product)
        broken = errors(failures, manifest, upstream.groups)
        known[product.name] = diagnose(without_warehouse(product, upstream, now, broken, home, why))
    return known


def keep(con: "DuckDBPyConnection", found: Mapping[str, Diagnosis], day: datetime) -> None:
    """Put each diagnosis into its product's row of the day in PRODUCT.health, where there is one."""
    for product, diagnosis in found.items():
        there = "schema_name = ? and table_name = 'health' and column_name = 'diagnosis'"
        if con.execute(f"select 1 from duckdb_columns() where {there}", [product]).fetchone():
            con.execute(f'update "{product}".health set diagnosis = ? where day = ?', [diagnosis.as_json(), day])


def failures_of_run(instance: dg.DagsterInstance, run_id: str) -> list[CheckOutcome | FailedStep]:
    """Failed error checks and failed steps of one run, from its events; of a step that was tried again, the last."""
    told = Told(run_id, lambda progress: None)
    for entry in instance.all_logs(run_id, of_type=FAILURES):
        if entry.dagster_event is not None:
            told.hear(entry.dagster_event)
    outcome = told.outcome("", "", 0.0)
    last = {(check.asset, check.check): check for check in outcome.checks}
    return [*(check for check in last.values() if _is_error(check)), *outcome.failed_steps]


def failures_of_day(instance: dg.DagsterInstance, now: datetime) -> list[CheckOutcome | FailedStep]:
    """Failures of the newest run of the day of `now`; none where no run of that day is known."""
    wanted = dg.RunsFilter(tags={AS_OF: clock.sql(clock.as_of(now))})
    records = instance.get_run_records(filters=wanted, limit=1)
    return failures_of_run(instance, records[0].dagster_run.run_id) if records else []


def errors(
    failures: Sequence[CheckOutcome | FailedStep], manifest: Props, groups: Mapping[str, str]
) -> tuple[Failed, ...]:
    """Failures as evidence, steps by the asset they name; what names none stands under the step's name."""
    names = {props["name"]: "/".join(asset_key(props).path) for props in manifest["nodes"].values()}
    found = []
    for failure in failures:
        if isinstance(failure, CheckOutcome):
            if _is_error(failure) and failure.check != NAME:
                group = failure.owner or groups.get(failure.asset, "")
                found.append(Failed(failure.asset, group, failure.check, failure.message))
        else:
            first = failure.asset.split(", ")[0]
            asset = names.get(first, first) or failure.step or "the run"
            found.append(Failed(asset, groups.get(asset, ""), failure.step, failure.message, is_step=True))
    return tuple(found)


def _is_error(check: CheckOutcome) -> bool:
    return not check.passed and check.severity == "error" and check.status == "failed"
