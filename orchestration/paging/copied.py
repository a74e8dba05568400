"""`ops.incidents` and `ops.messages`: the pager's memory as tables for people with SQL. `incidents.db` is the truth."""

from typing import TYPE_CHECKING, Any

from ml.home import Home

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

INCIDENTS = (
    "id integer, asset varchar, group varchar, state varchar, cause varchar, kind varchar, confidence double, "
    "opened_at timestamp, since timestamp, acknowledged_at timestamp, acknowledged_by varchar, "
    "snoozed_until timestamp, escalated_at timestamp, resolved_at timestamp, misrouted integer, episode integer, "
    "assets json, evidence json, ruled_out json, blocked json, command varchar, dagster_run_id varchar"
)
MESSAGES = (
    "key varchar, incident_id integer, kind varchar, group varchar, target varchar, title varchar, state varchar, "
    "channel varchar, attempts integer, created_at timestamp, sent_at timestamp, error varchar"
)


def copy_into(con: "DuckDBPyConnection", home: Home) -> None:
    """Write both tables anew, empty before the first look.

    A store that does not answer leaves them as they were: the look at the end of the run fails with it, and says so.
    """
    from orchestration.paging.pager import incidents, messages
    from orchestration.paging.rows import incident_row
    from orchestration.paging.schema import StoreTooNew
    from orchestration.paging.store import Store, StoreError

    con.execute("create schema if not exists ops")
    for name, columns in (("incidents", INCIDENTS), ("messages", MESSAGES)):
        declared = columns.replace("group ", '"group" ')
        con.execute(f"create table if not exists ops.{name} ({declared})")
    try:
        with Store(home) as kept:
            found = [incident_row(incident) for incident in incidents(kept, everything=True)]
            sent = messages(kept)
    except (StoreError, StoreTooNew):
        return
    _fill(con, "incidents", INCIDENTS, [row | {"dagster_run_id": row["run_id"]} for row in found])
    _fill(con, "messages", MESSAGES, sent)


def _fill(con: "DuckDBPyConnection", name: str, columns: str, rows: list[dict[str, Any]]) -> None:
    con.execute(f"delete from ops.{name}")
    if rows:
        values = [[row[column.split()[0]] for row in rows] for column in columns.split(", ")]
        con.execute(f"insert into ops.{name} select {', '.join(['unnest(?)'] * len(values))}", values)
