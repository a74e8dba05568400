"""Ownership is data, and it is enforced: each promise of each asset of the live graph is a test of its own."""

from collections.abc import Callable, Iterator

import dagster as dg
import pytest
import small_project
from company import Small, live_graph

from orchestration.dbt.descriptions import describe_test
from orchestration.dbt.translator import BACKUP, FILE, GROUP
from orchestration.definitions import build, load_graph
from orchestration.ownership import OwnershipError

GRAPH = live_graph()
GROUPS = GRAPH.translator.groups
RESOLVED = build(GRAPH).resolve_asset_graph()


def has_exactly_one_group_of_the_roster(spec: dg.AssetSpec) -> None:
    assert spec.metadata.get(GROUP) in GROUPS
    assert [owner for owner in spec.owners if owner.startswith("team:")] == [f"team:{spec.metadata[GROUP]}"]


def has_a_backup_that_is_another_group(spec: dg.AssetSpec) -> None:
    assert spec.metadata[BACKUP] in GROUPS
    assert spec.metadata[BACKUP] != spec.metadata[GROUP]


def has_an_address(spec: dg.AssetSpec) -> None:
    assert [owner for owner in spec.owners if "@" in owner] == [GROUPS[spec.metadata[GROUP]].email]


def promises_freshness(spec: dg.AssetSpec) -> None:
    policy = spec.freshness_policy
    assert policy is not None
    if policy.warn_window is not None:
        assert policy.warn_window.to_timedelta() < policy.fail_window.to_timedelta()


def has_a_description_that_ends_with_its_grain(spec: dg.AssetSpec) -> None:
    last = (spec.description or "").strip().rstrip(".").rsplit(". ", 1)[-1]
    assert last.startswith("One "), f"the last sentence is {last!r}; it should say 'One row per ...'"


def names_its_file(spec: dg.AssetSpec) -> None:
    assert spec.metadata.get(FILE)


def stands_in_a_layer_or_product(spec: dg.AssetSpec) -> None:
    assert spec.group_name == spec.key.path[0]


def has_kinds(spec: dg.AssetSpec) -> None:
    assert spec.kinds


PROMISES: list[Callable[[dg.AssetSpec], None]] = [
    has_exactly_one_group_of_the_roster,
    has_a_backup_that_is_another_group,
    has_an_address,
    promises_freshness,
    has_a_description_that_ends_with_its_grain,
    names_its_file,
    stands_in_a_layer_or_product,
    has_kinds,
]


def promised() -> Iterator[object]:
    for key, spec in sorted(GRAPH.specs.items()):
        for promise in PROMISES:
            yield pytest.param(promise, spec, id=f"{key.to_user_string()}-{promise.__name__}")


@pytest.mark.parametrize(("promise", "spec"), list(promised()))
def test_asset(promise: Callable[[dg.AssetSpec], None], spec: dg.AssetSpec) -> None:
    promise(spec)


@pytest.mark.parametrize(
    "key", [pytest.param(key, id=key.to_user_string()) for key in sorted(GRAPH.specs) if key.path[0] != "ops"]
)
def test_asset_links_to_its_code(key: dg.AssetKey) -> None:
    """As Dagster resolves it: dbt's assets bring their file, Python's get theirs when the definitions are built."""
    assert "dagster/code_references" in RESOLVED.get(key).metadata


def test_every_check_has_an_owner_of_the_roster() -> None:
    checks = [spec for asset in GRAPH.assets if isinstance(asset, dg.AssetsDefinition) for spec in asset.check_specs]
    assert checks
    assert {(spec.metadata or {}).get(GROUP) for spec in checks} <= set(GROUPS)


def test_every_check_says_what_it_promises() -> None:
    checks = [spec for asset in GRAPH.assets if isinstance(asset, dg.AssetsDefinition) for spec in asset.check_specs]
    checks += [spec for check in GRAPH.checks for spec in check.check_specs]
    silent = [
        f"{spec.asset_key.to_user_string()} {spec.name}" for spec in checks if not (spec.description or "").strip()
    ]
    assert not silent


