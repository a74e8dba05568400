"""Why a dbt test failed, in the words of the rows it returned: up to five of them, without personal data."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN = 5
MASK = "(personal)"

# Columns in which a test on one column returns that column's values: Baton's tests, then dbt's own.
OF_THE_COLUMN = {"value", "lowest", "highest", "value_field", "unique_field", "from_field"}


def failing_rows(
    con: "DuckDBPyConnection", compiled_sql: str, hidden: set[str], tested: str = ""
) -> tuple[list[dict[str, Any]], str]:
    """Up to five failing rows and their messages ('' where the test returns none).

    Columns in `hidden` (flagged pii) are left out. Where `tested`, the column the test stands on, is one of them, the
    columns that hold its values are masked too, and no message quotes a masked value. Runs the test's compiled SQL
    again, so only call it for a failure. Raises duckdb.Error where the rows cannot be read.
    """
    subquery = f"(\n{compiled_sql.rstrip().rstrip(';')}\n)"
    cursor = con.execute(f"select failing, columns(failing.*)::varchar from {subquery} as failing limit {SHOWN}")
    names = [column[0] for column in cursor.description or []][1:]
    found = cursor.fetchall()
    masked = {name for name in names if name.lower() in hidden}
    if tested.strip('"').lower() in hidden:
        masked |= {name for name in names if name.lower() in OF_THE_COLUMN}
    rows = [_shown(dict(row[0]), dict(zip(names, row[1:], strict=True)), masked, hidden) for row in found]
    message = "; ".join(dict.fromkeys(str(row["message"]) for row in rows if row.get("message")))
    return rows, message


def _shown(row: dict[str, Any], text: dict[str, str | None], masked: set[str], hidden: set[str]) -> dict[str, Any]:
    """A row as people may see it. `text` has its values as SQL spells them, which is how a message quotes them."""
    shown = {name: MASK if name in masked else value for name, value in row.items() if name.lower() not in hidden}
    if shown.get("message"):
        for secret in sorted(filter(None, (text[name] for name in masked)), key=len, reverse=True):
            shown["message"] = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, str(shown["message"]))
    return shown


def column_of(node: Mapping[str, Any]) -> str:
    """The column a test of the manifest stands on; '' for a test of a whole model."""
    kwargs = (node.get("test_metadata") or {}).get("kwargs") or {}
    return str(node.get("column_name") or kwargs.get("column_name") or "")


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a markdown table for Dagster's metadata."""
    if not rows:
        return "no rows"
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]).replace("|", "\\|") for name in names) + " |" for row in rows]
    return "\n".join(lines)
