"""Tables that a morning makes without dbt: of the same SQL every day, reading nothing else that is to be made."""

from typing import Any

import duckdb

from orchestration.drill import tables

PARENTS = {"a": ["view"], "b": ["a"], "c": ["a", "other view"], "d": ["b"], "e": ["source.raw"], "f": ["a", "e"]}
MANIFEST: dict[str, Any] = {"nodes": {uid: {"depends_on": {"nodes": parents}} for uid, parents in PARENTS.items()}}


def test_parents_come_first_and_what_reads_a_model_of_dbt_is_left_to_dbt() -> None:
    steady = {"d", "c", "b", "a"}
    assert tables.in_order(MANIFEST, steady, {"a", "b", "c", "d", "other view"}, {"view"}) == ["a", "b", "d"]
    assert tables.in_order(MANIFEST, steady, {"a", "b", "c", "d"}, {"view", "other view"}) == ["a", "b", "c", "d"]
    assert tables.in_order(MANIFEST, {"b", "d"}, {"a", "b", "d"}, {"view"}) == []
    assert tables.in_order(MANIFEST, steady, {"a", "b", "view"}, set()) == []


def test_what_reads_a_source_is_left_to_dbt_and_so_is_what_reads_that() -> None:
    assert tables.in_order(MANIFEST, {"a", "e", "f"}, {"a", "e", "f"}, {"view"}) == ["a"]


def test_sql_is_steady_once_it_was_the_same_twice_and_says_no_day() -> None:
    compiled = tables.Compiled()
    compiled.learn({"a": "select 1", "b": "select 1 where d < '2026-09-01'"}, {"2026-09-01"})
    assert compiled.steady == {}
    compiled.learn({"a": "select 1", "b": "select 1 where d < '2026-09-01'"}, {"2026-09-01"})
    assert compiled.steady == {"a": "select 1"}
    compiled.learn({"a": "select 2"}, {"2026-09-02"})
    assert compiled.steady == {}


def test_the_table_takes_the_place_of_the_one_that_is_there() -> None:
    with duckdb.connect() as con:
        con.execute('create schema features; create table features."usage of" (n varchar)')
        tables.make(con, {"schema": "features", "alias": "usage of"}, "select 1 as n\n-- as it was\n")
        assert con.execute('select n from features."usage of"').fetchall() == [(1,)]
