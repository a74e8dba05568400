"""After any sequence of predictions, repeats, backfills, late or retracted outcomes: incremental = rebuild = oracle."""

import math
from datetime import datetime, timedelta
from typing import Any

import monitoring_oracle as oracle
import pytest
from how_many import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macro_harness import MacroHarness

DAY_0 = datetime(2025, 3, 1)
PLACEHOLDER = "2001-01-01 00:00:00"  # rendered once; the real now is put in its place
FOREVER = datetime(9999, 12, 31)
WINDOWS = {
    "1d": timedelta(days=1), "6d": timedelta(days=6), "7h": timedelta(hours=7), "whole": None,
}  # fmt: skip
PRODUCTS = {
    name: {
        "entity": "account_id",
        "outcome": {"horizon": "4 days", "grace": "1 day", "positive": "absence" if name == "lapse" else "event"},
        "decide": {"per": per, "policy": policy},
        "slices": ["plan"],
        "value": {"currency": "USD", "tp": "saved_usd", "fp": -10, "fn": -120, "tn": 0},
        "monitor": {"windows": list(WINDOWS), "min_n": 2},
        **({"train": {}} if name.startswith("trained") else {}),  # with it Baton writes the log
    }
    for name, per, policy in (
        ("first", "3 days", "first"), ("latest", "3 days", "latest"), ("once", "entity", "first"),
        ("daily", "1 day", "first"), ("lapse", "3 days", "first"),
        ("trained", "3 days", "first"), ("trained_latest", "3 days", "latest"),
    )
}  # fmt: skip
LOG = {
    "prediction_id": "bigint", "account_id": "varchar", "as_of": "timestamp", "predicted_at": "timestamp",
    "known_at": "timestamp", "score": "double", "threshold": "double", "predicted_label": "integer",
    "model_version": "integer", "is_holdout": "boolean", "role": "varchar",
}  # fmt: skip
SCORING = {"account_id": "varchar", "as_of": "timestamp", "plan": "varchar", "saved_usd": "double"}
EVENTS = {
    "account_id": "varchar", "event_at": "timestamp", "valid_from": "timestamp", "valid_to": "timestamp",
    "arrived": "bigint",
}  # fmt: skip
ACCOUNTS = ("a", "b", "c", "d")
# How a row came about, which a rebuild cannot know.
OF_THE_RUN = {
    "batch", "is_moved", "decisions_batch", "events_arrived", "outcomes_batch", "counted_until",
    "previous_batch", "previous_as_of", "previous_state", "previous_is_restated",
}  # fmt: skip
VOLATILE = {"built_at", "evaluated_at"} | OF_THE_RUN
OF_THE_ENGINE = {"content", "entity_hash"}  # hashes
COMPARING = {"daily"}  # their events do not say when they arrived: every decision is compared
EXAMPLES = examples(2)  # interleavings per product; each takes seconds
TABLES = ("decisions", "outcomes", "performance_hourly", "performance")  # in the order they are built
PERFORMANCE_KEY = "window_kind, window_end, slice_name, slice_value, model_version, basis"
HOURLY_KEY = ("hour", "slice_name", "slice_value", "model_version", "kind", "part", "calibration_bin", "score_bin")
COMPARED = (
    "prediction_id", "score", "predicted_label", "model_version", "plan", "saved_usd", "state", "outcome_at",
    "outcome_known_at", "matures_at", "outcome_label", "is_restated", "restated_at",
)  # fmt: skip


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    with MacroHarness(tmp_path_factory.mktemp("monitoring"), PRODUCTS, now=PLACEHOLDER) as harness:
        yield harness


