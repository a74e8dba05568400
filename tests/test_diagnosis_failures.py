"""What a run's log says has failed, as a diagnosis takes it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.diagnosis import errors, failures_of_run
from orchestration.outcome import CheckOutcome, FailedStep

MANIFEST: dict[str, Any] = {"nodes": {}}


@dg.asset(check_specs=[dg.AssetCheckSpec("is_whole", asset="sound"), dg.AssetCheckSpec("is_new", asset="sound")])
def sound() -> Iterator[Any]:
    yield dg.MaterializeResult("sound")
    yield dg.AssetCheckResult(asset_key="sound", check_name="is_whole", passed=False, metadata={"owner": "data"})
    yield dg.AssetCheckResult(asset_key="sound", check_name="is_new", passed=False, severity=dg.AssetCheckSeverity.WARN)


@dg.asset
def torn() -> None:
    raise OSError("No space left on device")


attempts: list[int] = []


@dg.asset(check_specs=[dg.AssetCheckSpec("is_whole", asset="tried")])
def tried() -> Iterator[Any]:
    attempts.append(1)
    yield dg.MaterializeResult("tried")
    yield dg.AssetCheckResult(asset_key="tried", check_name="is_whole", passed=len(attempts) > 1)
    if len(attempts) == 1:
        raise dg.RetryRequested(max_retries=1, seconds_to_wait=0)


def failed_in(*assets: dg.AssetsDefinition) -> list[CheckOutcome | FailedStep]:
    attempts.clear()
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(list(assets), instance=instance, raise_on_error=False)
        return failures_of_run(instance, done.run_id)


def test_failed_error_checks_and_failed_steps_count_and_warnings_do_not() -> None:
    found = errors(failed_in(sound, torn), MANIFEST, {})
    assert [(each.asset, each.name, each.is_step) for each in found] == [
        ("sound", "is_whole", False),
        ("torn", "torn", True),
    ]
    assert found[0].group == "data"
    assert "No space left on device" in found[1].message


def test_a_check_counts_as_it_was_evaluated_last() -> None:
    assert failed_in(tried) == []


def test_a_run_that_ended_without_a_failed_step_is_named_as_such() -> None:
    (found,) = errors([FailedStep("r", "", "", "the run was killed")], MANIFEST, {})
    assert (found.asset, found.name) == ("the run", "")
