"""`parity` and `train_serve_parity` against brute force: ugly values, late rows, versions that read other features."""

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import point_in_time_oracle as pit
import pytest
from how_many import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness

NOW = datetime(2025, 1, 12, 6)
DAYS = 4  # what is asked again: midnights of the 9th to the 12th
PRODUCTS = {"churn": {"entity": "account_id", "outcome": {"horizon": "3 days"}}}
LOG = {
    "prediction_id": "bigint", "account_id": "varchar", "as_of": "timestamp", "role": "varchar",
    "model_version": "integer",
}  # fmt: skip
VALUES = {"n": "bigint", "x": "double", "kind": "varchar", "is_new": "boolean", "seen_at": "timestamp"}
COMPARED = [{"name": name, "is_number": name in ("n", "x"), "as_text": False} for name in VALUES]
REFERENCE = {"product": "varchar", "version": "integer", "feature": "varchar"}
quick = settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Key = tuple[str, datetime]


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MacroHarness]:
    with MacroHarness(tmp_path_factory.mktemp("parity"), PRODUCTS, now=str(NOW)) as harness:
        yield harness


def parity(
    macros: MacroHarness, replay: str, reference: bool = False, compared: list[dict[str, Any]] = COMPARED
) -> dict[tuple[datetime, str], dict[str, Any]]:
    relations = ("predictions", "prediction_features", replay, "reference" if reference else None)
    sql = macros.render("default__parity", "churn", *relations, DAYS, compared)
    rows = macros.query(sql)
    found = {(row["window_end"], row["feature"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def same(a: Any, b: Any) -> bool:
    return (
        (a is None and b is None) or (a == b) or (isinstance(a, float) and isinstance(b, float) and a != a and b != b)
    )


def finite(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) <= 1e300
    )


def window_end(as_of: datetime) -> datetime:
    midnight = datetime(as_of.year, as_of.month, as_of.day)
    return midnight if midnight == as_of else midnight + timedelta(days=1)


def expected(
    log: list[tuple[Any, ...]], logged: dict[int, tuple[Any, ...]], replayed: dict[Key, tuple[Any, ...]],
    uses: dict[int, set[str]] | None, names: tuple[str, ...],
) -> dict[tuple[datetime, str], dict[str, Any]]:  # fmt: skip
    """What parity says, pair by pair."""
    floor = datetime(NOW.year, NOW.month, NOW.day) - timedelta(days=DAYS)
    scored = [row for row in set(log) if row[3] == "champion" and floor < row[2] <= NOW]
    days, keys = {row[2] for row in scored}, {(row[1], row[2]) for row in scored}
    added = [key for key in replayed if key[1] in days and key not in keys]
    pairs: dict[tuple[datetime, str], list[tuple[bool, Any, Any]]] = defaultdict(list)
    for i, name in enumerate(names):
        for id_, account, as_of, _, version in scored:
            if uses is None or name in uses.get(version, names):
                left, right = logged.get(id_), replayed.get((account, as_of))
                both = left is not None and right is not None
                pairs[window_end(as_of), name].append((both, left and left[i], right and right[i]))
        for key in added:
            if (window_end(key[1]), name) in pairs:
                pairs[window_end(key[1]), name].append((False, None, replayed[key][i]))
    return {key: numbers(rows) for key, rows in pairs.items()}


def numbers(rows: list[tuple[bool, Any, Any]]) -> dict[str, Any]:
    equal = sum(both and same(a, b) for both, a, b in rows)
    differences = [abs(float(a) - float(b)) for _, a, b in rows if finite(a) and finite(b)]
    return {
        "n": len(rows), "n_equal": equal, "exact_match_rate": equal / len(rows),
        "n_missing_logged": sum(a is None and b is not None for _, a, b in rows),
        "n_missing_replayed": sum(a is not None and b is None for _, a, b in rows),
        "largest_difference": max(differences, default=None), "status": "ok" if equal == len(rows) else "mismatch",
    }  # fmt: skip


def check(found: dict[Any, dict[str, Any]], oracle: dict[Any, dict[str, Any]]) -> None:
    assert found.keys() == oracle.keys()
    for key, row in oracle.items():
        assert {column: found[key][column] for column in row} == row, key


# Values as ugly as they come

numbers_ = st.sampled_from([0.0, -0.0, 1.5, 1.5000000000000002, 1e308, -1e308, math.nan, math.inf, -math.inf, None])
values = st.tuples(
    st.sampled_from([0, 1, -7, 2**53 + 1, 2**53, None]), numbers_, st.sampled_from(["", "a", "A", "'; --", "é", None]),
    st.sampled_from([True, False, None]), st.sampled_from([NOW, NOW + timedelta(microseconds=1), None]),
)  # fmt: skip
accounts = st.sampled_from(["a", "b", "c"])
instants = st.sampled_from(
    [NOW - timedelta(hours=h) for h in (0, 6, 18, 30, 54, 78, 90, 102, 150)] + [NOW + timedelta(hours=1)]
)
keys = st.tuples(accounts, instants)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Any, ...]:
    pairs = draw(st.lists(st.tuples(keys, values, st.booleans(), st.integers(1, 3)), max_size=10))
    log, logged, replayed = [], {}, {}
    for id_, (key, scored, role, version) in enumerate(pairs):
        log.append((id_, *key, "champion" if role or id_ % 3 else "shadow", version))
        if draw(st.integers(0, 9)):
            logged[id_] = scored
        if draw(st.integers(0, 9)):
            replayed[key] = scored if draw(st.booleans()) else draw(values)
    log += draw(st.lists(st.sampled_from(log), max_size=2)) if log else []  # repeats of another writer
    for key in draw(st.lists(keys, max_size=3)):
        replayed.setdefault(key, draw(values))
    uses = draw(st.none() | st.dictionaries(st.integers(1, 2), st.sets(st.sampled_from(list(VALUES)), min_size=1)))
    return log, logged, replayed, uses


@quick
@given(world=worlds())
@example(world=([], {}, {}, None))
@example(world=([(0, "a", NOW - timedelta(hours=6), "champion", 1)], {}, {}, None))
def test_every_number_is_brute_forces(macros: MacroHarness, world: tuple[Any, ...]) -> None:
    log, logged, replayed, uses = world
    macros.load("predictions", LOG, log)
    macros.load("prediction_features", {"prediction_id": "bigint", **VALUES}, [(k, *v) for k, v in logged.items()])
    macros.load(
        "replayed", {"account_id": "varchar", "as_of": "timestamp", **VALUES}, [(*k, *v) for k, v in replayed.items()]
    )
    macros.load("reference", REFERENCE, [("churn", v, name) for v, names in (uses or {}).items() for name in names])
    found = parity(macros, "select * from replayed where as_of in (select as_of from baton_days)", uses is not None)
    check(found, expected(log, logged, replayed, uses, tuple(VALUES)))
    for row in found.values():
        assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))


