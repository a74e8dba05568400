"""`baton sql`: questions to the published copy of the warehouse; never in the way of a run, never able to change it."""

import csv
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from orchestration.cli.errors import FAILED, CommandFailed
from orchestration.cli.output import emit_json, print_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES = """
    select schema_name as "schema", table_name as "table", estimated_size as rows, column_count as columns
    from duckdb_tables() union all
    select schema_name, view_name, null, column_count from duckdb_views() where not internal
    order by 1, 2
"""
HELP = ".tables lists what there is, .quit leaves; a statement ends with a semicolon."


@click.command("sql", short_help="Ask the published copy; a shell without a query.")
@click.argument("query", required=False)
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values with a header.")
@click.option("--json", "form", flag_value="json", help="A JSON list with one object per row.")
@click.option("--limit", default=100, show_default=True, help="Rows a table shows; --csv and --json give all.")
def command(query: str | None, form: str | None, limit: int) -> None:
    """Ask the published copy of the warehouse; a shell without QUERY.

    The copy is read-only and is swapped in at the end of each run. QUERY is DuckDB SQL; it may also come from
    standard input.

    \b
    Examples:
      baton sql "select * from churn.performance order by window_end desc limit 5"
      baton sql --csv "from churn.action_list" > action_list.csv
    """
    import ml

    with ml.connect() as con:
        if query is None and sys.stdin.isatty():
            _shell(con, limit)
        else:
            _answer(con, query if query is not None else sys.stdin.read(), form, limit)


def _answer(con: "DuckDBPyConnection", query: str, form: str | None, limit: int) -> None:
    import duckdb

    try:
        con.execute(TABLES if query.strip().rstrip(";") == ".tables" else query)
    except duckdb.InvalidInputException as error:
        if "read-only" not in str(error):
            raise CommandFailed(f"{error}", FAILED) from error
        raise CommandFailed(
            "the published copy is read-only: allowed is what reads (select, from, describe, summarize). "
            "Tables are made by dbt models: dbt_project/models, then baton run",
            FAILED,
        ) from error
    except duckdb.Error as error:
        raise CommandFailed(f"{error}\nSee what there is: baton sql .tables", FAILED) from error
    _show(con, form, limit)


def _show(con: "DuckDBPyConnection", form: str | None, limit: int) -> None:
    columns = [entry[0] for entry in con.description or []]
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(_rows(con))
    elif form == "json":
        emit_json([dict(zip(columns, row, strict=True)) for row in _rows(con)])
    else:
        rows = con.fetchmany(limit + 1)
        print_table(columns, rows[:limit])
        cut = len(rows) > limit
        click.echo(f"(first {limit} rows; all of them: --csv, --json or --limit)" if cut else f"({len(rows)} rows)")


def _rows(con: "DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    while chunk := con.fetchmany(10_000):
        yield from chunk


def _shell(con: "DuckDBPyConnection", limit: int) -> None:
    import readline  # noqa: F401 - importing it gives `input` history and editing

    click.echo(f"Published copy, read-only. {HELP}")
    pending = ""
    while True:
        try:
            line = input("baton> " if not pending else "  ...> ")
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
            pending = ""
            continue
        if line.strip() in (".quit", ".exit"):
            return
        pending = f"{pending}\n{line}".strip()
        if pending.endswith(";") or pending.startswith("."):
            _try_answer(con, pending, limit)
            pending = ""


def _try_answer(con: "DuckDBPyConnection", query: str, limit: int) -> None:
    try:
        if query.startswith(".") and query != ".tables":
            click.echo(HELP)
        else:
            _answer(con, query, None, limit)
    except CommandFailed as error:
        click.echo(f"Error: {error.message}", err=True)