class World:
    """What raw tables hold, the incremental tables built from them step by step, and now."""

    def __init__(self, macros: MacroHarness, product: str, tables: tuple[str, ...] = TABLES):
        self.tables = tables
        self.macros, self.product, self.now = macros, product, DAY_0 + timedelta(hours=6)
        self.log: list[dict[str, Any]] = []
        self.scoring: dict[tuple[str, datetime], dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.writes, self.arrivals = 0, 0
        self.until = len(tables)  # how many tables the next build gets to before it dies
        self.anew: set[str] = set()  # tables the next build makes with a full refresh
        for table in TABLES:
            macros.connection.execute(f"drop table if exists {table}")

    def predict(
        self, day: float, accounts: dict[str, float], version: int, repeat: bool, known_after: float | None = 0.25
    ) -> None:
        """A batch as Baton writes it: later than everything before. `known_after`: days after as_of."""
        self.writes += 1
        as_of = DAY_0 + timedelta(days=day)
        for account, score in accounts.items():
            key = ACCOUNTS.index(account) + 10 * version + 100 * round(24 * day)
            self.scoring.setdefault(
                (account, as_of), {"plan": "xyz"[key % 3] if key % 7 else None, "saved_usd": 10.5 * (key % 9)}
            )
            row = {
                "prediction_id": key, "entity": account, "as_of": as_of, "score": score, "threshold": 0.5,
                "predicted_at": DAY_0 + timedelta(seconds=self.writes), "predicted_label": int(score >= 0.5),
                "model_version": version, "is_holdout": False, "role": "champion",
                "known_at": None if known_after is None else as_of + timedelta(days=known_after),
            }  # fmt: skip
            self.log.extend([row, dict(row)] if repeat else [row])

    def deliver(self, day: float, accounts: dict[str, float], version: int) -> None:
        """A batch of another writer that comes late: predicted before everything that is in the log."""
        if "train" not in PRODUCTS[self.product]:
            known = len(self.log)
            self.predict(day, accounts, version, False)
            for row in self.log[known:]:
                row["predicted_at"] = DAY_0 - timedelta(seconds=self.writes)

    def shadow(self, day: int) -> None:
        self.predict(day, {"a": 0.9}, 9, False)
        self.log[-1]["role"] = "shadow"
        self.scoring.setdefault(("d", DAY_0 + timedelta(days=day)), {"plan": "x", "saved_usd": None})

    def happen(self, account: str, day: float, lag: float, until: float | None) -> None:
        event_at = DAY_0 + timedelta(days=day)
        known = event_at + timedelta(days=lag)
        ended = FOREVER if until is None else known + timedelta(days=until)
        self.events.append({"entity": account, "event_at": event_at, "valid_from": known, "valid_to": ended})
        self.arrive(self.events[-1])

    def arrive(self, event: dict[str, Any]) -> None:
        self.arrivals += 1
        event["arrived"] = self.arrivals

    def retract(self, which: int, lag: float) -> None:
        if self.events:
            event = self.events[which % len(self.events)]
            event["valid_to"] = event["valid_from"] + timedelta(days=lag)
            self.arrive(event)

    def die(self, after: int) -> None:
        self.until = after

    def refresh(self, table: int) -> None:
        self.anew.add(TABLES[table])

    def load(self) -> None:
        self.macros.load("predictions", LOG, [[r["entity" if c == "account_id" else c] for c in LOG] for r in self.log])
        self.macros.load("scoring", SCORING, [(a, t, r["plan"], r["saved_usd"]) for (a, t), r in self.scoring.items()])
        self.macros.load("events", EVENTS, [tuple(e.values()) for e in self.events])

    def sql(
        self, macro: str, built: str | None, portable: bool = False, suffix: str = "", run: Any = None, **read: Any
    ) -> str:
        """The select of a table; `run` as the macro gets it, with the values of `read` in place of their names."""
        relations = {
            "decisions": ("predictions", "scoring"),
            "outcomes": (f"decisions{suffix}", "events"),
            "performance_hourly": (f"decisions{suffix}", f"outcomes{suffix}"),
            "performance": (f"performance_hourly{suffix}", f"decisions{suffix}", f"outcomes{suffix}", "scoring", None),
        }[macro]
        more = () if run is None else run if isinstance(run, tuple) else (run,)
        sql = self.macros.render(f"default__{macro}", self.product, *relations, built, *more, portable=portable)
        for name, value in sorted(read.items(), reverse=True):
            sql = sql.replace(f"${name}", str(value))
        return self.at_now(sql)

    def at_now(self, sql: str) -> str:
        return sql.replace(PLACEHOLDER, self.now.isoformat(sep=" "))

    def build(self, portable: bool = False) -> None:
        """As dbt does: first a table, then rows are appended and a post-hook removes what they replace."""
        for table in self.tables[: self.until]:
            fresh = table in self.anew or not self.macros.query(
                f"select 1 as found from information_schema.tables where table_name = '{table}'"
            )
            if table == "performance":
                self.by_key(None if fresh else table, portable)
            else:
                self.in_batches(table, fresh, portable)
        self.anew -= set(self.tables[: self.until])

    def by_key(self, built: str | None, portable: bool) -> None:
        run = self.macros.connection.execute
        if built is None:
            run(f"create or replace table performance as {self.sql('performance', None, portable)}")
            return
        run(f"create or replace temp table fresh_rows as {self.sql('performance', built, portable)}")
        run(f"delete from performance where ({PERFORMANCE_KEY}) in (select ({PERFORMANCE_KEY}) from fresh_rows)")
        run("insert into performance select * from fresh_rows")
        run("delete from performance where n is null")

    def in_batches(self, table: str, fresh: bool, portable: bool) -> None:
        """The post-hook runs as a dbt model's does, whether it built the table anew or not."""
        execute = self.macros.connection.execute
        batch = 1 + (self.newest(table) or 0)
        run, read = self.reading(table, fresh)
        sql = self.sql(table, None if fresh else table, portable, "", run, **read, batch=batch)
        if fresh:
            execute(f"create or replace table {table} as {sql}")
        else:
            execute(f"insert into {table} by name {sql}")
        execute(self.macros.render(f"forget_replaced_{table}", table, self.product, portable=portable))
        if table == "performance_hourly":
            execute("delete from performance_hourly where kind is null")

    def newest(self, table: str) -> int | None:
        exists = self.macros.query(f"select 1 as x from information_schema.tables where table_name = '{table}'")
        return self.macros.value(f"(select max(batch) from {table})") if exists else None

    def reading(self, table: str, fresh: bool) -> tuple[Any, dict[str, Any]]:
        """The run as `run_of`, `outcomes_run` and `hourly_run` describe it, and what it stands for."""
        if table == "decisions":
            if fresh:
                return ("$batch",), {}
            (written,) = self.macros.query(self.macros.render("log_written_from", "predictions", table))
            first = None if written["first_as_of"] is None else "timestamp '$first_as_of'"
            return ("$batch", first), written
        if table == "outcomes":
            arrived = "null" if self.product in COMPARING else "(select coalesce(max(arrived), 0) from events)"
            run = {"decisions_batch": "(select max(batch) from decisions)", "events_arrived": arrived}
            question, names = (self.product, "decisions", "events", table), ("events_arrived", "decisions_batch")
        else:
            run, question = {"outcomes_batch": "(select max(batch) from outcomes)"}, ("outcomes", table)
            names = ("outcomes_batch",)
        run |= {"batch": "$batch", "since": None}
        if fresh:
            return run, {}
        macro = {"outcomes": "outcomes_read_until"}.get(table, "hourly_read_until")
        (found,) = self.macros.query(self.at_now(self.macros.render(macro, *question)))
        if found.get("is_outgrown"):
            return {**run, "all_hours": True}, {}
        if not found["can_resume"] or (table == "outcomes" and self.product in COMPARING):
            return run, {}
        instants = {"counted_until": "counted_until"}
        if table == "outcomes":
            instants = {"now": "evaluated_at", "events_from": "events_from", "events_until": "events_until"}
            instants["decided_from"] = "decided_from"
        run["since"] = {name: f"${name}" for name in names} | {name: f"timestamp '${name}'" for name in instants}
        return run, {name: found[name] for name in names} | {name: found[read] for name, read in instants.items()}

    def rebuild(self) -> None:
        for table in self.tables:
            sql = self.sql(table, None, suffix="_rebuilt")
            self.macros.connection.execute(f"create or replace table {table}_rebuilt as {sql}")

    def rows(self, table: str, without: set[str] = VOLATILE) -> list[dict[str, Any]]:
        """Rows without columns of `without`; those of performance_hourly added up over batches."""
        rows = self.macros.query(f"from {table}" if "hourly" not in table else added_up(self.macros, table))
        return sorted(({k: v for k, v in r.items() if k not in without} for r in rows), key=repr)

    def decided(self) -> dict[Any, Any]:
        """The oracle's decisions, each with its outcome."""
        spec = spec_of(self.product)
        decided = oracle.decisions(spec, self.log, self.scoring)
        return {k: {**d, **oracle.outcome(spec, d, self.events, self.now)} for k, d in decided.items()}

    def performance(self) -> dict[Any, Any]:
        population = [{"entity": a, "as_of": t, **row} for (a, t), row in self.scoring.items()]
        return oracle.performance(spec_of(self.product), list(self.decided().values()), population, self.now)


def added_up(macros: MacroHarness, table: str) -> str:
    """Sums over batches; cells that everything was taken off are no rows."""
    sums = [*macros.evaluate("hourly_counts"), *macros.evaluate("hourly_fractions"), "expected", "content"]
    return f"""
    select {", ".join(HOURLY_KEY)}, spec_hash, {", ".join(f"sum({name}) as {name}" for name in sums)}
    from {table} group by all having {" or ".join(f"sum({name}) <> 0" for name in sums)}"""


def spec_of(product: str) -> dict[str, Any]:
    declared = PRODUCTS[product]
    per = declared["decide"]["per"]
    return {
        "name": product, "per_days": None if per == "entity" else int(per.split()[0]),
        "policy": declared["decide"]["policy"], "absence": declared["outcome"]["positive"] == "absence",
        "horizon_days": 4, "grace_days": 1, "slices": declared["slices"], "value": declared["value"],
        "windows": WINDOWS, "min_n": 2,
    }  # fmt: skip


days = st.integers(0, 14) | st.integers(0, 42).map(lambda third: third / 3)
scores = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.75, 1.0])
lags = st.sampled_from([0.0, 0.5, 1.0, 3.0, 8.0])
steps = st.one_of(
    st.tuples(
        st.just("predict"),
        days,
        st.dictionaries(st.sampled_from(ACCOUNTS), scores, min_size=1),
        st.integers(1, 2),
        st.booleans(),
    ),
    st.tuples(
        st.just("predict"),
        days,
        st.fixed_dictionaries(dict.fromkeys(ACCOUNTS, scores)),
        st.integers(1, 2),
        st.just(False),
    ),
    st.tuples(
        *(st.just("predict"), days, st.dictionaries(st.sampled_from(ACCOUNTS), scores, min_size=1)),
        *(st.just(3), st.just(False), st.sampled_from([None, 0.0, 1.0, 1.5, 3.0])),
    ),
    st.tuples(
        *(st.just("deliver"), days, st.dictionaries(st.sampled_from(ACCOUNTS), scores, min_size=1)), st.integers(1, 4)
    ),
    st.tuples(st.just("shadow"), days),
    st.tuples(
        st.just("happen"), st.sampled_from(ACCOUNTS), st.integers(0, 60).map(lambda q: q / 4), lags, st.none() | lags
    ),
    st.tuples(st.just("retract"), st.integers(0, 5), lags),
    st.tuples(st.just("now"), st.integers(0, 80).map(lambda q: q / 4)),
    st.tuples(st.just("die"), st.integers(0, len(TABLES) - 1)),
    st.tuples(st.just("refresh"), st.integers(0, 2)),
)


