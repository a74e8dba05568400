"""Render macros of the `baton` dbt package through dbt's own Jinja, and run the SQL on an in-memory DuckDB.

The package is parsed once (about 3 s); a rendering costs milliseconds and is cached; a query on a few rows costs about
5 ms, so hypothesis can run hundreds of examples. Use, in a test module:

    @pytest.fixture(scope="module")
    def macros(tmp_path_factory):
        products = {"churn": {"entity": "account_id", "outcome": {"horizon": "30 days", "grace": "2 days"}}}
        with MacroHarness(tmp_path_factory.mktemp("macros"), products, now="2026-01-01 06:00:00") as harness:
            yield harness

    def test_something(macros):
        macros.load("spine", {"account_id": "varchar", "as_of": "timestamp"}, [("a", datetime(2025, 1, 1))])
        sql = macros.render("latest_as_of", "spine", "versions", "account_id", ["plan"])
        rows = macros.query(sql)                       # list of dicts, in no particular order

`render("default__latest_as_of", ...)` renders one variant by name; `portable=True` renders the public macro with every
dispatched macro below it in its `default__` form. A macro that is an expression is run by `macros.value(expression)`.
Macros that ask the database while they render (`run_query`, `adapter.get_columns_in_relation`) see an empty database.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import duckdb
import yaml
from dbt.adapters.factory import FACTORY, get_adapter, register_adapter
from dbt.cli.main import dbtRunner
from dbt.clients.jinja import MacroGenerator
from dbt.context.providers import generate_runtime_macro_context
from dbt.mp_context import get_mp_context
from dbt_common.context import set_invocation_context

PACKAGE = Path(__file__).parents[1] / "dbt_project" / "baton"


class MacroHarness:
    """A dbt project in `folder` that installs the package by path, with one exposure per product and a fixed `now`."""

    def __init__(
        self, folder: Path, products: Mapping[str, Mapping[str, Any]] | None = None, now: str = "2026-01-01 06:00:00"
    ):
        self._rendered: dict[str, str] = {}
        _write_project(folder, products or {})
        self._manifest = _dbt(folder, "deps", "parse", variables={"now": now})
        self._config = FACTORY.adapters["duckdb"].config
        self.connection = duckdb.connect(":memory:", config={"threads": 1})

    def render(self, macro: str, *args: Any, portable: bool = False, **kwargs: Any) -> str:
        """The SQL of `baton.<macro>(*args, **kwargs)`; dbt's compilation errors pass through."""
        key = repr((macro, portable, args, kwargs))
        if key not in self._rendered:
            self._rendered[key] = str(self._call(macro, portable, args, kwargs)).strip()
        return self._rendered[key]

    def evaluate(self, macro: str, *args: Any) -> Any:
        """What a macro returns to other macros: a dict, a list."""
        return self._call(macro, False, args, {})

    def load(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Create or replace `table` with `columns` (name to SQL type) and fill it with `rows`."""
        declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self.connection.execute(f"create or replace table {table} ({declared})")
        if rows:
            row = f"({', '.join('?' * len(columns))})"
            values = [value for line in rows for value in line]
            self.connection.execute(f"insert into {table} values {', '.join([row] * len(rows))}", values)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """All rows of a select."""
        cursor = self.connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def value(self, expression: str) -> Any:
        """The value of one SQL expression."""
        return self.query(f"select {expression} as value")[0]["value"]

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, macro: str, portable: bool, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        # Another dbt invocation of this process may have replaced the registered adapter and the environment dbt sees.
        set_invocation_context(os.environ.copy())
        FACTORY.adapters.pop("duckdb", None)
        register_adapter(self._config, get_mp_context())
        adapter = get_adapter(self._config)
        adapter.set_macro_context_generator(generate_runtime_macro_context)
        adapter.set_macro_resolver(self._manifest)
        node = self._manifest.find_macro_by_name(macro, self._config.project_name, "baton")
        if node is None:
            raise LookupError(f"no macro {macro!r} in package baton; its macros are in {PACKAGE / 'macros'}")
        context = generate_runtime_macro_context(node, self._config, self._manifest, "baton")
        if portable:
            context["adapter"] = _Portable(context["adapter"], context["baton"])
        return MacroGenerator(node, context)(*args, **kwargs)


class _Portable:
    """An adapter whose dispatch knows only `default__` macros of the package."""

    def __init__(self, adapter: Any, package: Mapping[str, Any]):
        self._adapter, self._package = adapter, package

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def dispatch(self, macro_name: str, macro_namespace: str | None = None) -> Any:
        if macro_namespace != "baton":
            return self._adapter.dispatch(macro_name, macro_namespace)
        return self._package[f"default__{macro_name}"]


def _write_project(folder: Path, products: Mapping[str, Mapping[str, Any]]) -> None:
    exposures = [
        {"name": name, "type": "ml", "owner": {"name": "ml_engineering"}, "config": {"meta": {"product": dict(spec)}}}
        for name, spec in products.items()
    ]
    duck = {"type": "duckdb", "path": str(folder / "empty.duckdb"), "threads": 1}
    documents = {
        "dbt_project.yml": {"name": "macro_harness", "version": "1.0", "config-version": 2, "profile": "harness"},
        "packages.yml": {"packages": [{"local": str(PACKAGE)}]},
        "profiles.yml": {"harness": {"target": "duckdb", "outputs": {"duckdb": duck}}},
        "models/exposures.yml": {"exposures": exposures},
    }
    for name, content in documents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))


def _dbt(folder: Path, *commands: str, variables: Mapping[str, str]) -> Any:
    """Run dbt commands in `folder`; returns the result of the last one."""
    places = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--vars", yaml.safe_dump(dict(variables))]
    flags = ["--quiet", "--no-send-anonymous-usage-stats", "--log-level-file", "none"]
    for command in commands:
        outcome = dbtRunner().invoke([*flags, command, *places])
        if not outcome.success:
            raise RuntimeError(f"dbt {command} failed in {folder}: {outcome.exception or outcome.result}")
    return outcome.result
