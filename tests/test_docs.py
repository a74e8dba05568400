"""What the guides say can be typed: their queries run on a demo company, their links lead somewhere."""

import re
from pathlib import Path

import demo_runs
import duckdb
import pytest

from ml.home import PROJECT_ROOT

PAGES = [PROJECT_ROOT / "README.md", PROJECT_ROOT / "CONTRIBUTING.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md"))]
GUIDE = PROJECT_ROOT / "docs" / "monitoring.md"
QUERIES = re.findall(r"^```sql\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
# A healthy company may have no breach, and one of 400 accounts too few decisions for a bin.
MAY_BE_EMPTY = ("churn.drift", "churn.calibration")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_runs.first_run(tmp_path_factory).home.published_warehouse


def test_the_guide_has_its_queries() -> None:
    tables = {table for query in QUERIES for table in re.findall(r"from (churn\.\w+)", query)}
    assert tables >= {
        f"churn.{name}"
        for name in ("performance", "holdout", "metrics", "health", "worst_slices", "calibration", "drift", "parity")
    }


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: " ".join(query.split())[:60])
def test_a_query_of_the_guide_answers(published: Path, query: str) -> None:
    with duckdb.connect(str(published), read_only=True) as con:
        rows = con.execute(query).fetchall()
    assert rows or any(table in query for table in MAY_BE_EMPTY)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


REFERENCE = PROJECT_ROOT / "dbt_project" / "baton" / "README.md"
MACROS = PROJECT_ROOT / "dbt_project" / "baton" / "macros"
TABLES = ("decisions", "outcomes", "performance_hourly", "performance", "calibration", "delay", "drift", "parity")
TABLES += ("holdout", "worst_slices", "metrics")


@pytest.mark.parametrize("table", TABLES)
def test_the_reference_gives_the_arguments_of_each_table(table: str) -> None:
    text = (MACROS / "monitoring" / f"{table}.sql").read_text()
    signature = re.search(rf"\{{% macro ({table}\(.*?\)) %\}}", text)
    assert signature
    assert f"| `{signature[1]}` |" in REFERENCE.read_text()


def test_the_reference_names_every_generic_test() -> None:
    written = [name for file in MACROS.rglob("*.sql") for name in re.findall(r"\{% test (\w+)\(", file.read_text())]
    assert written
    assert [name for name in written if not re.search(rf"`{name}[(`]", REFERENCE.read_text())] == []
