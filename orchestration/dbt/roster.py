"""The roster: dbt groups as accountable teams, and what the manifest says about an asset's owner and freshness."""

from dataclasses import dataclass
from datetime import timedelta

from ml.clock import parse_duration
from ml.manifest import Props, meta_of


@dataclass(frozen=True)
class Group:
    """An accountable team, from a dbt group. `page` is an Apprise URL or env:NAME; `backup` is another group's name."""

    name: str
    email: str | None
    page: str | None
    backup: str | None
    escalate_after: str | None
    file: str


@dataclass(frozen=True)
class Freshness:
    """How old an asset may be. `column` holds the newest known_at (a timestamp), None: only runs are watched."""

    fail_after: timedelta
    warn_after: timedelta | None
    column: str | None


def roster(manifest: Props) -> dict[str, Group]:
    """Groups by name."""
    return {group["name"]: _group(group) for group in manifest.get("groups", {}).values()}


def _group(props: Props) -> Group:
    meta, owner = meta_of(props), props.get("owner") or {}
    email = owner.get("email")
    return Group(
        name=props["name"],
        email=email[0] if isinstance(email, list) else email,
        page=meta.get("page"),
        backup=meta.get("backup"),
        escalate_after=meta.get("escalate_after"),
        file=props.get("original_file_path", ""),
    )


def descriptions(props: Props) -> dict[str, str]:
    """What the yml says of each column it declares."""
    return {name: str(column.get("description") or "") for name, column in (props.get("columns") or {}).items()}


def freshness_of(meta: Props, where: str) -> Freshness | None:
    """`meta.freshness: {fail_after, warn_after, column}` typed. Raises ValueError naming `where` and the bad field."""
    declared = meta.get("freshness")
    if not declared:
        return None
    unknown = set(declared) - {"fail_after", "warn_after", "column"}
    if unknown or "fail_after" not in declared:
        raise ValueError(
            f"{where}: meta.freshness has {sorted(declared)}; needed is fail_after, allowed are warn_after and column, "
            "for example {warn_after: 26 hours, fail_after: 30 hours, column: known_at}"
        )
    try:
        warn = declared.get("warn_after")
        return Freshness(
            parse_duration(declared["fail_after"]), parse_duration(warn) if warn else None, declared.get("column")
        )
    except ValueError as error:
        raise ValueError(f"{where}: meta.freshness: {error}") from error
