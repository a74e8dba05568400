"""One morning of a scratch home in this process, without Dagster: load, build, score, look back, diagnose.

The real parts in their order: the source's writer, the loader, dbt, the scorer, the checks, the diagnosis. Left out is
what no diagnosis reads (training, reports, the published copy), because a drill plays hundreds of mornings.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ml import clock
from ml.diagnosis.verdict import Diagnosis
from ml.home import Home
from ml.product import Product
from ml.warehouse import open_warehouse
from orchestration import diagnosis
from orchestration.graph import Graph
from orchestration.outcome import CheckOutcome, FailedStep

if TYPE_CHECKING:
    import dagster as dg

RUN_ID = "drill"
PATIENCE_SECONDS = 2.0  # a drill that locks the warehouse need not wait a minute for it
BELOW = ("decisions", "outcomes", "drift", "parity")  # what the rules read of the monitoring tables
Hook = Callable[[str, datetime], None]  # moment, as_of


class Stopped(Exception):
    """A stage failed, so what stands below it does not run."""


@dataclass
class Morning:
    """What one morning said. failures: failed error checks and steps; stages: those that were reached."""

    now: datetime
    failures: list[CheckOutcome | FailedStep] = field(default_factory=list)
    passed: list[tuple[str, str]] = field(default_factory=list)  # asset, check
    built: list[str] = field(default_factory=list)
    diagnoses: dict[str, Diagnosis] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    is_stopped: bool = False


@dataclass(frozen=True)
class Days:
    """Plays mornings of `home` with the project of `graph`. hook: called at each moment a fault may act at.

    only: the products that are played; none named, all that Baton trains. writes: sources with a writer write.
    """

    home: Home
    graph: Graph
    hook: Hook
    only: tuple[str, ...] = ()
    writes: bool = True

    @property
    def trained(self) -> list[Product]:
        """The products that are built and scored."""
        return [product for product in self.graph.trained if not self.only or product.name in self.only]

    @property
    def models(self) -> set[str]:
        """Unique ids of all that a morning builds."""
        return {uid for product in self.trained for uid in self._above(product) | self._below(product)}

    def play(self, now: datetime, first: datetime | None = None) -> Morning:
        """The morning of `now`; where `first` is given, its loads since that as_of one by one, and all else at once."""
        told, last = Morning(now), clock.as_of(now)
        days = _days(first or last, last)
        try:
            for as_of in days:
                with self._stage(told, "landing/raw"):
                    self._write(as_of)
                    self.hook("landing", as_of)
                # Each delivery at its own morning: what is loaded later was known later, too late for its day.
                self._load(told, as_of + (now - last))
            self.hook("raw", last)
            for product in self.trained:
                self._build(told, self._above(product), now, days)
                self.hook("prepared", last)
                self._score(told, product, now, days)
                self.hook("scored", last)
                self._build(told, self._below(product), now, days)
        except Stopped:
            told.is_stopped = True  # the failures say why
        with _timed(told, "diagnosis"):
            products = [each for each in self.graph.products.values() if not self.only or each.name in self.only]
            told.diagnoses = diagnosis.of_home(
                self.home, self.graph.manifest, products, now, told.failures, ends_run=True
            )
        return told

    def rehearse(self, now: datetime, first: datetime) -> None:
        """The past: one version per product, trained as of `first`, and every day since scored by it."""
        from ml.scoring import score
        from ml.training import train

        told, days = Morning(now), _days(first, clock.as_of(now))
        self._write(now)
        self._load(told, now)
        for product in self.trained:
            self._build(told, self._above(product, with_training=True), now, days)
            with open_warehouse(self.home) as con:
                train(con, product, cut=first, now=now, home=self.home, tags={"dagster_run_id": RUN_ID})
                score(con, product, as_of_days=days, now=now, home=self.home, run_id=RUN_ID, rehearsal=True)
            self._build(told, self._below(product), now, days)
        if told.failures:
            raise RuntimeError(f"the rehearsal failed: {told.failures}. Its home is {self.home.root}")

    @contextmanager
    def _stage(self, told: Morning, asset: str) -> Iterator[None]:
        """Whatever a stage raises is a failed step, told in its words, and ends the morning."""
        from orchestration.dbt.failures import BuildFailed

        with _timed(told, asset):
            try:
                yield
            except Stopped:
                raise
            except BuildFailed as error:
                told.failures += list(self._nodes(error)) or [FailedStep(RUN_ID, asset, asset, str(error))]
                raise Stopped from error
            except Exception as error:  # any failure of a step is what a drill is about
                kind = type(error)
                text = f"{kind.__module__}.{kind.__qualname__}: {error}"
                told.failures.append(FailedStep(RUN_ID, asset, asset, text))
                raise Stopped from error
        told.built.append(asset)

    def _write(self, as_of: datetime) -> None:
        from importlib import import_module

        from orchestration.assets.landing import writers

        for props in writers(self.graph.manifest).values() if self.writes else ():
            module, _, name = str(props["source_meta"]["landing"]["writer"]).partition(":")
            getattr(import_module(module), name)(self.home, as_of)

    def _load(self, told: Morning, now: datetime) -> None:
        from orchestration.assets.raw import freshness_result, load_results
        from orchestration.sources import load_sources
        from orchestration.sources.loader import load_table
        from orchestration.sources.remembered import remember

        with self._stage(told, "raw"), open_warehouse(self.home, wait_seconds=PATIENCE_SECONDS) as con:
            for table in load_sources(self.graph.manifest):
                report = load_table(con, table, self.home.landing, now)
                asset = f"{table.schema}/{table.name}"
                remember(con, asset, report, now)
                spec = self._spec(asset)
                for result in (*load_results(spec, report), freshness_result(con, spec, self._info(now))):
                    self._heard(told, asset, result)
            if told.failures:
                raise Stopped

    def _build(self, told: Morning, models: set[str], now: datetime, days: Sequence[datetime]) -> None:
        from orchestration.drill.build import passing

        nodes = self.graph.manifest["nodes"]
        tests = {
            uid
            for uid, node in nodes.items()
            if node["resource_type"] == "test"
            and str(node["config"].get("severity", "error")).lower() == "error"
            and node.get("attached_node") in models - self._monitoring
        }
        at = {"now": now, "as_of_from": days[0], "as_of_to": days[-1]}
        variables = {name: clock.sql(when) for name, when in at.items()}
        with self._stage(told, "dbt"):
            for uid in passing(self.graph, self.home, models, tests, variables):
                told.passed.append((self._asset(nodes[uid]["attached_node"]), nodes[uid]["name"]))

    def _score(self, told: Morning, product: Product, now: datetime, days: Sequence[datetime]) -> None:
        from ml.prediction_checks import prediction_checks
        from ml.scoring import score

        with self._stage(told, product.asset("predictions")), open_warehouse(self.home) as con:
            score(con, product, as_of_days=days, now=now, home=self.home, run_id=RUN_ID)
            for result in prediction_checks(con, product, as_of_days=days, now=now):
                if result.passed:
                    told.passed.append((result.asset, result.name))
                elif result.severity == "error":
                    self._failed(told, result.asset, result.name, product.owner, result.message)

    def _heard(self, told: Morning, asset: str, result: "dg.AssetCheckResult") -> None:
        if result.passed:
            told.passed.append((asset, str(result.check_name)))
        elif result.severity.value == "ERROR":
            owner = str(result.metadata["owner"].value)
            self._failed(told, asset, str(result.check_name), owner, str(result.description))

    def _failed(self, told: Morning, asset: str, check: str, owner: str, message: str) -> None:
        told.failures.append(CheckOutcome(RUN_ID, asset, check, False, "error", "failed", owner, message))

    def _nodes(self, error: Any) -> Iterator[CheckOutcome | FailedStep]:
        for node in error.nodes:
            if node.model:
                asset = self._asset(node.model)
                owner = str(self._spec(asset).metadata.get("baton/group"))
                yield CheckOutcome(RUN_ID, asset, node.name, False, "error", "failed", owner, str(node))
            else:
                yield FailedStep(RUN_ID, "dbt", node.name, str(node))

    def _above(self, product: Product, with_training: bool = False) -> set[str]:
        from ml.diagnosis.lineage import above

        wanted = [uid for uid in product.depends_on if with_training or not uid.endswith("_training_set")]
        return {uid for uid in above(self.graph.manifest, wanted) if uid in self.graph.manifest["nodes"]}

    def _below(self, product: Product) -> set[str]:
        wanted = {f"{product.name}_{table}" for table in BELOW}
        nodes = self.graph.manifest["nodes"].items()
        return {uid for uid, node in nodes if node["resource_type"] == "model" and node["name"] in wanted}

    @property
    def _monitoring(self) -> set[str]:
        """Models whose tests the rules stand for: they read the same tables."""
        return {uid for product in self.trained for uid in self._below(product)}

    def assets_of(self, step: str) -> list[str]:
        """The assets that a step makes; a dbt node's own where it is named."""
        from orchestration.dbt.translator import asset_key
        from orchestration.sources import load_sources

        if step == "raw":
            return [f"{table.schema}/{table.name}" for table in load_sources(self.graph.manifest)]
        if step == "dbt":
            uids = {uid for product in self.trained for uid in self._above(product)}
            return sorted(self._asset(uid) for uid in uids)
        nodes = self.graph.manifest["nodes"].values()
        return ["/".join(asset_key(node).path) for node in nodes if node["name"] == step] or [step]

    def planned(self) -> set[str]:
        """The assets of a whole morning."""
        models = {uid for product in self.graph.trained for uid in self._above(product) | self._below(product)}
        logs = {product.asset("predictions") for product in self.graph.trained}
        return {*self.assets_of("raw"), *(self._asset(uid) for uid in models), *logs}

    def _asset(self, uid: str) -> str:
        from orchestration.dbt.translator import asset_key

        return "/".join(asset_key(self.graph.manifest["nodes"][uid]).path)

    def _spec(self, asset: str) -> "dg.AssetSpec":
        import dagster as dg

        return self.graph.specs[dg.AssetKey(asset.split("/"))]

    def _info(self, now: datetime) -> Any:
        from orchestration.run_info import RunInfo

        return RunInfo(RUN_ID, self.home, now, clock.as_of(now), clock.as_of(now), {})


def _days(first: datetime, last: datetime) -> list[datetime]:
    return [first + number * clock.DAY for number in range((last - first).days + 1)]


@contextmanager
def _timed(told: Morning, name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        told.seconds[name] = told.seconds.get(name, 0.0) + time.monotonic() - began