def apply(world: World, step: tuple[Any, ...]) -> None:
    if step[0] == "now":
        world.now = DAY_0 + timedelta(days=step[1])
    else:
        getattr(world, step[0])(*step[1:])


KNOWN = {
    "retracted before anybody looked: the decision stays negative but was restated": [
        [("predict", 1, {"a": 0.9}, 1, False), ("now", 13)],
        [("happen", "a", 2.0, 1.0, 8.0)],
    ],
    "a decision moves to an earlier day": [
        [("predict", 5, {"a": 0.9, "b": 0.1}, 1, False), ("now", 6.25)],
        [("predict", 4, {"a": 0.2}, 1, False)],
    ],
    "late, retracted, and a clock that goes back": [
        [("predict", 1, {"a": 0.9}, 1, False), ("happen", "a", 4.0, 8.0, None), ("now", 8)],
        [("now", 13)],
        [("retract", 0, 0.5)],
        [("now", 7)],
    ],
    "the same accounts every day": [
        [("predict", d, dict.fromkeys(ACCOUNTS, 0.25), 1, False) for d in range(6)],
        [("happen", "a", 3, 0, None), ("now", 12)],
    ],
    "another writer's batch comes late; a missed day is scored three days later": [
        [("predict", 5, {"a": 0.9, "b": 0.1}, 1, False), ("now", 6.25)],
        [("deliver", 4, {"a": 0.2, "b": 0.3}, 2), ("predict", 3, {"a": 0.7, "b": 0.7}, 1, False, 3.0)],
    ],
}

