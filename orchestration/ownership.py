"""The gate: the graph does not load while nobody answers for an asset. Every offender is named, with its way out."""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from orchestration.dbt.roster import Group
from orchestration.dbt.translator import FILE, GROUP


class OwnershipError(RuntimeError):
    """Assets without an accountable group, a backup, a freshness policy or a description."""


def offences(spec: dg.AssetSpec, groups: Mapping[str, Group]) -> Iterator[str]:
    """What one asset lacks, each with what to add; nothing for an asset in order."""
    name = spec.metadata.get(GROUP)
    if not name:
        yield f"has no group; add `config: {{group: ...}}`, one of {_names(groups)}"
    elif name not in groups:
        yield f"names the unknown group {name!r}; allowed are {_names(groups)}, or add it to the project's groups"
    else:
        yield from _group_offences(groups[name], groups)
    if spec.freshness_policy is None:
        yield (
            "has no freshness; add "
            "`config: {meta: {freshness: {warn_after: 26 hours, fail_after: 30 hours, column: known_at}}}`"
        )
    if not (spec.description or "").strip():
        yield "has no description; add `description:` in its yml, ending with the grain: 'One row per ...'"


def _group_offences(group: Group, groups: Mapping[str, Group]) -> Iterator[str]:
    where = f"group {group.name} ({group.file})"
    if not group.backup:
        yield f"{where} has no backup; add `config: {{meta: {{backup: ...}}}}`, one of {_names(groups)}"
    elif group.backup not in groups or group.backup == group.name:
        yield f"{where} has backup {group.backup!r}; allowed is another group of {_names(groups)}"


def _names(groups: Mapping[str, Group]) -> str:
    return ", ".join(sorted(groups)) or "no group is defined"


def enforce(specs: Iterable[dg.AssetSpec], groups: Mapping[str, Group]) -> None:
    """Raise OwnershipError listing every offender with its file and what to add."""
    found = [
        f"  {spec.key.to_user_string()} ({spec.metadata.get(FILE) or 'no file'}): {offence}"
        for spec in sorted(specs, key=lambda spec: spec.key)
        for offence in offences(spec, groups)
    ]
    if found:
        raise OwnershipError(
            f"{len(found)} promises are missing; definitions do not load until each asset has one.\n" + "\n".join(found)
        )
