"""dbt's part of a morning, at half of the price where all is well.

dbt spends some 30 ms of a core around each test, whatever the test asks. So once dbt has compiled and run the tests of
a project, a morning has it build the models alone, and asks the compiled tests in one connection. Only "no row fails"
is believed: at the first that does, the warehouse is put back and dbt's own build, tests included, decides.
A view that stands in the warehouse as dbt made it, over tables with the same columns, is not made again (`views.py`);
a table whose SQL is the same every morning is made without dbt (`tables.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml.home import Home
from ml.warehouse import open_warehouse
from orchestration.dbt.failures import BuildFailed
from orchestration.dbt.runner import Build
from orchestration.dbt.selection import select_arguments
from orchestration.drill import tables, views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from orchestration.graph import Graph


@dataclass
class _Known:
    """What dbt's own builds have shown of a project. tests: compiled SQL; views: as dbt left them; by unique id."""

    tests: dict[str, str] = field(default_factory=dict)
    views: dict[str, views.Standing] = field(default_factory=dict)
    tables: tables.Compiled = field(default_factory=tables.Compiled)


_KNOWN: dict[str, _Known] = {}  # by content key of the project


def passing(graph: Graph, home: Home, models: Set[str], tests: Set[str], variables: Mapping[str, str]) -> Iterator[str]:
    """Build `models`, run `tests` (unique ids); yields the tests that pass. Raises BuildFailed as dbt's build does."""
    known = _KNOWN.setdefault(graph.file.key, _Known())
    if tests and tests <= known.tests.keys() and _all_pass(graph, home, models, tests, variables):
        yield from sorted(tests)
        return
    build = _build(graph, models, tests, variables)
    for event, _ in build.events(home):
        node = event["data"]["node_info"]
        if node["unique_id"] in tests and node["node_status"] == "pass":
            yield node["unique_id"]
    # What speaks of its day or its place must be compiled anew; so must, to be safe, all else of that project.
    said = _said(home, variables)
    known.tests |= {uid: sql for uid, sql in build.plain_tests() if not any(text in sql for text in said)}
    known.tables.learn(build.plain_tables(), said)
    if found := views.of(graph.manifest, models):
        with open_warehouse(home) as con:
            standing = views.standing(con, graph.manifest, found)
        known.views |= {uid: view for uid, view in standing.items() if not any(text in view.sql for text in said)}


def _said(home: Home, variables: Mapping[str, str]) -> set[str]:
    """Texts by which SQL tells its day or its place."""
    return {*(text[:10] for text in variables.values()), str(home.root)}


def _build(graph: Graph, models: Set[str], tests: Collection[str], variables: Mapping[str, str]) -> Build:
    # Unit tests prove the SQL, not the day: half of the time of a small company's morning would go there.
    chosen = [*select_arguments(graph.manifest, models, tests), "--exclude-resource-type", "unit_test"]
    return Build(graph.file, chosen, variables)


def _all_pass(graph: Graph, home: Home, models: Set[str], tests: Collection[str], variables: Mapping[str, str]) -> bool:
    """Build the models and ask the tests; where anything fails the warehouse is as it was, and dbt will say what."""
    import duckdb

    aside = home.warehouse.with_suffix(".before")
    try:
        shutil.copyfile(home.warehouse, aside)
    except OSError:  # no room for a copy: a drill of that plays as dbt alone would
        aside.unlink(missing_ok=True)
        return False
    known = _KNOWN[graph.file.key]
    try:
        with open_warehouse(home) as con:  # held while dbt works on it: to open and close the file costs 30 ms
            _make(con, graph, home, models, variables)
            all_pass = not any(con.execute(known.tests[uid]).fetchall() for uid in tests)
    except (BuildFailed, duckdb.Error):
        all_pass = False
    if not all_pass:
        home.warehouse.with_suffix(".duckdb.wal").unlink(missing_ok=True)
        aside.replace(home.warehouse)
    aside.unlink(missing_ok=True)
    return all_pass


def _make(con: DuckDBPyConnection, graph: Graph, home: Home, models: Set[str], variables: Mapping[str, str]) -> None:
    """Make the models, those by dbt that only dbt can. Raises BuildFailed or duckdb.Error."""
    known = _KNOWN[graph.file.key]
    standing = models & _unchanged(con, graph, known)
    left = models - standing
    for uid in (plain := tables.in_order(graph.manifest, known.tables.steady.keys(), left, standing)):
        tables.make(con, graph.manifest["nodes"][uid], known.tables.steady[uid])
    if rest := left - set(plain):
        build = _build(graph, rest, (), variables)
        for _ in build.events(home):
            pass
        known.tables.learn(build.plain_tables(), _said(home, variables))


def _unchanged(con: DuckDBPyConnection, graph: Graph, known: _Known) -> set[str]:
    """Views that are what dbt would make of them again."""
    now = views.standing(con, graph.manifest, known.views) if known.views else {}
    return {uid for uid, view in known.views.items() if now.get(uid) == view}
