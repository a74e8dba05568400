"""Sources: landing files become append-only raw tables; nothing is lost and nothing is loaded twice. No Dagster here.

`load_sources(manifest)` reads what the dbt source yml declares; `load_table(con, table, landing, now)` loads the news.
"""

from orchestration.sources.loader import load_table
from orchestration.sources.report import FailedFile, LoadReport
from orchestration.sources.spec import SourceSpecError, load_sources
from orchestration.sources.table import Column, SourceTable

__all__ = ["Column", "FailedFile", "LoadReport", "SourceSpecError", "SourceTable", "load_sources", "load_table"]
