"""The graph of a dbt project: sources, models, what each product gets, the published copy; no product is Python."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtProject

from ml.home import Home
from ml.manifest import Props, group_of
from ml.product import Product, load_products, pii_columns
from ml.spec import ProductError
from orchestration.assets.dbt_models import dbt_models
from orchestration.assets.landing import fields_of, landing_asset, writers
from orchestration.assets.model import VERSIONS, model_asset
from orchestration.assets.predictions import predictions_asset
from orchestration.assets.published import published_asset
from orchestration.assets.raw import landed_sources, raw_tables
from orchestration.assets.source_freshness import source_freshness
from orchestration.dbt.manifest import ManifestFile
from orchestration.dbt.translator import Translator


class MixedClocks(ProductError):
    """Some products live on an archive (clock: data), others on the wall clock."""


@dataclass(frozen=True)
class Graph:
    """Everything a code location is made of, built once per process from one manifest object."""

    file: ManifestFile

    @cached_property
    def manifest(self) -> Props:
        """The dbt manifest as JSON."""
        return self.file.load()

    @cached_property
    def products(self) -> Mapping[str, Product]:
        """Products by name, parsed from the exposures. Raises MixedClocks: a run has one now."""
        found = load_products(self.manifest)
        if len({product.clock for product in found.values()}) > 1:
            clocks = ", ".join(f"{name}: {product.clock}" for name, product in sorted(found.items()))
            raise MixedClocks(
                f"products of one project share one clock; found {clocks}. Give the archive a dbt project and home of "
                "its own: BATON_DBT_PROJECT=... BATON_HOME=... baton run"
            )
        return found

    @cached_property
    def trained(self) -> Sequence[Product]:
        """Products that Baton trains and scores; the others bring their own prediction log."""
        return [product for product in self.products.values() if product.train is not None]

    @cached_property
    def translator(self) -> Translator:
        """How dbt resources look in Dagster."""
        return Translator(self.manifest)

    @cached_property
    def project(self) -> DbtProject:
        """dagster-dbt's view of the project, for code references."""
        os.environ["BATON_HOME"] = str(self.file.home.root)
        return DbtProject(
            self.file.project_dir, target_path=Path(os.path.relpath(self.file.target, self.file.project_dir))
        )

    @cached_property
    def assets(self) -> list[dg.AssetsDefinition | dg.AssetSpec]:
        """Every asset, in the order of the flow."""
        groups = self.translator.groups
        tables = dbt_models(self.file, self.manifest, self.project, self.translator, self._prepare)
        built: list[dg.AssetsDefinition] = [
            *(
                landing_asset(name, props, groups, fields_of(self.manifest, name))
                for name, props in writers(self.manifest).items()
            ),
            *raw_tables(self.manifest, self.translator, self.project),
            tables,
            *(model_asset(product, groups, self.file) for product in self.trained),
            *(predictions_asset(product, groups, self.manifest) for product in self.trained),
        ]
        done = self._published(tables, built)
        return [*built, done, *self._external({key for asset in [*built, done] for key in asset.keys})]

    @cached_property
    def specs(self) -> dict[dg.AssetKey, dg.AssetSpec]:
        """Every asset's spec by key."""
        return {spec.key: spec for asset in self.assets for spec in _specs(asset)}

    @cached_property
    def parents(self) -> Mapping[str, frozenset[str]]:
        """What each asset reads directly, both as text."""
        return {
            key.to_user_string(): frozenset(dep.asset_key.to_user_string() for dep in spec.deps)
            for key, spec in self.specs.items()
        }

    @cached_property
    def checks(self) -> list[dg.AssetChecksDefinition]:
        """Checks that no asset's own step evaluates: freshness of tables that somebody else loads."""
        return source_freshness([asset for asset in self.assets if isinstance(asset, dg.AssetSpec)], self._prepare)

    def _external(self, defined: set[dg.AssetKey]) -> Iterator[dg.AssetSpec]:
        """Sources that no Python asset writes: dagster-dbt would show stubs without owner, freshness or description."""
        for unique_id in self.manifest["sources"]:
            spec = self.translator.get_asset_spec(self.manifest, unique_id, self.project)
            if spec.key == VERSIONS:
                spec = spec.replace_attributes(deps=[dg.AssetKey([product.name, "model"]) for product in self.trained])
            if spec.key not in defined:
                defined.add(spec.key)
                yield spec

    def _published(self, tables: dg.AssetsDefinition, assets: list[dg.AssetsDefinition]) -> dg.AssetsDefinition:
        lists = [key for key in tables.keys if key.path[-1] == "action_list"]
        loaders = sorted({group_of(props) or "" for props in self.manifest["sources"].values()})
        landed = sorted({group_of(props) or "" for props in landed_sources(self.manifest)})
        owners = sorted({product.owner for product in self.products.values()})
        group = next(filter(None, [*landed, *loaders, *owners]), None)
        specs = [spec for asset in assets for spec in asset.specs]
        read = {dep.asset_key for spec in specs for dep in spec.deps}
        deps = [spec.key for spec in specs if spec.key not in read]  # the last of each branch
        personal = pii_columns(self.manifest)
        watched = [
            product for product in self.products.values() if dg.AssetKey([product.name, "health"]) in tables.keys
        ]
        return published_asset(
            *(group, self.translator.groups, deps, lists, personal, "orchestration/assets/published.py"),
            *(self.manifest, watched),
        )

    def _prepare(self, home: Home) -> None:
        """The tables that Python writes and dbt reads as sources must exist before dbt reads them."""
        from ml.ops_tables import ensure_ops, ensure_product_log
        from ml.warehouse import open_warehouse

        with open_warehouse(home) as con:
            ensure_ops(con)
            for product in self.trained:
                ensure_product_log(con, product)


def _specs(asset: dg.AssetsDefinition | dg.AssetSpec) -> Iterator[dg.AssetSpec]:
    if isinstance(asset, dg.AssetSpec):
        yield asset
    else:
        yield from asset.specs
