"""Which dbt resources one Dagster step builds: its assets, their tests and unit tests, nothing by dbt's inference."""

from collections.abc import Collection, Mapping, Set
from typing import Any

UNIQUE_ID = "dagster_dbt/unique_id"


def select_arguments(manifest: Mapping[str, Any], models: Set[str], tests: Collection[str]) -> list[str]:
    """dbt arguments that build `models` (unique ids), run `tests`, their unit tests, the singular tests they end."""
    chosen = [
        *sorted(models),
        *sorted(tests),
        *_unit_tests(manifest, models),
        *_unattached_tests(manifest, models, tests),
    ]
    return ["--select", *(_term(manifest, unique_id) for unique_id in chosen), "--indirect-selection", "empty"]


def _term(manifest: Mapping[str, Any], unique_id: str) -> str:
    if unique_id.startswith("unit_test."):
        props = manifest["unit_tests"][unique_id]
        return f"unit_test:{props['package_name']}.{props['name']}"
    return "fqn:" + ".".join(manifest["nodes"][unique_id]["fqn"])


def _unit_tests(manifest: Mapping[str, Any], models: Set[str]) -> list[str]:
    return sorted(
        unique_id
        for unique_id, props in manifest.get("unit_tests", {}).items()
        if models & set(props["depends_on"]["nodes"])
    )


def _unattached_tests(manifest: Mapping[str, Any], models: Set[str], tests: Collection[str]) -> list[str]:
    """Singular tests over several models are nobody's asset check; run them where their last model is built."""
    found = []
    for unique_id, props in manifest["nodes"].items():
        parents = {parent for parent in props["depends_on"].get("nodes", []) if parent in manifest["nodes"]}
        alone = props["resource_type"] == "test" and not props.get("attached_node") and len(parents) > 1
        if alone and unique_id not in tests and parents & models and parents - models <= _ancestors(manifest, models):
            found.append(unique_id)
    return sorted(found)


def _ancestors(manifest: Mapping[str, Any], models: Set[str]) -> set[str]:
    seen: set[str] = set()
    queue = list(models)
    while queue:
        for parent in manifest["parent_map"].get(queue.pop(), []):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
    return seen
