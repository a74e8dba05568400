"""dbt's part of a morning, at two thirds of the price where all is well.

dbt spends some 30 ms of a core around each test, whatever the test asks. So once dbt has compiled and run the tests of
a project, a morning has it build the models alone, and asks the compiled tests in one connection. Only "no row fails"
is believed: at the first that does, the warehouse is put back and dbt's own build, tests included, decides.
A view that stands in the warehouse as dbt made it, over tables with the same columns, is not made again (`views.py`).
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Set
from typing import TYPE_CHECKING

from ml.home import Home
from ml.warehouse import open_warehouse
from orchestration.dbt.failures import BuildFailed
from orchestration.dbt.runner import Build
from orchestration.dbt.selection import select_arguments
from orchestration.drill import views

if TYPE_CHECKING:
    from orchestration.graph import Graph

_COMPILED: dict[str, dict[str, str]] = {}  # by content key of the project: SQL of tests by unique id
_MADE: dict[str, dict[str, views.Standing]] = {}  # by content key: views as dbt left them, by unique id


def passing(
    graph: "Graph", home: Home, models: Set[str], tests: Set[str], variables: Mapping[str, str]
) -> Iterator[str]:
    """Build `models`, run `tests` (unique ids); yields the tests that pass. Raises BuildFailed as dbt's build does."""
    known, made = _COMPILED.setdefault(graph.file.key, {}), _MADE.setdefault(graph.file.key, {})
    if tests and tests <= known.keys() and _all_pass(graph, home, models, [known[uid] for uid in tests], variables):
        yield from sorted(tests)
        return
    build = _build(graph, models, tests, variables)
    for event, _ in build.events(home):
        node = event["data"]["node_info"]
        if node["unique_id"] in tests and node["node_status"] == "pass":
            yield node["unique_id"]
    # What speaks of its day or its place must be compiled anew; so must, to be safe, all else of that project.
    said = {*(text[:10] for text in variables.values()), str(home.root)}
    known |= {uid: sql for uid, sql in build.plain_tests() if not any(text in sql for text in said)}
    if found := views.of(graph.manifest, models):
        with open_warehouse(home) as con:
            standing = views.standing(con, graph.manifest, found)
        made |= {uid: view for uid, view in standing.items() if not any(text in view.sql for text in said)}


def _build(graph: "Graph", models: Set[str], tests: Collection[str], variables: Mapping[str, str]) -> Build:
    # Unit tests prove the SQL, not the day: half of the time of a small company's morning would go there.
    chosen = [*select_arguments(graph.manifest, models, tests), "--exclude-resource-type", "unit_test"]
    return Build(graph.file, chosen, variables)


def _all_pass(
    graph: "Graph", home: Home, models: Set[str], tests: Collection[str], variables: Mapping[str, str]
) -> bool:
    """Build the models and ask the tests; where anything fails the warehouse is as it was, and dbt will say what."""
    import duckdb

    aside = home.warehouse.with_suffix(".before")
    try:
        shutil.copyfile(home.warehouse, aside)
    except OSError:  # no room for a copy: a drill of that plays as dbt alone would
        aside.unlink(missing_ok=True)
        return False
    try:
        for _ in _build(graph, models - _unchanged(graph, home), (), variables).events(home):
            pass
        with open_warehouse(home) as con:
            all_pass = not any(con.execute(sql).fetchall() for sql in tests)
    except (BuildFailed, duckdb.Error):
        all_pass = False
    if not all_pass:
        home.warehouse.with_suffix(".duckdb.wal").unlink(missing_ok=True)
        aside.replace(home.warehouse)
    aside.unlink(missing_ok=True)
    return all_pass


def _unchanged(graph: "Graph", home: Home) -> set[str]:
    """Views that are what dbt would make of them again."""
    if not (made := _MADE[graph.file.key]):
        return set()
    with open_warehouse(home) as con:
        now = views.standing(con, graph.manifest, made)
    return {uid for uid, view in made.items() if now.get(uid) == view}