def test_a_feature_log_without_features_is_an_empty_table(macros: MacroHarness) -> None:
    macros.load("predictions", LOG, [(0, "a", NOW, "champion", 1)])
    macros.load("prediction_features", {"prediction_id": "bigint"}, [(0,)])
    macros.load("replayed", {"account_id": "varchar", "as_of": "timestamp"}, [("a", NOW)])
    assert parity(macros, "select * from replayed", compared=[]) == {}


def test_types_that_differ_are_compared_as_text_and_names_may_be_anything(macros: MacroHarness) -> None:
    odd = 'it"s; drop table x --'
    column = odd.replace('"', '""')
    macros.load("predictions", LOG, [(i, a, NOW, "champion", 1) for i, a in enumerate("ab")])
    macros.load("prediction_features", {"prediction_id": "bigint", f'"{column}"': "varchar"}, [(0, "1"), (1, "x")])
    macros.load(
        "replayed",
        {"account_id": "varchar", "as_of": "timestamp", f'"{column}"': "integer"},
        [("a", NOW, 1), ("b", NOW, 2)],
    )
    found = parity(macros, "select * from replayed", compared=[{"name": odd, "is_number": False, "as_text": True}])
    assert [(row["feature"], row["n"], row["n_equal"], row["largest_difference"]) for row in found.values()] == [
        (odd, 2, 1, None)
    ]


# Late rows, through the same joins that build a scoring set

WINDOWS = {"3 days": {"n_3d": "count(*)", "actions_3d": "sum(n_actions)"}}
FEATURES = {"n_3d": "bigint", "actions_3d": "hugeint"}
late = pit.logs(largest=4)


