"""How a dbt resource looks in Dagster: key by relation, owner, freshness and promises from the manifest."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckSpec, AssetKey, AssetSpec, FreshnessPolicy
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

from ml.manifest import Props, asset_path, group_of, meta_of
from orchestration.dbt.descriptions import describe_test
from orchestration.dbt.roster import Freshness, Group, freshness_of, roster

if TYPE_CHECKING:
    from dagster_dbt import DbtProject

GROUP, BACKUP, PAGE, FILE = "baton/group", "baton/backup", "baton/page", "baton/file"
FRESHNESS_COLUMN, RELATION = "baton/freshness_column", "baton/relation"


def policy(freshness: Freshness) -> FreshnessPolicy:
    """The half of freshness that looks at runs; `data_is_fresh` looks at the data."""
    return FreshnessPolicy.time_window(fail_window=freshness.fail_after, warn_window=freshness.warn_after)


def accountable(group: str | None, groups: Mapping[str, Group], file: str) -> dict[str, Any]:
    """Asset metadata that names who answers for it; an unknown group stays visible for the ownership gate."""
    known = groups.get(group or "")
    entries = {GROUP: group, BACKUP: known and known.backup, PAGE: known and known.page, FILE: file}
    return {key: value for key, value in entries.items() if value}


def owners(group: str | None, groups: Mapping[str, Group]) -> list[str]:
    """Dagster owner strings of a group: its team and, where it has one, its address."""
    known = groups.get(group or "")
    if known is None:
        return []
    return [f"team:{known.name}", *([known.email] if known.email and "@" in known.email else [])]


def asset_key(props: Props) -> AssetKey:
    """[schema, table] of the relation; `meta.dagster.asset_key` wins (the prediction log is a source for dbt)."""
    return AssetKey(asset_path(props))


class Translator(DagsterDbtTranslator):
    """One small method per attribute; `get_asset_spec` adds what dagster-dbt does not know: the freshness promise."""

    def __init__(self, manifest: Props) -> None:
        super().__init__(
            DagsterDbtTranslatorSettings(
                enable_code_references=True,
                enable_duplicate_source_asset_keys=True,
                enable_source_tests_as_checks=True,
                enable_source_metadata=False,
            )
        )
        self.groups = roster(manifest)
        self._products = product_hashes(manifest)
        self._specs: dict[str, AssetSpec] = {}

    def get_asset_key(self, dbt_resource_props: Props) -> AssetKey:
        """Schema and table, as people write them in SQL."""
        return asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Props) -> str:
        """The layer or product: the first part of the key. The accountable group is in owners and metadata."""
        return asset_key(dbt_resource_props).path[0]

    def get_description(self, dbt_resource_props: Props) -> str:
        """The yml's description, without the SQL dagster-dbt would append."""
        return str(dbt_resource_props.get("description") or "")

    def get_owners(self, dbt_resource_props: Props) -> list[str]:
        """Team and address of the accountable group (dagster-dbt hands the whole group in `group`)."""
        group = dbt_resource_props.get("group")
        name = group["name"] if isinstance(group, Mapping) else group_of(dbt_resource_props)
        return owners(name, self.groups)

    def get_code_version(self, dbt_resource_props: Props) -> str | None:
        """dagster-dbt's hash of the SQL, and the product's: a changed exposure changes what its SQL means."""
        base = super().get_code_version(dbt_resource_props)
        product = self._products.get(asset_key(dbt_resource_props).path[0])
        return f"{base}-{product}" if base and product else base

    def get_metadata(self, dbt_resource_props: Props) -> dict[str, Any]:
        """dagster-dbt's, plus who is accountable and which column holds the data's age."""
        props = dbt_resource_props
        file = f"{props.get('original_file_path', '')}"
        extra = accountable(group_of(props), self.groups, file)
        freshness = freshness_of(meta_of(props), file)
        if freshness and freshness.column:
            extra[FRESHNESS_COLUMN] = freshness.column
        return {**super().get_metadata(props), **extra, RELATION: props.get("relation_name") or ""}

    def get_asset_spec(self, manifest: Props, unique_id: str, project: "DbtProject | None") -> AssetSpec:
        """The base spec with its freshness policy; `materialized` and `source` become kinds people filter by."""
        if unique_id not in self._specs:
            props = self.get_resource_props(manifest, unique_id)
            spec = super().get_asset_spec(manifest, unique_id, project)
            freshness = freshness_of(meta_of(props), props.get("original_file_path", unique_id))
            if freshness:
                spec = spec.replace_attributes(freshness_policy=policy(freshness))
            self._specs[unique_id] = spec
        return self._specs[unique_id]

    def get_asset_check_spec(
        self, asset_spec: AssetSpec, manifest: Props, unique_id: str, project: "DbtProject | None"
    ) -> AssetCheckSpec | None:
        """What the test promises in words, and its owner: the test's group, else its asset's."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        props = self.get_resource_props(manifest, unique_id)
        owner = (props.get("config") or {}).get("group") or props.get("group") or asset_spec.metadata.get(GROUP)
        return spec._replace(
            description=describe_test(props),
            metadata={**(spec.metadata or {}), **({GROUP: owner} if owner else {})},
        )


def product_hashes(manifest: Props) -> dict[str, str]:
    """Short hash of each product's parameters, by product name."""
    return {
        exposure["name"]: hashlib.sha256(json.dumps(spec, sort_keys=True, default=str).encode()).hexdigest()[:12]
        for exposure in manifest.get("exposures", {}).values()
        if (spec := meta_of(exposure).get("product"))
    }