def test_a_test_of_dbt_speaks_by_its_name_and_arguments() -> None:
    column = {"name": "score_is_a_share", "column_name": "score", "config": {"severity": "warn"}}
    kwargs = {"at_least": 0, "at_most": 1, "model": "{{ get_where_subquery(ref('x')) }}", "column_name": "score"}
    called = {"test_metadata": {"namespace": "baton", "name": "within_range", "kwargs": kwargs}}
    said = "Score is a share. Test baton.within_range on column score with at_least: 0, at_most: 1. Warns only."
    assert describe_test({**column, **called}) == said
    assert describe_test({**column, **called, "description": "As people say it."}) == "As people say it."
    alone = {"name": "sums_agree", "original_file_path": "tests/sums_agree.sql"}
    assert describe_test(alone) == "Sums agree. The query in tests/sums_agree.sql returns no row."


def test_steps_have_the_groups_of_the_design() -> None:
    wanted = {
        ("raw", "accounts"): "data_engineering",
        ("landing", "raw"): "data_engineering",
        ("staging", "accounts"): "analytics_engineering",
        ("churn", "training_set"): "analytics_engineering",
        ("churn", "scoring_set"): "analytics_engineering",
        ("churn", "decisions"): "analytics_engineering",
        ("churn", "outcomes"): "analytics_engineering",
        ("churn", "action_list"): "analytics_engineering",
        ("churn", "model"): "ml_engineering",
        ("churn", "predictions"): "ml_engineering",
        ("churn", "performance"): "ml_engineering",
    }
    found = {key: GRAPH.specs[dg.AssetKey(list(key))].metadata[GROUP] for key in wanted}
    assert found == wanted


def refused(small: Small) -> str:
    with pytest.raises(OwnershipError) as error:
        load_graph(small.home)
    return str(error.value)


def test_a_sound_project_passes_the_gate(small: Small) -> None:
    assert load_graph(small.home).specs


def test_an_unknown_group_is_refused_by_name(small: Small) -> None:
    small_project.edit(small.project, "models/sources.yml", "group: data_engineering", "group: nobody_knows")
    message = refused(small)
    assert "raw/orders" in message
    assert "models/sources.yml" in message
    assert "nobody_knows" in message
    assert "analytics_engineering, data_engineering" in message


def test_every_offender_is_listed_with_what_to_add(small: Small) -> None:
    small_project.edit(small.project, "dbt_project.yml", "    +group: analytics_engineering\n", "")
    small_project.edit(
        small.project,
        "dbt_project.yml",
        "      +schema: shop\n      +meta: {freshness: {warn_after: 26 hours, fail_after: 30 hours}}",
        "      +schema: shop",
    )
    small_project.edit(small.project, "models/models.yml", '    description: "The best day. One row."\n', "")
    message = refused(small)
    for name in ("staging/orders", "shop/daily", "shop/best"):
        assert f"{name} (models/" in message
    assert message.count("has no group; add") == 3
    assert message.count("has no freshness; add") == 2
    assert message.count("has no description; add") == 1


def test_a_group_without_backup_is_refused(small: Small) -> None:
    small_project.edit(small.project, "models/groups.yml", ", backup: analytics_engineering", "")
    message = refused(small)
    assert "group data_engineering (models/groups.yml) has no backup" in message


def test_a_group_that_backs_itself_up_is_refused(small: Small) -> None:
    small_project.edit(small.project, "models/groups.yml", "backup: analytics_engineering", "backup: data_engineering")
    assert "allowed is another group" in refused(small)


def test_a_misspelt_freshness_says_what_is_allowed(small: Small) -> None:
    small_project.edit(
        small.project, "dbt_project.yml", "fail_after: 30 hours, column", "fails_after: 30 hours, column"
    )
    with pytest.raises(ValueError, match="needed is fail_after") as error:
        load_graph(small.home)
    assert "models/" in str(error.value)
