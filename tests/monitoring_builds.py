"""The incremental tables of a world, built step by step as dbt builds them, their rebuild, and the oracle's tables."""

from typing import Any

import monitoring_oracle as oracle
from macro_harness import MacroHarness
from monitoring_world import PLACEHOLDER, World, spec_of

# How a row came about, which a rebuild cannot know.
OF_THE_RUN = {
    "batch", "is_moved", "decisions_batch", "events_arrived", "outcomes_batch", "counted_until",
    "previous_batch", "previous_as_of", "previous_state", "previous_is_restated",
}  # fmt: skip
VOLATILE = {"built_at", "evaluated_at"} | OF_THE_RUN
COMPARING = {"daily"}  # their events do not say when they arrived: every decision is compared
PERFORMANCE_KEY = "window_kind, window_end, slice_name, slice_value, model_version, basis"
HOURLY_KEY = (
    "hour", "slice_name", "slice_value", "model_version", "kind", "part", "calibration_bin", "predicted_label",
    "seen_label", "score_bin",
)  # fmt: skip


class Built(World):
    """A world and the tables that are built from it."""

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
    sums = [
        *macros.evaluate("hourly_stored_counts"),
        *macros.evaluate("hourly_stored_fractions"),
        "expected",
        "content",
    ]
    return f"""
    select {", ".join(HOURLY_KEY)}, spec_hash, {", ".join(f"sum({name}) as {name}" for name in sums)}
    from {table} group by all having {" or ".join(f"sum({name}) <> 0" for name in sums)}"""