REFRESHED = {
    "twice between two readings, the second of which sees only the last": [
        [("predict", 1, {"a": 0.9, "b": 0.2}, 1, False), ("now", 2)],
        [("happen", "a", 1.5, 0.0, None), ("die", 2)],
        [("retract", 0, 0.25), ("now", 3), ("die", 2)],
        [("now", 9)],
    ],
    "built anew in between, with something new": [
        [("predict", 1, {"a": 0.9, "b": 0.2}, 1, False), ("now", 2)],
        [("predict", 2, {"c": 0.9}, 1, False), ("refresh", 0)],
        [("happen", "c", 2.5, 0.0, None), ("refresh", 1), ("now", 4)],
        [("predict", 4, {"d": 0.9}, 1, False), ("refresh", 2), ("now", 9)],
    ],
    "known before the last now, arrived after it": [
        [("predict", 1, {"a": 0.9, "b": 0.2}, 1, False), ("now", 9)],
        [("happen", "a", 2.0, 0.0, None), ("predict", 8, {"c": 0.4}, 1, False)],
        [("happen", "b", 8.0, 0.0, None), ("now", 10)],
    ],
}


@pytest.mark.parametrize("product", PRODUCTS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=4))
def test_incremental_equals_rebuild_equals_brute_force(macros, product, sequence):
    follow(macros, product, sequence)


