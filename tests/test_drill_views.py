"""Views that dbt need not make again: those, and only those, of which it would make the same."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from orchestration.drill import views

RAW, STAGED = "source.demo.raw.usage", "model.demo.staging_usage"


def manifest(**config: Any) -> dict[str, Any]:
    node = {"schema": "staging", "alias": "usage", "depends_on": {"nodes": [RAW]}}
    table = {"schema": "features", "alias": "usage", "depends_on": {"nodes": [STAGED]}}
    return {
        "nodes": {
            STAGED: node | {"config": {"materialized": "view", **config}},
            "model.demo.features_usage": table | {"config": {"materialized": "table"}},
        },
        "sources": {RAW: {"schema": "raw", "identifier": "usage", "name": "usage"}},
    }


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("create schema raw; create schema staging; create table raw.usage (n integer, plan varchar)")
        con.execute("create view staging.usage as select n from raw.usage")
        yield con


def found(con: duckdb.DuckDBPyConnection) -> dict[str, views.Standing]:
    return views.standing(con, manifest(), {STAGED})


def test_views_without_hooks_are_known_and_tables_are_not() -> None:
    plain = manifest(**{"pre-hook": [], "post-hook": []})
    assert views.of(plain, plain["nodes"]) == {STAGED}
    hooked = manifest(**{"post-hook": [{"sql": "analyze"}]})
    assert views.of(hooked, hooked["nodes"]) == set()


def test_new_rows_leave_a_view_what_it_is(con: duckdb.DuckDBPyConnection) -> None:
    before = found(con)
    con.execute("insert into raw.usage values (1, 'pro')")
    assert found(con) == before != {}


@pytest.mark.parametrize(
    "change",
    [
        "create or replace view staging.usage as select n + 1 as n from raw.usage",
        "alter table raw.usage alter n type bigint",
        "alter table raw.usage add column seats integer",
        "alter table raw.usage rename plan to tariff",
        "drop table raw.usage",
        "drop view staging.usage",
        "drop view staging.usage; create table staging.usage as select n from raw.usage",
    ],
)
def test_other_sql_or_other_columns_are_another_view(change: str, con: duckdb.DuckDBPyConnection) -> None:
    before = found(con)
    con.execute(change)
    assert found(con).get(STAGED) != before[STAGED]
