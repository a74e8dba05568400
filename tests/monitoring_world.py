"""What raw tables hold in tests of monitoring: predictions of several writers, a scoring set, events as versions."""

from datetime import datetime, timedelta
from typing import Any

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
TABLES = ("decisions", "outcomes", "performance_hourly", "performance")  # in the order they are built


def spec_of(product: str) -> dict[str, Any]:
    declared = PRODUCTS[product]
    per = declared["decide"]["per"]
    return {
        "name": product, "per_days": None if per == "entity" else int(per.split()[0]),
        "policy": declared["decide"]["policy"], "absence": declared["outcome"]["positive"] == "absence",
        "horizon_days": 4, "grace_days": 1, "slices": declared["slices"], "value": declared["value"],
        "windows": WINDOWS, "min_n": 2,
    }  # fmt: skip


class World:
    """What raw tables hold, and now."""

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