@pytest.mark.parametrize("product", ["first", "daily"])
@pytest.mark.parametrize("sequence", KNOWN.values(), ids=KNOWN)
def test_known_sequences(macros, product, sequence):
    follow(macros, product, sequence)


@pytest.mark.parametrize("product", ["first", "daily", "trained", "trained_latest"])
@pytest.mark.parametrize("sequence", REFRESHED.values(), ids=REFRESHED)
def test_known_sequences_of_refreshes(macros, product, sequence):
    follow(macros, product, sequence, TABLES[:-1])


@pytest.mark.parametrize("product", PRODUCTS)
@settings(max_examples=examples(3), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(st.lists(steps, min_size=1, max_size=6), min_size=2, max_size=5))
def test_refreshes_equal_rebuild(macros, product, sequence):
    """Without performance, whose planning takes most of the time: more sequences."""
    follow(macros, product, sequence, TABLES[:-1])


def follow(macros: MacroHarness, product: str, sequence: list[Any], tables: tuple[str, ...] = TABLES) -> None:
    """Build after each batch of steps; every table equals its rebuild, and in the end the oracle. A build that died is
    followed by another."""
    world = World(macros, product, tables)
    for number, batch in enumerate(sequence):
        for step in batch:
            apply(world, step)
        world.load()
        world.build()
        if world.until < len(tables):
            world.until = len(tables)
            if number < len(sequence) - 1:
                continue
            world.build()
        world.rebuild()
        for table in tables:
            assert world.rows(table) == world.rows(f"{table}_rebuilt"), table
    check_decisions_and_outcomes(world)
    if tables == TABLES:
        check_performance(world)


@pytest.mark.parametrize("product", PRODUCTS)
@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(steps, min_size=6, max_size=12))
def test_portable_sql_gives_the_same_rows(macros, product, batch):
    """Refreshed by portable SQL, in two runs; built anew by the other."""
    world = World(macros, product)
    for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
        for step in half:
            apply(world, step)
        world.until = len(TABLES)
        world.load()
        world.build(portable=True)
    world.rebuild()
    for table in TABLES:
        assert world.rows(table, VOLATILE | OF_THE_ENGINE) == world.rows(
            f"{table}_rebuilt", VOLATILE | OF_THE_ENGINE
        ), table


def check_decisions_and_outcomes(world: World) -> None:
    decided = world.decided()
    found = {
        (r["account_id"], r["period"]): r
        for r in world.macros.query("from decisions join outcomes using (decision_key, account_id, as_of)")
    }
    assert found.keys() == decided.keys()
    for key, row in decided.items():
        for column in COMPARED:
            assert found[key][column] == row[column], (key, column)
    labels = world.macros.render("with_labels", "decisions", "events", world.product)
    labelled = world.macros.query(labels.replace(PLACEHOLDER, world.now.isoformat(sep=" ")))
    assert {(r["account_id"], r["period"]): r["outcome_label"] for r in labelled} == {
        key: row["outcome_label"] for key, row in decided.items() if row["outcome_label"] is not None
    }


def check_performance(world: World) -> None:
    performance = world.performance()
    windows = {
        tuple(r[c] for c in ("window_kind", "window_end", "slice_name", "slice_value", "model_version", "basis")): r
        for r in world.rows("performance")
    }
    assert windows.keys() == performance.keys()
    for key, row in performance.items():
        for column, value in row.items():
            assert same(windows[key][column], value, column), (key, column, windows[key][column], value)


def same(found: Any, expected: Any, column: str) -> bool:
    """To 1e-9; squares of money are added up in units of 1e-4, so ends of its intervals are good to 1e-5."""
    if isinstance(expected, float) and isinstance(found, int | float):
        money = column.startswith("value") and column.endswith(("_low", "_high"))
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-5 if money else 1e-8)
    return bool(found == expected)
