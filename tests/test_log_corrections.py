"""A log from elsewhere that is corrected, completed or cut: what is refreshed equals what is built anew."""

from datetime import timedelta
from typing import Any

import pytest
from how_many import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitoring_builds import VOLATILE, Built
from monitoring_world import DAY_0, LOG, TABLES
from test_monitoring_dbt import Project

CARRIED = {"plan": "varchar", "saved_usd": "double"}  # such a log has its slices and amounts itself
SUMS = TABLES[:-1]


@pytest.fixture(scope="module")
def macros(monitoring_macros):
    return monitoring_macros


class Elsewhere(Built):
    """A log that somebody else writes, and may write over. Its oldest row, of account z, stays as it is."""

    def __init__(self, macros: Any, product: str, tables: tuple[str, ...] = TABLES):
        super().__init__(macros, product, tables)
        self.write("z", 0)
        self.now = DAY_0 + timedelta(days=9)

    def write(self, account: str, day: float, **said: Any) -> dict[str, Any]:
        as_of = DAY_0 + timedelta(days=day)
        row = {
            "prediction_id": len(self.log) + 1, "entity": account, "as_of": as_of, "predicted_at": as_of,
            "known_at": as_of, "score": 0.75, "threshold": None, "predicted_label": None, "model_version": 1,
            "is_holdout": None, "role": "champion", "plan": "x", "saved_usd": 10.0,
        }  # fmt: skip
        self.log.append({**row, **said})
        return self.log[-1]

    def load(self) -> None:
        super().load()
        columns = {**LOG, **CARRIED}
        rows = [[r["entity" if name == "account_id" else name] for name in columns] for r in self.log]
        self.macros.load("predictions", columns, rows)

    def sql(self, macro: str, built: str | None, portable: bool = False, *more: Any, **named: Any) -> str:
        if macro != "decisions":
            return super().sql(macro, built, portable, *more, **named)
        batch = named.get("batch", 1)
        sql = self.macros.render(
            "default__decisions", self.product, "predictions", None, built, "$batch", portable=portable
        )
        return self.at_now(sql.replace("$batch", str(batch)))

    def reading(self, table: str, fresh: bool) -> tuple[Any, dict[str, Any]]:
        run, read = super().reading(table, fresh)
        if table == "outcomes" and not fresh:
            (found,) = self.macros.query(self.macros.render("outcomes_without_decision", "decisions", table))
            if found["n"]:
                run |= {"since": None, "has_gone": True}
        return run, read

    def in_batches(self, table: str, fresh: bool, portable: bool) -> None:
        """With the post-hook that deletes the rows that say of something that it is gone."""
        super().in_batches(table, fresh, portable)
        if table in ("decisions", "outcomes"):
            self.macros.connection.execute(self.macros.render("forget_gone", table, table))

    def refreshed(self, portable: bool = False) -> None:
        self.load()
        self.build(portable)
        self.rebuild()
        without = VOLATILE | ({"content", "entity_hash"} if portable else set())  # hashes of the engine
        for table in self.tables:
            assert self.rows(table, without) == self.rows(f"{table}_rebuilt", without), table


def later(row: dict[str, Any], days: float) -> Any:
    return row["as_of"] + timedelta(days=days)


CORRECTED = {
    "a threshold for everything": lambda log: [row.update(threshold=0.5) for row in log],
    "a label": lambda log: log[1].update(predicted_label=1),
    "a label that the threshold does not say": lambda log: log[1].update(threshold=0.5, predicted_label=0),
    "a label that is taken back": lambda log: log[3].update(predicted_label=None),
    "a threshold that changes no label": lambda log: log[3].update(threshold=0.1),
    "a slice": lambda log: log[1].update(plan="y"),
    "a slice that was not known": lambda log: log[1].update(plan=None),
    "an amount": lambda log: log[1].update(saved_usd=99.0),
    "a version": lambda log: log[1].update(model_version=None),
    "a holdout": lambda log: log[1].update(is_holdout=True),
    "a score": lambda log: log[1].update(score=0.3),
    "an as_of behind that of another": lambda log: log[1].update(as_of=later(log[1], 1.5)),
    "the entity": lambda log: log[1].update(entity="c"),
    "known too late to count": lambda log: log[1].update(known_at=later(log[1], 3)),
    "a forecast that had another behind it": lambda log: log.pop(1),
    "the only forecast of an entity": lambda log: log.pop(3),
    "two of three entities": lambda log: log.__delitem__(slice(1, None)),
    "written again by itself": lambda log: log.append({**log[1], "plan": "y"}),
    "written before by another": lambda log: log.append({**log[1], "entity": "c", "predicted_at": later(log[1], -1)}),
}


IN_SUMS = ("a threshold for everything", "a slice", "the entity", "the only forecast of an entity")
CASES = [
    *((product, SUMS[:2], name) for product in ("once", "first", "latest") for name in CORRECTED),
    *(("once", SUMS, name) for name in IN_SUMS),
]


