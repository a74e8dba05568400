"""The demo company's dbt project in a copy of its own, on a small company's history, built by dbt alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import duckdb
import pytest

from demo.company import Company
from demo.landing import write_missing_days
from ml import clock
from ml.home import PROJECT_ROOT, Home
from ml.ops_tables import ensure_ops, ensure_product_log
from ml.product import load_products
from orchestration.dbt.parse import close_connections, install_packages, invoke
from orchestration.sources import load_sources, load_table

NOW = datetime(2026, 11, 21, 6, 0)
DAY = timedelta(days=1)
TODAY = clock.as_of(NOW)
FIRST_SCORED = TODAY - 50 * DAY
HISTORY_DAYS = 140


@dataclass
class Project:
    """A copy of the project on a warehouse of its own; `first_build`: status of every node of the first build."""

    folder: Path
    home: Home
    first_build: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def built(cls, folder: Path) -> Iterator["Project"]:
        """150 accounts, 140 days of history, the last 51 days in the scoring set, an empty prediction log."""
        copytree(
            PROJECT_ROOT / "dbt_project",
            folder / "dbt",
            ignore=ignore_patterns("target", "dbt_packages", "logs", "package-lock.yml"),
        )
        made = cls(folder / "dbt", Home(folder / "home").ensure())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BATON_HOME", str(made.home.root))
            patch.delenv("BATON_NOW", raising=False)
            install_packages(made.folder, made.home)
            made._load()
            made.first_build = made.dbt("build", as_of_from=FIRST_SCORED, as_of_to=TODAY)
            yield made

    def dbt(self, *arguments: str, now: datetime = NOW, **variables: datetime) -> dict[str, str]:
        """Run dbt alone; status by unique id."""
        values = {name: clock.sql(at) for name, at in {"now": now, **variables}.items()}
        where = ["--target-path", str(self.folder / "target"), "--vars", json.dumps(values)]
        result = invoke([*arguments, *where], self.folder, self.home)
        close_connections()
        assert result.exception is None, result.exception
        return {r.node.unique_id: str(r.status) for r in getattr(result.result, "results", []) if hasattr(r, "node")}

    def manifest(self) -> dict[str, Any]:
        """The manifest as the last dbt command left it."""
        found: dict[str, Any] = json.loads((self.folder / "target" / "manifest.json").read_text())
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home.warehouse)) as con:
            return con.execute(sql).fetchall()

    def _load(self) -> None:
        self.dbt("parse")
        manifest = self.manifest()
        start = (NOW - HISTORY_DAYS * DAY).date()
        write_missing_days(self.home, NOW, Company(seed=3, start=start, days=HISTORY_DAYS, accounts=150))
        with duckdb.connect(str(self.home.warehouse)) as con:
            for table in load_sources(manifest):
                load_table(con, table, self.home.landing, NOW)
            ensure_ops(con)
            ensure_product_log(con, load_products(manifest)["churn"])
