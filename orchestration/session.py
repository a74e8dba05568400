"""One process's runs: the graph loaded once, killed runs cleared away, each run executed here and told as it goes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from ml import clock
from ml.clock import DAY
from ml.home import Home
from ml.manifest import meta_of
from orchestration import days, freshness, jobs, recover, run_lock
from orchestration.assets.published import mark_stale
from orchestration.definitions import build, load_graph
from orchestration.instance import get_instance
from orchestration.launch import UnknownJob
from orchestration.observing.collect import STOPPED, Collected
from orchestration.outcome import FailedStep, JobOutcome, OnProgress, Progress
from orchestration.run_info import CUTS, NOW, PARTITION, PRODUCT, RANGE_END, RANGE_START, REASON, UNSCORED, process_tags
from orchestration.told import Told

if TYPE_CHECKING:
    from types import TracebackType

    from duckdb import DuckDBPyConnection

    from ml.product import Product

REHEARSAL = "baton/rehearsal_from"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class NoArchive(RuntimeError):
    """Products live on an archive, and no source of it has a row that could say what time it is."""


class Session:
    """Runs jobs of one home in this process; a context manager."""

    def __init__(self, home: Home, say: OnProgress, began: float) -> None:
        self.home, self._say, self._began = home.ensure(), say, began
        self.seconds_to_first_sql: float | None = None
        self._heard: dict[str, Collected] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Session":
        self.graph = load_graph(self.home)
        self.definitions = build(self.graph)
        self.instance = self._open.enter_context(get_instance(self.home))
        for run_id in recover.recover(self.home, self.instance):
            self._say(Progress("phase", f"run {run_id} was killed; it is failed and its slot is free"))
        for run in recover.living(self.instance):
            waits = "each step here waits until it lets go of the warehouse"
            self._say(Progress("phase", f"{run.job_name} is under way elsewhere (run {run.run_id}); {waits}"))
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._open.close()

    @property
    def lives_on_archive(self) -> bool:
        """Whether every product declares `clock: data`: then now is the newest known_at."""
        products = self.graph.products.values()
        return bool(products) and all(product.clock == "data" for product in products)

    @property
    def loads(self) -> bool:
        """Whether Baton loads any raw table itself; otherwise somebody else's loader does."""
        return "load" in jobs.selections(self.graph)

    def newest_known_at(self) -> datetime:
        """The newest freshness column (known_at) of all sources that Baton does not write itself.

        The log of a product without `train` is one of them. Raises NoArchive where no source has rows.
        """
        from ml.warehouse import open_warehouse

        written = {product.name for product in self.graph.trained} | {"ops"}
        columns: dict[str, str] = {
            props["relation_name"]: column
            for props in self.graph.manifest["sources"].values()
            if props["schema"] not in written and (column := (meta_of(props).get("freshness") or {}).get("column"))
        }
        with open_warehouse(self.home) as con:
            found = [freshness.newest(con, relation, column) for relation, column in sorted(columns.items())]
        known = [instant for instant in found if instant is not None]
        if not known:
            looked = ", ".join(f"{relation} ({column})" for relation, column in sorted(columns.items()))
            raise NoArchive(
                "products with clock: data take now from the newest known_at of the sources, and none has a row. "
                f"Looked at: {looked or 'no source declares meta.freshness.column'}, in {self.home.warehouse}. "
                "Next: load them, or say the clock yourself: baton run --now 2026-11-21T06:00"
            )
        return max(known)

    def due(self, now: datetime) -> Iterator[tuple[str, dict[str, str]]]:
        """Jobs to run at `now`, each with its tags, in order; looked at one by one: each changes what is due."""
        new = [product for product in self.graph.trained if not self._is_scored(product)]
        if new:
            first = self._rehearsal_from(now, new)
            middle = first + timedelta(days=(clock.as_of(now) - first).days // 2)
            cuts = ",".join(clock.sql(cut) for cut in (first, middle))
            span = {RANGE_START: f"{first - DAY:%Y-%m-%d}", RANGE_END: clock.partition_of(now)}
            names = ",".join(sorted(product.name for product in new))
            tags = {**span, CUTS: cuts, PRODUCT: names, REHEARSAL: clock.sql(first), REASON: "rehearsal"}
            yield "rehearse", tags | self._made_up_for(now, new, first)
            return
        if due := self._retraining_due(now):
            yield "retrain", {PRODUCT: ",".join(product.name for product in due), REASON: "cadence"}
        yield "daily", self._unscored_days(now)

    def _unscored_days(self, now: datetime) -> dict[str, str]:
        """Tags of the days since the last one that every product has scored: a missed morning is made up for."""
        last = clock.partition_of(now)
        if not self.graph.trained:
            return {}
        scored_until = self._scored_until(self.graph.trained)
        first = (
            f"{scored_until:%Y-%m-%d}" if scored_until else last
        )  # partition D ends at D+1, the first unscored as_of
        return {RANGE_START: first, RANGE_END: last} if first < last else {PARTITION: last}

    def _made_up_for(self, now: datetime, new: "Sequence[Product]", first: datetime) -> dict[str, str]:
        """Tags by which a rehearsal of new products makes up for the mornings that the others missed."""
        others = [product for product in self.graph.trained if product not in new]
        scored_until = self._scored_until(others) if others else None
        if scored_until is None:
            return {}
        unscored = min(scored_until + DAY, clock.as_of(now))
        return {UNSCORED: clock.sql(unscored), RANGE_START: f"{min(first, unscored) - DAY:%Y-%m-%d}"}

    def _scored_until(self, products: "Sequence[Product]") -> datetime | None:
        with self._warehouse() as con:
            return days.scored_until(con, products)

    def to_prepare(self, first: str, last: str) -> bool:
        """Whether a scoring set lacks one of the days (partition keys, both included) to be scored."""
        start, end = clock.as_of_of_partition(first), clock.as_of_of_partition(last)
        wanted = [start + day * DAY for day in range((end - start).days + 1)]
        with self._warehouse() as con:
            return bool(days.to_prepare(con, self.graph.trained, wanted))

    def _is_scored(self, product: "Product") -> bool:
        log = dg.AssetKey([product.name, "predictions"])
        return self.instance.get_latest_materialization_event(log) is not None

    def _rehearsal_from(self, now: datetime, new: "Sequence[Product]") -> datetime:
        """First as_of of the rehearsal of products without predictions; one that died keeps the first day it had."""
        names = ",".join(sorted(product.name for product in new))
        begun = self.instance.get_runs(filters=dg.RunsFilter(job_name="rehearse"))
        earlier = [run.tags[REHEARSAL] for run in begun if run.tags.get(PRODUCT) == names and REHEARSAL in run.tags]
        if earlier:
            return datetime.fromisoformat(earlier[-1])
        return clock.as_of(now) - max(product.train.rehearse for product in new if product.train)

    def _retraining_due(self, now: datetime) -> "list[Product]":
        from ml.registry import is_due

        with self._warehouse() as con:
            return [product for product in self.graph.trained if is_due(con, product, now)]

    @contextmanager
    def _warehouse(self) -> "Iterator[DuckDBPyConnection]":
        """The live warehouse with the tables of `ops` and the logs in it, empty where nothing has run."""
        from ml.ops_tables import ensure_ops, ensure_product_log
        from ml.warehouse import open_warehouse

        with open_warehouse(self.home) as con:
            ensure_ops(con)
            for product in self.graph.trained:
                ensure_product_log(con, product)
            yield con

    def run(self, name: str, *, now: datetime, tags: Mapping[str, str] | None = None) -> JobOutcome:
        """One run of job `name` in this process. Raises UnknownJob."""
        job = self._job(name, (tags or {}).get(PRODUCT))
        given = {**job.run_tags, **process_tags(), NOW: clock.sql(now), **(tags or {})}
        run = self.instance.create_run_for_job(job, run_config=QUIET, tags=given)
        partition = given.get(PARTITION) or "..".join(given[tag] for tag in (RANGE_START, RANGE_END) if tag in given)
        self._say(Progress("job", name, partition))
        told, began = Told(run.run_id, self._say), time.monotonic()
        heard = self._heard.setdefault(run.run_id, Collected(run.run_id))
        with run_lock.held(self.home, run.run_id):
            for event in execute_run_iterator(InMemoryJob(job), run, self.instance):
                told.hear(event)
                heard.hear(event)
                if self.seconds_to_first_sql is None and told.first_sql is not None:
                    self.seconds_to_first_sql = told.first_sql - self._began
        if heard.is_interrupted:
            self.instance.add_run_tags(run.run_id, {STOPPED: "by a signal"})
        outcome = told.outcome(name, partition, time.monotonic() - began)
        if not outcome.success and name in jobs.PUBLISHING:
            why = "; ".join(f"{step.asset or step.step}: {step.message}" for step in outcome.failed_steps)
            mark_stale(self.home, now, name, why)
        self._say(Progress("job_done", name, partition, seconds=outcome.seconds, passed=outcome.success))
        return outcome

    def page(self, now: datetime) -> FailedStep | None:
        """What the runs of this session broke or mended, to those whom it concerns; what kept the pager from it."""
        from orchestration.observing.after import page

        return page(self.home, self.instance, self.graph, self._heard, now, self._say)

    def _job(self, name: str, products: str | None) -> Any:
        """The job, without the models of other products where the run names some (retraining, rehearsal)."""
        known = [job for job in jobs.JOBS if job in jobs.selections(self.graph)]
        if name not in known:
            raise UnknownJob(f"job is {name!r}; this project has {', '.join(known)}")
        job = self.definitions.resolve_job_def(name)
        keys = jobs.keys_for(self.graph, name, products.split(",")) if products else None
        return job.get_subset(asset_selection=keys) if keys is not None else job
