"""Commands shown to people: whatever a supplier or a yml calls things, a shell reads one query and runs nothing."""

import shlex
from dataclasses import replace

import duckdb
import pytest
from diagnosis_evidence import N, broken, sound, usage, with_column, with_source

from ml.commands import baton_sql
from ml.diagnosis.evidence import Evidence
from ml.diagnosis.rules import diagnose

HOSTILE = ["$(touch x)", "`id`", '"; rm -rf ~; "', "'; drop table t; --", "a\\", "!!", "Ünï cödé", "order", "a b"]


def category(known: Evidence, name: str, new: str) -> Evidence:
    channel = usage().table.values[1]
    shares = broken(channel.shares, {new: 0.5, "mobile": 0.5})
    return with_source(known, values=(replace(channel, name=name, shares=shares),))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_shell_reads_a_query_as_it_was_written(text: str) -> None:
    query = f"select {text} from t where name = '{text}'"
    assert shlex.split(baton_sql(query)) == ["baton", "sql", query]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_of_the_data_is_in_no_command(text: str) -> None:
    found = diagnose(category(sound(), "channel", text))
    assert found.cause == "category_renamed"
    assert text not in found.command.replace("order by", "")
    assert '"channel"' in found.command


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("fault", ["null", "unit", "category"])
def test_a_column_of_any_name_is_one_identifier_of_one_query(name: str, fault: str) -> None:
    column = replace(usage().table.values[0], name=name)
    known = with_source(sound(), values=(column,))
    if fault == "null":
        known = with_column(known, name, null_share=broken((0.0,) * N, 0.6))
    elif fault == "unit":
        known = with_column(known, name, middle=broken(column.middle, 360.0))
    else:
        known = category(sound(), name, "Web")
    found = diagnose(known)
    command, verb, query = shlex.split(found.command)
    assert (command, verb) == ("baton", "sql")
    assert '"' + name.replace('"', '""') + '"' in query


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_of_any_name_is_one_identifier_of_one_query(name: str) -> None:
    known = with_source(sound(), asset=f"raw/{name}", again=broken(usage().table.again, 300))
    assert "where asset = 'raw/" + name.replace("'", "''") + "'" in shlex.split(diagnose(known).command)[2]
    known = with_source(sound(), asset=f"raw/{name}", hour=broken(usage().table.hour, 21.1))
    table = name if name == "order" else '"' + name.replace('"', '""') + '"'
    assert f"from raw.{table} group by" in shlex.split(diagnose(known).command)[2]


def test_a_command_reads_the_columns_that_the_source_has() -> None:
    known = with_column(sound(), "n_actions", null_share=broken((0.0,) * N, 0.6))
    source = replace(known.sources[0], known_at="loaded_at")
    assert '"loaded_at"::date' in diagnose(replace(known, sources=(source, *known.sources[1:]))).command


def test_the_commands_of_columns_run() -> None:
    channel = usage().table.values[1]
    known = with_source(sound(), values=(replace(channel, name='or"der'),))
    shares = broken(channel.shares, {"Web": 0.5, "mobile": 0.5})
    queries = [shlex.split(diagnose(with_column(known, 'or"der', shares=shares)).command)[2]]
    queries.append(shlex.split(diagnose(with_column(known, 'or"der', null_share=broken((0.0,) * N, 0.6))).command)[2])
    with duckdb.connect() as con:
        con.execute("""create schema raw; create table raw.usage (known_at timestamp, "or""der" varchar)""")
        con.execute("insert into raw.usage values ('2026-11-20 07:00', null), ('2026-11-20 08:00', 'Web')")
        assert [con.execute(query).fetchall()[0][1:] for query in queries] == [(None, 1), (2, 0.5)]
