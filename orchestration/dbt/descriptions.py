"""What a check promises, as a sentence for the page; a silent dbt test speaks by its name and arguments."""

from collections.abc import Mapping
from typing import Any

_NOT_SAID = {"model", "column_name", "name", "config", "description"}


def spoken(name: str) -> str:
    """`beats_base_rate` as a sentence people read: 'Beats base rate.'"""
    return f"{name.replace('_', ' ').capitalize()}."


def describe_test(props: Mapping[str, Any]) -> str:
    """The test's own description, else its name as a sentence, what it runs on which column, and whether it blocks."""
    if said := str(props.get("description") or "").strip():
        return said
    called = props.get("test_metadata") or {}
    arguments = dict(called.get("kwargs") or {})
    column = props.get("column_name") or arguments.get("column_name")
    parts = [spoken(str(props["name"]))]
    if called:
        test = ".".join(filter(None, (called.get("namespace"), called["name"])))
        given = ", ".join(f"{name}: {_plain(value)}" for name, value in arguments.items() if name not in _NOT_SAID)
        parts.append(f"Test {test}{f' on column {column}' if column else ''}{f' with {given}' if given else ''}.")
    else:
        parts.append(f"The query in {props.get('original_file_path', 'the project')} returns no row.")
    if str((props.get("config") or {}).get("severity") or "").lower() == "warn":
        parts.append("Warns only.")
    return " ".join(parts)


def _plain(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
