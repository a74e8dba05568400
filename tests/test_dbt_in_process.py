"""dbt inside Dagster: whatever goes wrong in dbt ends in a failed run that names it, with the warehouse free."""

import contextlib
import threading
import time

import duckdb
import pytest
import small_project
from company import NOW, Small, is_free

from orchestration import launch
from orchestration.dbt.failures import BuildFailed
from orchestration.dbt.manifest import ManifestError, ensure_manifest
from orchestration.dbt.runner import Build
from orchestration.outcome import JobOutcome

MODELS = "models/models.yml"
DAILY = "models/shop/shop_daily.sql"


def daily(small: Small) -> JobOutcome:
    return launch.run_job(small.home, "daily", now=NOW)


def broken(small: Small) -> str:
    """The message of a daily run that must fail, publish nothing and leave the file free."""
    outcome = daily(small)
    assert not outcome.success
    assert not small.home.published_warehouse.exists(), "Python below the failure ran"
    assert is_free(small.home.warehouse)
    return "\n".join(step.message for step in outcome.failed_steps)


def test_a_sound_project_builds_and_publishes(small: Small) -> None:
    outcome = daily(small)
    assert outcome.success, outcome
    whole = outcome.rows["published/warehouse"]
    assert outcome.rows == {"staging/orders": 1, "shop/daily": 1, "shop/best": 1, "published/warehouse": whole}
    assert whole > 4, "the three, the order, and the record of the run"
    assert is_free(small.home.warehouse)
    with duckdb.connect(str(small.home.published_warehouse), read_only=True) as con:
        assert con.execute("select takings from shop.best").fetchall() == [(2.5,)]
        # Runs of other tests on this home are recorded too.
        own = con.execute("select job, status from ops.runs where run_id = ?", [outcome.run_id]).fetchall()
        assert own == [("daily", "SUCCESS")]


def test_a_model_error_fails_the_run_and_names_the_model(small: Small) -> None:
    small_project.edit(small.project, DAILY, "sum(amount)", "sum(no_such_column)")
    message = broken(small)
    assert "shop_daily" in message
    assert "no_such_column" in message
    assert "shop_best" in message, "what was not built because of it"


def test_a_broken_contract_fails_the_run_and_names_the_model(small: Small) -> None:
    small_project.edit(small.project, DAILY, "as double", "as varchar")
    message = broken(small)
    assert "shop_daily" in message
    assert "contract" in message


def test_a_failed_unit_test_fails_the_run_and_names_the_test(small: Small) -> None:
    small_project.edit(small.project, MODELS, "2.0 as takings", "3.0 as takings")
    message = broken(small)
    assert "takings_add_up" in message


def test_a_failed_data_test_says_number_threshold_window_and_owner(small: Small) -> None:
    small.orders((1, -4.0, "2026-11-20 10:00"))
    outcome = daily(small)
    assert not outcome.success
    assert not small.home.published_warehouse.exists()
    check = next(check for check in outcome.checks if check.check == "amount_is_not_negative")
    assert not check.passed
    assert check.severity == "error"
    assert check.owner == "analytics_engineering"
    assert "amount -4.0 below 0 in the last day" in check.message
    assert "amount_is_not_negative" in outcome.failed_steps[0].message
    assert "amount -4.0 below 0" in outcome.failed_steps[0].message
    assert outcome.failed_steps[0].asset == "staging_orders"  # not the test's id, which ends in a hash


def test_a_warning_neither_fails_nor_blocks(small: Small) -> None:
    small_project.edit(small.project, MODELS, "arguments: {}", "arguments: {}, config: {severity: warn}")
    small.orders((1, -4.0, "2026-11-20 10:00"))
    outcome = daily(small)
    assert outcome.success
    check = next(check for check in outcome.checks if check.check == "amount_is_not_negative")
    assert (check.passed, check.severity) == (False, "warn")


def test_a_test_whose_sql_fails_names_test_model_file_and_what_dbt_said(small: Small) -> None:
    small_project.edit(small.project, "macros/names.sql", "{{ column_name }} < 0", "no_such_column < 0")
    outcome = daily(small)
    assert not outcome.success
    message = outcome.failed_steps[0].message
    for said in ("amount_is_not_negative", "staging_orders", MODELS, "no_such_column"):
        assert said in message
    check = next(check for check in outcome.checks if check.check == "amount_is_not_negative")
    assert not check.passed
    assert "no_such_column" in check.message
    assert is_free(small.home.warehouse)


def test_failing_rows_that_cannot_be_read_hide_no_failure(small: Small) -> None:
    """Counting does not compute the message; reading the rows does."""
    small_project.edit(small.project, "macros/names.sql", "'amount ' || amount", "cast('x' || amount as integer)")
    small.orders((1, -4.0, "2026-11-20 10:00"))
    outcome = daily(small)
    assert not outcome.success
    assert "amount_is_not_negative" in outcome.failed_steps[0].message
    check = next(check for check in outcome.checks if check.check == "amount_is_not_negative")
    assert "could not be read" in check.message


def test_too_little_data_is_no_failure_of_the_check(small: Small) -> None:
    small_project.edit(small.project, "macros/names.sql", "as message", "as message, 'insufficient_data' as status")
    small_project.edit(small.project, MODELS, "arguments: {}", "arguments: {}, config: {severity: warn}")
    small.orders((1, -4.0, "2026-11-20 10:00"))
    outcome = daily(small)
    assert outcome.success
    check = next(check for check in outcome.checks if check.check == "amount_is_not_negative")
    assert (check.passed, check.severity, check.status) == (False, "warn", "insufficient_data")


