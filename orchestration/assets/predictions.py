"""`PRODUCT/predictions`: one partition a day, a range of days in one run, between the two halves of dbt."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml import clock
from ml.manifest import Props, meta_of
from ml.product import Product
from orchestration import checks, freshness, lock
from orchestration.assets.dbt_models import POOL
from orchestration.assets.specs import python_spec
from orchestration.dbt.columns import table_metadata
from orchestration.dbt.roster import Freshness, Group, freshness_of
from orchestration.dbt.translator import GROUP, RELATION, asset_key
from orchestration.run_info import PRODUCT, RunInfo

if TYPE_CHECKING:
    from ml.scoring import ScoringResult

START = "1990-01-01"  # archives may be old; a key costs nothing until it is filled
DEFAULT = Freshness(clock.parse_duration("30 hours"), clock.parse_duration("26 hours"), "as_of")
TEXT = {
    "predictions": "The append-only prediction log. One row per prediction_id.",
    "prediction_features": "The features behind each score, as typed columns. One row per prediction_id.",
}


def days(start: str = START) -> dg.DailyPartitionsDefinition:
    """Partition D is the UTC day that ends at as_of = D+1 00:00."""
    return dg.DailyPartitionsDefinition(start_date=start, timezone="UTC")


def predictions_asset(product: Product, groups: Mapping[str, Group], manifest: Props) -> dg.AssetsDefinition:
    """The scoring asset of a product that has `train`; writes the log and the features behind it."""
    from ml.checks import PREDICTION_CHECKS

    log, features = (_spec(product, groups, manifest, table) for table in TEXT)
    # The features have no partitions: a year of days would cost a year of events and tell nothing the log does not.
    log = log.replace_attributes(
        partitions_def=days(), deps=[dg.AssetKey([product.name, "model"]), dg.AssetKey([product.name, "scoring_set"])]
    )
    features = features.replace_attributes(deps=log.deps)
    fresh = [check for spec in (log,) if (check := freshness.freshness_check(spec))]

    @dg.multi_asset(
        name=f"{product.name}_predictions",
        specs=[log, features],
        check_specs=[*checks.check_specs(log, PREDICTION_CHECKS), *fresh],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
        required_resource_keys={"run_info"},
        op_tags={PRODUCT: product.name},
    )
    def score_days(context: dg.AssetExecutionContext) -> Iterator[Any]:
        info: RunInfo = context.resources.run_info
        with lock.retried():
            result, tables, found = _score(info, product, log)
        for spec in (log, features):
            yield dg.MaterializeResult(spec.key, metadata=_metadata(result) | tables[spec.key.path[-1]])
        yield from found

    return score_days


def _spec(product: Product, groups: Mapping[str, Group], manifest: Props, table: str) -> dg.AssetSpec:
    """From the dbt source that declares the table where there is one, else from the product."""
    key = dg.AssetKey([product.name, table])
    props: Props = next((source for source in manifest["sources"].values() if asset_key(source) == key), {})
    freshness_declared = freshness_of(meta_of(props), props.get("original_file_path", product.path))
    return python_spec(
        key.path,
        group=product.owner,
        groups=groups,
        description=props.get("description") or TEXT[table],
        freshness=freshness_declared if freshness_declared and table == "predictions" else _runs_only(table),
        file=props.get("original_file_path") or product.path,
        kinds=("python", "scikitlearn", "duckdb"),
        metadata={RELATION: product.relation(table)},
    )


def _runs_only(table: str) -> Freshness:
    """The features have no time of their own: their age is the log's."""
    return DEFAULT if table == "predictions" else Freshness(DEFAULT.fail_after, DEFAULT.warn_after, None)


def _score(
    info: RunInfo, product: Product, log: dg.AssetSpec
) -> tuple["ScoringResult", dict[str, dict[str, Any]], list[dg.AssetCheckResult]]:
    from ml.checks import prediction_checks
    from ml.scoring import score
    from ml.warehouse import open_warehouse

    wanted, rehearsal = info.days_for(product.name), info.rehearses(product.name)
    with open_warehouse(info.home) as con:
        result = score(
            con, product, as_of_days=wanted, now=info.now, home=info.home, run_id=info.run_id, rehearsal=rehearsal
        )
        found = checks.to_dagster(prediction_checks(con, product, as_of_days=wanted, now=info.now), product.owner)
        if freshness.freshness_check(log):
            owner, relation = str(log.metadata.get(GROUP)), str(log.metadata[RELATION])
            promise = freshness.promise_of(log)
            found.append(freshness.evaluate(con, log.key, promise, relation, info.now, owner))
        tables = {table: table_metadata(con, product.relation(table)) for table in TEXT}
    return result, tables, found


def _metadata(result: "ScoringResult") -> dict[str, Any]:
    lines = ["| as_of | scored | already there | version | algorithm |", "|---|---|---|---|---|"]
    lines += [
        f"| {day.as_of:%Y-%m-%d} | {day.scored} | {day.already_there} | {day.version} | {day.algorithm} |"
        for day in result.days
    ]
    return {
        "scored": result.scored,
        "already there": result.already_there,
        "versions": ", ".join(str(version) for version in sorted({day.version for day in result.days})),
        "days": dg.MetadataValue.md("\n".join(lines[:402])),
    }
