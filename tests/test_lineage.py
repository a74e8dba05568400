"""Column lineage equals dagster-dbt's, which parses the whole SQL once per column; it is derived once per SQL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_dbt import DagsterDbtTranslator
from dagster_dbt.core.dbt_cli_event import EventHistoryMetadata, _build_column_lineage_metadata

from orchestration.dbt import lineage as module
from orchestration.dbt.lineage import METADATA, LineageMemory, LineageUnknown, derive
from orchestration.dbt.translator import asset_key

ORDERS, PEOPLE, TARGET = '"w"."staging"."orders"', '"w"."staging"."people"', '"w"."shop"."sums"'
TYPES = {
    ORDERS: {"person": "VARCHAR", "amount": "DOUBLE", "day": "DATE"},
    PEOPLE: {"person": "VARCHAR", "country": "VARCHAR"},
    TARGET: {"country": "VARCHAR", "takings": "DOUBLE", "best": "DOUBLE", "built_at": "TIMESTAMP", "added": "INTEGER"},
}
KEYS = {ORDERS: dg.AssetKey(["staging", "orders"]), PEOPLE: dg.AssetKey(["staging", "people"])}
SQL = f"""
    with paid as (select person, amount from {ORDERS} where day <= '2026-11-21'),
    joined as (select people.*, paid.amount from paid join {PEOPLE} as people using (person)),
    earlier as (select max(takings) as best from {TARGET})
    select country, sum(amount) as Takings, greatest((select best from earlier), max(amount)) as best,
        timestamp '2026-11-21 06:00:00' as built_at
    from joined group by 1
"""


class _Named(DagsterDbtTranslator):
    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return asset_key(dbt_resource_props)


def pairs(found: dg.TableColumnLineage) -> dict[str, set[tuple[str, str]]]:
    return {
        column: {(dep.asset_key.to_user_string(), dep.column_name) for dep in deps}
        for column, deps in found.deps_by_column.items()
    }


def test_a_column_names_what_it_is_made_of() -> None:
    takings = {("staging/orders", "amount")}
    wanted = {"country": {("staging/people", "country")}, "takings": takings, "best": takings}
    assert pairs(derive(SQL, TARGET, TYPES, KEYS)) == {**wanted, "built_at": set(), "added": set()}


def test_it_is_what_dagster_dbt_derives(tmp_path: Path) -> None:
    node = {
        "unique_id": "model.p.sums", "resource_type": "model", "package_name": "p", "original_file_path": "sums.sql",
        "relation_name": TARGET, "depends_on": {"nodes": ["model.p.orders", "model.p.people"]},
    }  # fmt: skip
    parents: dict[str, Any] = {
        f"model.p.{name}": {
            "unique_id": f"model.p.{name}", "resource_type": "model", "relation_name": relation, "schema": "staging",
            "name": name, "alias": name, "config": {}, "meta": {}, "tags": [], "fqn": ["p", name], "columns": {},
            "description": "", "original_file_path": f"{name}.sql", "package_name": "p", "raw_code": "",
            "depends_on": {"nodes": []},
        }
        for name, relation in (("orders", ORDERS), ("people", PEOPLE))
    }  # fmt: skip
    manifest: dict[str, Any] = {
        "metadata": {"adapter_type": "duckdb"}, "sources": {}, "groups": {}, "exposures": {}, "semantic_models": {},
        "nodes": {**parents, "model.p.sums": node}, "child_map": {}, "parent_map": {}, "selectors": {}, "metrics": {},
    }  # fmt: skip
    compiled = tmp_path / "compiled" / "p" / "sums.sql"
    compiled.parent.mkdir(parents=True)
    compiled.write_text(SQL)
    known = {name: {column: {"data_type": kind} for column, kind in types.items()} for name, types in TYPES.items()}
    theirs = _build_column_lineage_metadata(
        event_history_metadata=EventHistoryMetadata(
            columns=known[TARGET], parents={name: known[name] for name in (ORDERS, PEOPLE)}
        ),
        dbt_resource_props=node, manifest=manifest, dagster_dbt_translator=_Named(),
        target_path=tmp_path, project=None,
    )  # fmt: skip
    keys = {parents[uid]["relation_name"]: asset_key(parents[uid]) for uid in parents}
    assert pairs(derive(SQL, TARGET, TYPES, keys)) == pairs(theirs[METADATA])


def test_a_graph_of_shared_ctes_is_walked_once() -> None:
    """Each step reads the one before twice: two to the sixtieth paths lead to the one column."""
    steps = [f"s0 as (select amount as c from {ORDERS})"]
    steps += [f"s{i} as (select a.c + b.c as c from s{i - 1} as a, s{i - 1} as b)" for i in range(1, 60)]
    sql = f"with {', '.join(steps)} select c from s59"
    assert pairs(derive(sql, TARGET, {**TYPES, TARGET: {"c": "DOUBLE"}}, KEYS)) == {"c": {("staging/orders", "amount")}}


def test_what_cannot_be_followed_is_said() -> None:
    with pytest.raises(LineageUnknown, match=r"shop.*sums.*cannot be followed"):
        derive("select from where", TARGET, TYPES, KEYS)


def test_it_is_derived_once_whatever_day_and_number_the_run_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def counted(*arguments: Any) -> dg.TableColumnLineage:
        asked.append(arguments)
        return derive(*arguments)

    monkeypatch.setattr(module, "derive", counted)
    numbered = SQL.replace("where day", "where 1795286238118 > 0 and day")
    for sql in (numbered, numbered.replace("1795286238118", "1795286238119").replace("2026-11-21", "2026-11-22")):
        memory = LineageMemory(tmp_path / "lineage.json")
        assert pairs(memory.lineage(sql, TARGET, TYPES, KEYS)) == pairs(derive(sql, TARGET, TYPES, KEYS))
        memory.save()
    for _ in range(2):
        with pytest.raises(LineageUnknown, match="cannot be followed"):
            memory.lineage("select from where", TARGET, TYPES, KEYS)
    assert len(asked) == 2
    memory.lineage(numbered.replace("sum(amount)", "max(amount)"), TARGET, TYPES, KEYS)
    assert len(asked) == 3