@quick
@given(known=pit.logs(), late=late)
def test_late_rows_make_exactly_their_mismatches(
    macros: MacroHarness, known: list[pit.Row], late: list[pit.Row]
) -> None:
    """Scored from what was there; asked again when rows came that may count as known before."""
    late = [row._replace(row_id=100 + row.row_id) for row in late]
    scored = [(a, NOW.replace(hour=0) - timedelta(days=d)) for a in "abc" for d in range(DAYS)]
    macros.load("predictions", LOG, [(i, *key, "champion", 1) for i, key in enumerate(scored)])
    macros.connection.execute(
        "create or replace table spine as select account_id, as_of, prediction_id from predictions"
    )
    build(macros, known)
    features = macros.render("window_as_of", "spine", "versions", "account_id", WINDOWS)
    columns = ", ".join(["prediction_id", *FEATURES])
    macros.connection.execute(f"create or replace table prediction_features as select {columns} from ({features})")
    replay = macros.render("window_as_of", "asked", "versions", "account_id", WINDOWS)
    people = (
        "select account_id, days.as_of from baton_days as days cross join (values ('a'), ('b'), ('c')) as p(account_id)"
    )
    compared = [{"name": name, "is_number": True, "as_text": False} for name in FEATURES]
    replay = f"with asked as ({people}) select * from ({replay})"

    clean = parity(macros, replay, compared=compared)
    assert len(clean) == DAYS * len(FEATURES)
    assert {(row["n"], row["n_equal"], row["status"]) for row in clean.values()} == {(3, 3, "ok")}

    build(macros, known + late)
    then, now = ({key: brute(log, *key) for key in scored} for log in (known, known + late))
    log = [(i, *key, "champion", 1) for i, key in enumerate(scored)]
    oracle = expected(log, {i: then[key] for i, key in enumerate(scored)}, now, None, tuple(FEATURES))
    check(parity(macros, replay, compared=compared), oracle)


def build(macros: MacroHarness, log: list[pit.Row]) -> None:
    macros.load("log", pit.LOG_COLUMNS, log)
    sql = macros.render("event_versions", "log", "account_id", "usage_id", ["plan", "n_actions"])
    macros.connection.execute(f"create or replace table versions as {sql}")


def brute(log: list[pit.Row], account: str, as_of: datetime) -> tuple[int, int | None]:
    seen = [r for r in pit.events(log, account, as_of) if r.event_at > as_of - timedelta(days=3)]
    actions = [r.n_actions for r in seen if r.n_actions is not None]
    return len(seen), sum(actions) if actions else None


# The check

PARITY = {
    "window_end": "timestamp", "feature": "varchar", "n": "bigint", "n_equal": "bigint", "n_missing_logged": "bigint",
    "n_missing_replayed": "bigint", "exact_match_rate": "double", "largest_difference": "double",
    "evaluated_at": "timestamp",
}  # fmt: skip


def test_the_check_says_number_threshold_window_feature_and_owner(macros: MacroHarness) -> None:
    end, before = datetime(2025, 1, 12), datetime(2025, 1, 6)
    macros.load("parity", PARITY, [
        (end, "n_tickets", 400, 397, 0, 0, 0.9925, 2.0, NOW),
        (end, "plan", 400, 398, 1, 1, 0.995, None, NOW),
        (end, "n_seats", 400, 400, 0, 0, 1.0, 0.0, NOW),
        (before, "n_seats", 10, 0, 0, 0, 0.0, 1.0, before),  # judged by an earlier run, not asked again
    ])  # fmt: skip
    rows = macros.query(macros.render("test_train_serve_parity", "parity", product="churn"))
    said = "churn was scored with other values of {} than the same query gives today: {} of 400 rows differ "
    said += "in the 1d window ending 2025-01-12 00:00:00, exact match {}, allowed is >= 1.0{}"
    assert [row["message"] for row in rows] == [
        said.format("n_tickets", 3, 0.9925, ", largest difference 2.0"),
        said.format("plan", 2, 0.995, ", 1 only there today, 1 only there when scored"),
    ]
    assert {row["at_least"] for row in rows} == {1.0}
    tolerant = macros.query(macros.render("test_train_serve_parity", "parity", product="churn", at_least=0.994))
    assert [row["feature"] for row in tolerant] == ["n_tickets"]
    week = macros.query(macros.render("test_train_serve_parity", "parity", product="churn", days=7))
    assert [row["feature"] for row in week] == ["n_tickets", "plan", "n_seats"]
