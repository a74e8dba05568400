"""The jobs: `daily` on its schedule, `retrain` at the product's cadence, and what the command line starts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from ml import clock
from ml.home import Home
from orchestration.graph import Graph
from orchestration.run_info import NOW, PRODUCT

if TYPE_CHECKING:
    from ml.product import Product

JOBS = ("load", "daily", "retrain", "prepare", "backfill", "monitor", "rehearse")
PUBLISHING = ("daily", "monitor", "rehearse")  # jobs that end with the published copy
HOUR, RETRAIN_CRON = 6, "30 5 * * *"


def selections(graph: Graph) -> dict[str, dg.AssetSelection]:
    """What each job materializes. Only `rehearse` does everything; `daily` leaves the models alone."""
    wanted = job_keys(graph)
    found: dict[str, dg.AssetSelection] = {
        name: dg.AssetSelection.assets(*sorted(keys)) for name, keys in wanted.items() if keys
    }
    for names, checks in (
        (("load", "daily", "rehearse", "prepare"), [key for check in graph.checks for key in check.check_keys]),
        (("daily", "rehearse"), _tests_of_external(graph)),
    ):
        for name in set(names) & set(found) if checks else ():
            found[name] = found[name] | dg.AssetSelection.checks(*sorted(checks, key=str))
    return found


def _tests_of_external(graph: Graph) -> list[dg.AssetCheckKey]:
    """dbt tests on tables that somebody else loads: no asset of a job brings them along."""
    made = [asset for asset in graph.assets if isinstance(asset, dg.AssetsDefinition)]
    keys = {key for asset in made for key in asset.keys}
    return [check for asset in made for check in asset.check_keys if check.asset_key not in keys]


def keys_for(graph: Graph, name: str, products: Iterable[str]) -> set[dg.AssetKey] | None:
    """Assets of a run of job `name` that trains `products` only; None where that is the whole job."""
    others = {dg.AssetKey([product.name, "model"]) for product in graph.trained if product.name not in set(products)}
    keys = job_keys(graph)[name]
    return keys - others if keys & others else None


def job_keys(graph: Graph) -> dict[str, set[dg.AssetKey]]:
    """Assets by job."""
    executable = {key for asset in graph.assets if isinstance(asset, dg.AssetsDefinition) for key in asset.keys}
    models = {dg.AssetKey([product.name, "model"]) for product in graph.trained}
    scored = {
        dg.AssetKey([product.name, table])
        for product in graph.trained
        for table in ("predictions", "prediction_features")
    }
    return {
        "load": {key for key in executable if key.path[0] in ("landing", "raw")},
        "daily": executable - models,
        "retrain": upstream(graph, models) & executable,
        "prepare": upstream(graph, _read_by(graph, scored) - models - scored) & executable,
        "backfill": scored,
        "monitor": downstream(graph, scored) & executable - scored,
        "rehearse": executable,
    }


def _read_by(graph: Graph, keys: Iterable[dg.AssetKey]) -> set[dg.AssetKey]:
    """What `keys` read directly."""
    return {dep.asset_key for key in keys for dep in graph.specs[key].deps}


def upstream(graph: Graph, keys: Iterable[dg.AssetKey]) -> set[dg.AssetKey]:
    """`keys` and everything they depend on."""
    seen: set[dg.AssetKey] = set()
    queue = list(keys)
    while queue:
        key = queue.pop()
        if key not in seen and key in graph.specs:
            seen.add(key)
            queue += [dep.asset_key for dep in graph.specs[key].deps]
    return seen


def downstream(graph: Graph, keys: Iterable[dg.AssetKey]) -> set[dg.AssetKey]:
    """`keys` and everything that depends on them."""
    seen = set(keys)
    grown = True
    while grown:
        below = {key for key, spec in graph.specs.items() if any(dep.asset_key in seen for dep in spec.deps)}
        grown = not below <= seen
        seen |= below
    return seen


def jobs(graph: Graph) -> dict[str, "dg.JobDefinition"]:
    """One process per run (DuckDB has one writer), one step after the other."""
    tags = {PRODUCT: ",".join(sorted(graph.products))} if graph.products else {}
    return {
        name: dg.define_asset_job(  # type: ignore[misc]
            name, selection, tags=tags, executor_def=dg.in_process_executor, description=DESCRIPTIONS[name]
        )
        for name, selection in selections(graph).items()
    }


DESCRIPTIONS = {
    "load": "Landing files into raw tables.",
    "daily": "Sources, dbt, predictions of the day, dbt, checks, published copy. Needs a partition.",
    "retrain": "Sources, training set, model.",
    "prepare": "What the predictions read, for the run's days; before `backfill` where scoring sets lack them.",
    "backfill": "Predictions only, a range of days in one run. `monitor` follows.",
    "monitor": "What stands below the predictions, and the published copy.",
    "rehearse": "The first run: everything, with training cuts in the past and every day since.",
}


def schedules(graph: Graph, built: dict[str, "dg.JobDefinition"]) -> list[dg.ScheduleDefinition]:
    """`daily` at 06:00 UTC and the look whether a model is due, both on; off where all products live on an archive."""
    archive = bool(graph.products) and all(product.clock == "data" for product in graph.products.values())
    status = dg.DefaultScheduleStatus.STOPPED if archive else dg.DefaultScheduleStatus.RUNNING
    found: list[dg.ScheduleDefinition] = []
    if graph.trained:
        found.append(
            dg.build_schedule_from_partitioned_job(built["daily"], hour_of_day=HOUR, default_status=status)  # type: ignore[arg-type]
        )
        found.append(_retrain_schedule(graph, built["retrain"], status))
    elif "daily" in built:
        found.append(dg.ScheduleDefinition(job=built["daily"], cron_schedule=f"0 {HOUR} * * *", default_status=status))
    return found


def _retrain_schedule(graph: Graph, job: "dg.JobDefinition", status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="retrain_when_due", job=job, cron_schedule=RETRAIN_CRON, execution_timezone="UTC", default_status=status
    )
    def retrain_when_due(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Looks every day; starts the job when a product's cadence has passed since its champion's cut."""
        now = clock.resolve(context.scheduled_execution_time.isoformat())
        try:
            due = due_products(graph.trained, Home.from_env(), now)
        except NothingToRetrain as reason:
            return dg.SkipReason(str(reason))
        if not due:
            return dg.SkipReason("every champion is younger than its cadence")
        keys = keys_for(graph, "retrain", [product.name for product in due])
        selected = sorted(keys) if keys is not None else None
        return dg.RunRequest(
            run_key=f"retrain-{clock.partition_of(now)}",
            tags={NOW: clock.sql(now), PRODUCT: ",".join(product.name for product in due)},
            asset_selection=selected,
        )

    return retrain_when_due


class NothingToRetrain(RuntimeError):
    """No run has published a warehouse yet, so there is no champion to replace."""


def due_products(products: "Sequence[Product]", home: Home, now: datetime) -> "list[Product]":
    """Products whose champion is older than its cadence, seen in the published copy. Raises NothingToRetrain."""
    from ml import registry
    from ml.warehouse import NothingPublished, connect

    try:
        con = connect(home)
    except NothingPublished as error:
        raise NothingToRetrain(f"nothing is published yet; the first run trains: make run ({error})") from error
    with con:
        return [product for product in products if registry.is_due(con, product, now)]
