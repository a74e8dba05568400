"""What sqlfluff sees of the dbt package `baton`: expressions are literals, other macros read their first argument.

sqlfluff's own Jinja templater knows no dbt packages, and its dbt templater compiles the whole project for every file.
The real SQL of the macros is tested where it runs.
"""

from collections.abc import Callable

_EXPRESSIONS = {
    "now": "timestamp '2026-01-01 06:00:00'",
    "as_of": "timestamp '2026-01-01 00:00:00'",
    "interval": "interval '1' day",
}


def __getattr__(macro: str) -> Callable[..., str]:
    """The macro `baton.<macro>`."""

    def select(*arguments: object, **_: object) -> str:
        return f"select * from {arguments[0]}" if arguments else "select 1 as one"

    return lambda *a, **k: _EXPRESSIONS[macro] if macro in _EXPRESSIONS else select(*a, **k)