def test_no_value_of_a_personal_column_is_shown(small: Small) -> None:
    """Flagged in one place of the project, tested in another, returned under another name."""
    small_project.edit(
        small.project, "models/sources.yml", "One row per order.\"",
        'One row per order."\n        columns: [{name: amount, config: {meta: {pii: true}}}]',
    )  # fmt: skip
    small_project.edit(small.project, "macros/names.sql", "select amount,", "select amount as value, 7 as n_rows,")
    small.orders((1, -4123.5, "2026-11-20 10:00"))
    outcome = daily(small)
    assert not outcome.success
    check = next(check for check in outcome.checks if check.check == "amount_is_not_negative")
    assert "amount (personal) below 0 in the last day" in check.message
    assert "4123" not in f"{outcome}"
    assert small.query("select count(*) from raw.orders where amount = -4123.5") == [(1,)]


def test_stale_data_fails_the_run_even_though_everything_ran(small: Small) -> None:
    small.orders((1, 2.5, "2026-11-18 10:00"))
    outcome = daily(small)
    assert not outcome.success
    check = next(check for check in outcome.checks if check.check == "data_is_fresh")
    assert "68 h old; allowed is 30 h" in check.message
    assert check.owner == "analytics_engineering"


def test_a_stale_table_of_another_loader_is_its_owners_and_stops_what_reads_it(small: Small) -> None:
    """Nobody here materializes raw.orders; its check is part of the run all the same, and staging is not blamed."""
    promise = "fail_after: 30 hours"
    small_project.edit(small.project, "models/sources.yml", promise, f"{promise}, column: known_at")
    small.orders((1, 2.5, "2026-11-18 10:00"))
    outcome = daily(small)
    assert not outcome.success
    found = [check for check in outcome.checks if check.check == "data_is_fresh" and not check.passed]
    assert [(check.asset, check.owner) for check in found] == [("raw/orders", "data_engineering")]
    assert "staging/orders" not in outcome.rows


def test_no_data_is_too_little_to_judge_and_blocks_nothing(small: Small) -> None:
    small.orders((1, 2.5, "2027-01-01 00:00"))
    small.query("delete from raw.orders")
    outcome = daily(small)
    assert outcome.success
    check = next(check for check in outcome.checks if check.check == "data_is_fresh")
    assert (check.passed, check.severity, check.status) == (False, "warn", "insufficient_data")


def test_a_cancel_in_mid_query_ends_the_query_and_frees_the_file(small: Small) -> None:
    slow = "select count(*)::double as takings from range(1000000) a, range(1000000) b where a.range + b.range < 0"
    (small.project / "models/shop/shop_best.sql").write_text(f"{slow} -- {{{{ ref('shop_daily') }}}}")
    build = Build(ensure_manifest(small.home), [], {"now": "2026-11-21 06:00:00"})
    events = build.events(small.home)
    names = []
    with contextlib.closing(events):
        for event, _con in events:
            names.append(event["data"]["node_info"]["node_name"])
            if "shop_daily" in names:
                break
        time.sleep(0.5)  # the slow query is running now
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert not [thread for thread in threading.enumerate() if thread.name == "dbt"]
    assert is_free(small.home.warehouse)


def test_two_builds_in_one_process_wait_for_each_other(small: Small) -> None:
    file = ensure_manifest(small.home)
    failed: list[BaseException] = []

    def build() -> None:
        try:
            list(Build(file, [], {"now": "2026-11-21 06:00:00"}).events(small.home))
        except BuildFailed as error:
            failed.append(error)

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failed
    assert is_free(small.home.warehouse)


def test_the_clock_of_the_run_reaches_the_sql(small: Small) -> None:
    (small.project / "models/shop/shop_best.sql").write_text(
        "select max(takings) as takings, timestamp '{{ var(\"now\") }}' as now from {{ ref('shop_daily') }}"
    )
    assert daily(small).success
    assert small.query("select now from shop.best") == [(NOW,)]


def test_the_manifest_is_parsed_again_only_when_something_changed(small: Small) -> None:
    first = ensure_manifest(small.home)
    again = ensure_manifest(small.home)
    assert again.fresh
    assert again.key == first.key
    small_project.edit(small.project, MODELS, "The best day.", "The very best day.")
    changed = ensure_manifest(small.home)
    assert not changed.fresh
    assert changed.load()["nodes"]["model.small.shop_best"]["description"].startswith("The very best day.")


def test_a_build_does_not_rewrite_the_manifest(small: Small) -> None:
    """A run killed while dbt rewrites it would leave half a manifest with a key that says it is whole."""
    manifest = ensure_manifest(small.home).path
    before = manifest.stat()
    assert daily(small).success
    after = manifest.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)


def test_a_project_that_does_not_parse_says_why(small: Small) -> None:
    small_project.edit(small.project, DAILY, "ref('staging_orders')", "ref('no_such_model')")
    with pytest.raises(ManifestError, match="no_such_model"):
        ensure_manifest(small.home)
    small_project.edit(small.project, DAILY, "ref('no_such_model')", "ref('staging_orders')")
    assert ensure_manifest(small.home).load()["nodes"]


def test_a_project_folder_without_a_project_says_so(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_DBT_PROJECT", str(small.home.root))
    with pytest.raises(ManifestError, match="BATON_DBT_PROJECT"):
        ensure_manifest(small.home)
