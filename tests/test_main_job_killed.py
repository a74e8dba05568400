"""Runs that die by SIGKILL inside a step and are started again: the tables of a run that nobody disturbed."""

from datetime import timedelta

import demo_runs
import pytest
from demo_runs import NOW, Moment, ask, registered, run, run_that_dies
from warehouse_diff import OF_THE_DISK, VOLATILE, differences

from ml.home import Home

TOMORROW = NOW + timedelta(days=1)
UNLIKE = VOLATILE | OF_THE_DISK
# What schema ops holds besides the record of the runs themselves. The commit is that of the checkout, which may change
# between two runs: a file saved meanwhile makes it dirty.
VERSIONS = (
    """
    select * exclude (mlflow_run_id) replace (json_merge_patch(metrics, '{"notes": {"git_commit": null}}') as metrics)
    from ops.model_versions order by version
    """,
    "select * exclude (detail) from ops.model_reference order by all",
)

FIRST_RUN = (
    Moment("while a model is being stored", "step churn_model", "mlartifacts/churn/models"),
    Moment("while days are being scored", "step churn_predictions", "committed"),
)
DAILY_RUN = (
    Moment("in the second half of dbt", "asset churn/decisions"),
    Moment("while the published copy is being made", "step published", "published/.warehouse"),
)


@pytest.mark.long
def test_a_first_run_killed_twice_ends_as_if_it_had_not_been(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home(tmp_path_factory.mktemp("killed") / "home").ensure()
    for moment in FIRST_RUN:
        run_that_dies(home, NOW, moment)
    outcome = run(home, NOW)
    assert outcome.success, outcome.failed_steps
    undisturbed = demo_runs.first_run(tmp_path_factory).home
    assert not differences(undisturbed.warehouse, home.warehouse, volatile=UNLIKE)
    assert not differences(undisturbed.published_warehouse, home.published_warehouse, volatile=UNLIKE)
    for question in VERSIONS:
        assert ask(home, question) == ask(undisturbed, question)
    versions = [row[:2] for row in registered(home) if len(row) == 3]
    assert versions == [("churn", 1), ("churn", 2)]  # what died half-stored became no version


def test_a_morning_killed_twice_ends_as_if_it_had_not_been(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = demo_runs.first_run(tmp_path_factory).copy(tmp_path_factory.mktemp("killed"))
    yesterday = home.published_warehouse.read_bytes()
    for moment in DAILY_RUN:
        run_that_dies(home, TOMORROW, moment)
        assert home.published_warehouse.read_bytes() == yesterday  # readers see the last whole run
    outcome = run(home, TOMORROW)
    assert outcome.success, outcome.failed_steps
    undisturbed = demo_runs.day_after(tmp_path_factory)
    assert not differences(undisturbed.warehouse, home.warehouse, volatile=UNLIKE)
    assert not differences(undisturbed.published_warehouse, home.published_warehouse, volatile=UNLIKE)
    assert list(home.published.glob(".*")) == []