@pytest.mark.parametrize(("product", "tables", "name"), CASES, ids=lambda said: str(said))
def test_a_correction_reaches_what_is_built_from_the_log(macros, product, tables, name):
    world = Elsewhere(macros, product, tables)
    for account, day in (("a", 1), ("a", 1.5), ("b", 2)):
        world.write(account, day, predicted_label=None if day == 1 else 0)
    world.happen("a", 2, 0.0, None)
    world.refreshed()
    CORRECTED[name](world.log)
    world.refreshed()


def test_dbt_refreshes_what_was_corrected_and_forgets_what_is_gone(tmp_path):
    """With the hooks of a dbt model; outcomes of decisions that are gone, too."""
    project = Project(tmp_path)
    project.dbt("deps")
    project.live(0, 9)
    models = ("decisions", "outcomes", "performance_hourly")
    project.build(9, "--select", *models)
    n = len(project.rows("decisions"))
    project.query("delete from predictions where account_id = 'a3' and as_of > timestamp '2025-03-01'")
    project.query("update predictions set threshold = 0.25 where account_id = 'a1'")
    project.build(10, "--select", *models)
    refreshed = {name: project.rows(name) for name in models}
    assert len(refreshed["decisions"]) == len(refreshed["outcomes"]) < n
    project.build(10, "--select", *models, "--full-refresh")
    for name in models:
        assert refreshed[name] == project.rows(name), name


@pytest.mark.parametrize("portable", [False, True])
def test_a_label_alone_changes_its_hour(macros, portable):
    """The outcome stays what it was; what was decided under it does not."""
    world = Elsewhere(macros, "once", SUMS)
    said = world.write("a", 1)
    world.happen("a", 2, 0.0, None)
    world.refreshed(portable)
    cell = "coalesce(sum(case when predicted_label = {} and seen_label = 1 then n end), 0)"
    count = (
        f"select {cell.format(1)} as tp, {cell.format(0)} as fn from performance_hourly "
        "where kind = 'sums' and slice_name = 'overall'"
    )
    assert macros.query(count) == [{"tp": 0, "fn": 0}]
    said["predicted_label"] = 1
    world.refreshed(portable)
    assert macros.query(count) == [{"tp": 1, "fn": 0}]
    world.build(portable)
    assert macros.value("(select count(*) from decisions where batch = 3)") == 0  # nothing is written twice


def test_what_is_older_than_the_log_stays_decided(macros):
    """A log that is kept for some days only is no reason to forget what was decided before."""
    world = Elsewhere(macros, "once", SUMS)
    world.write("a", 1)
    world.write("b", 2)
    world.refreshed()
    del world.log[:2]
    world.load()
    world.build()
    assert macros.value("(select count(*) from decisions)") == 3
    assert macros.value("(select count(*) from outcomes)") == 3


CHANGES = {
    "entity": "abc",
    "score": [0.1, 0.5, 0.9],
    "threshold": [None, 0.25, 0.5],
    "predicted_label": [None, 0, 1],
    "model_version": [None, 1, 2],
    "is_holdout": [None, True],
    "plan": [None, "x", "y"],
    "saved_usd": [None, 5.0],
    "role": ["champion", "shadow"],
}
which = st.integers(0, 20)
days = st.integers(2, 24).map(lambda third: third / 3)
moves = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("abc"), days),
    *(st.tuples(st.just("change"), which, st.just(name), st.sampled_from(of)) for name, of in CHANGES.items()),
    st.tuples(st.just("move"), which, days),
    st.tuples(st.just("drop"), which),
    st.tuples(st.just("again"), which, st.sampled_from("abc"), st.sampled_from([-1, 0, 1])),
    st.tuples(st.just("happen"), st.sampled_from("abc"), days),
    st.tuples(st.just("die"), st.integers(0, 2)),
)


@pytest.mark.parametrize(
    ("product", "tables"), [*((name, SUMS[:2]) for name in ("once", "first", "latest", "lapse")), ("first", SUMS)]
)
@settings(max_examples=examples(2), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(moves, min_size=1, max_size=6), min_size=2, max_size=5))
def test_any_corrections_equal_a_rebuild(macros, product, tables, rounds):
    world = Elsewhere(macros, product, tables)
    for taken in rounds:
        for move, *said in taken:
            correct(world, move, *said)
        world.load()
        world.build()
        if world.until == len(tables):
            world.refreshed()
        world.until = len(tables)
    world.refreshed()


def correct(world: Elsewhere, move: str, *said: Any) -> None:
    others = world.log[1:]
    if move == "write":
        world.write(said[0], said[1])
        world.log[-1]["prediction_id"] = 1 + max(row["prediction_id"] for row in world.log[:-1])
    elif move == "happen":
        world.happen(said[0], said[1], 0.0, None)
    elif move == "die":
        world.until = said[0]
    elif others:
        row = others[said[0] % len(others)]
        if move == "change":
            row[said[1]] = said[2]
        elif move == "move":
            row.update(as_of=DAY_0 + timedelta(days=said[1]), known_at=None)
        elif move == "again":
            written = row["predicted_at"] + timedelta(hours=said[2])
            world.log.append({**row, "entity": said[1], "predicted_at": written})
        else:
            world.log.remove(row)
