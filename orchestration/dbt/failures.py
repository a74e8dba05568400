"""A failed dbt build always fails its step.

Nothing else would: dbt's outputs are skippable in Dagster, and a failed unit test is no event at all.
"""

from dataclasses import dataclass
from typing import Any

TESTS = {"test", "unit_test"}
FAILED = {"error", "fail", "runtime error"}


@dataclass(frozen=True)
class NodeFailure:
    """One node that dbt could not build, or whose test failed."""

    unique_id: str
    name: str
    kind: str  # model, test, unit test, seed, snapshot
    file: str
    status: str
    message: str
    model: str = ""  # unique id of what a test stands on; a message that names the test alone sends people searching

    def __str__(self) -> str:
        on = f" on {self.model.split('.')[-1]}" if self.model else ""
        return f"{self.kind} {self.name}{on} ({self.file}): {self.status}: {self.message}"


class BuildFailed(RuntimeError):
    """dbt failed; `nodes` are what broke, `skipped` what was not built because of it."""

    def __init__(self, nodes: list[NodeFailure], skipped: list[str], cause: str = "") -> None:
        self.nodes, self.skipped = nodes, skipped
        lines = [str(node) for node in nodes] or [cause or "dbt failed without naming a node"]
        if skipped:
            lines.append(f"not built because of this: {', '.join(skipped)}")
        super().__init__("\n".join(lines))

    @property
    def is_lock(self) -> bool:
        """Whether another process's lock on the warehouse was the cause."""
        return "Could not set lock" in str(self)


def raise_on_failure(result: Any) -> None:
    """Raise BuildFailed if dbt's result holds an exception, a failed node, or nodes skipped for a failure."""
    outcomes = list(getattr(result.result, "results", None) or []) if result is not None else []
    failed = [_failure(outcome) for outcome in outcomes if str(outcome.status) in FAILED]
    left_out = [outcome.node for outcome in outcomes if str(outcome.status) == "skipped"]
    skipped = [str(node.name) for node in left_out if str(node.resource_type) not in TESTS]
    if len(left_out) > len(skipped):
        skipped.append(f"{len(left_out) - len(skipped)} tests")
    broken = result is None or result.exception is not None
    if failed or broken or not result.success:
        cause = "dbt ended without a result" if result is None else f"{result.exception or ''}"
        raise BuildFailed(failed, skipped, cause)


def _failure(outcome: Any) -> NodeFailure:
    node = outcome.node
    kind = str(node.resource_type).replace("_", " ")
    message = str(outcome.message or "").strip()
    if outcome.failures and kind == "test":
        message = f"{outcome.failures} failing rows. {message}"
    model = str(getattr(node, "attached_node", None) or "")
    return NodeFailure(node.unique_id, node.name, kind, node.original_file_path, str(outcome.status), message, model)
