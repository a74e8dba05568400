"""Looking, acknowledging, snoozing, passing, mending, crashing, clock jumps in any order: nothing lost or doubled."""

import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from paging_world import CHAIN, DAY, HOUR, NOW, TEAMS, WORLD, Recorder, Says, pager, seen

from orchestration.paging.cause import ancestors
from orchestration.paging.core import NoSuchIncident
from orchestration.paging.delivery import SENSOR, Courier
from orchestration.paging.model import FAILED, INSUFFICIENT, OK, OPEN, PAGES, RESOLVED, Observation
from orchestration.paging.pager import incidents, messages

ASSETS = sorted(CHAIN)
GROUPS = sorted(TEAMS)


# What is diagnosed, if anything: two sources in different branches, what stands below one of them, and below both.
BLAMED = [None, None, "raw/usage", "raw/invoices", "staging/usage", "churn/model"]


def diagnosing(blamed: str | None, confidence: float) -> Any:
    """A diagnosis of everything that is broken at or below `blamed`; of the rest there is none."""

    def diagnose(asset: str, seen: object) -> Says | None:
        if blamed is None or blamed not in {asset, *ancestors(asset, WORLD.parents)}:
            return None
        return Says(blamed, CHAIN[blamed][0], f"fault at {blamed}", confidence=confidence)

    return diagnose


class Crash(BaseException):
    """The process dies here."""


class Pages(RuleBasedStateMachine):
    """The real store on a file, a channel that may be down, and a wall clock of the test's own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.pager = pager(Path(self.folder.name))
        self.channel = Recorder()
        self.wall, self.now = NOW, NOW  # events are made on the wall clock; the pager's now may jump
        self.worst: set[str] = set()

    @initialize()
    def begin(self) -> None:
        self.down = False

    def teardown(self) -> None:
        self.pager.store.close()
        self.folder.cleanup()

    def crashing(self, step: int, call: Any) -> None:
        """Run `call`, dying at the step-th statement (never, if there are fewer); then what dies is done again."""
        count = 0

        def die(*_: object) -> None:
            nonlocal count
            count += 1
            if count == step:
                raise Crash

        sa.event.listen(self.pager.store.engine, "before_cursor_execute", die)
        try:
            call()
        except Crash:
            died = True
        else:
            died = False
        finally:
            sa.event.remove(self.pager.store.engine, "before_cursor_execute", die)
        if died:
            call()

    @rule(
        states=st.lists(st.sampled_from([OK, OK, FAILED, INSUFFICIENT, "warn"]), min_size=8, max_size=8),
        step=st.integers(1, 40),
        old=st.sampled_from([0, 0, 0, 3]),
        repeat=st.booleans(),
        blamed=st.sampled_from(BLAMED),
        confidence=st.sampled_from([0.5, 0.9]),
    )
    def look(self, states: list[str], step: int, old: int, repeat: bool, blamed: str | None, confidence: float) -> None:
        self.wall += HOUR
        self.now += HOUR
        batch = [
            seen(
                asset,
                FAILED if state == "warn" else state,
                self.wall,
                severity="warn" if state == "warn" else "error",
                as_of=self.wall.replace(hour=0) - old * DAY,
            )
            for asset, state in zip(ASSETS, states, strict=True)
        ]
        self._observed(step, [batch, batch] if repeat else [batch], diagnosing(blamed, confidence))

    def _observed(self, step: int, batches: list[list[Observation]], diagnose: Any) -> None:
        self.crashing(step, lambda: self.pager.observe(batches, self.now, diagnose))

    @rule(
        turns=st.lists(st.sampled_from(BLAMED), min_size=2, max_size=8),
        hours=st.sampled_from([1, 26]),
        confidence=st.sampled_from([0.5, 0.9]),
        step=st.integers(1, 40),
    )
    def one_check_fails_for_causes_that_change(
        self, turns: list[str | None], hours: int, confidence: float, step: int
    ) -> None:
        """As the health of a product does: what is broken stays the same, what is said of it does not."""
        self._mended()
        before = len(messages(self.pager.store))
        for blamed in turns:
            self.wall += hours * HOUR
            self.now += hours * HOUR
            failed = seen("churn/performance", FAILED, self.wall)
            self._observed(step, [[failed]], diagnosing(blamed, confidence))
            self.nothing_is_lost_or_doubled()
            assert len(incidents(self.pager.store)) == 1, "one check tells of one fault at a time"
        pages = [m for m in messages(self.pager.store)[before:] if m["kind"] in ("opened", "reopened", "handover")]
        if hours == 1:  # each fault once and once again, each group once
            assert len(pages) <= 2 * len(set(turns)) + len(GROUPS), [(m["kind"], m["title"]) for m in pages]

    @rule(hours=st.sampled_from([1, 5, 30, 24 * 40, -7, -24 * 40]))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR
        self.pager.observe([], self.now)

    def _any_open(self, index: int) -> int:
        found = incidents(self.pager.store)
        return found[index % len(found)].id if found else 0

    @rule(index=st.integers(0, 7), step=st.integers(1, 30))
    def acknowledge(self, index: int, step: int) -> None:
        if number := self._any_open(index):
            self.crashing(step, lambda: self.pager.acknowledge(number, "ann", self.now))

    @rule(index=st.integers(0, 7), hours=st.integers(1, 100))
    def snooze(self, index: int, hours: int) -> None:
        if number := self._any_open(index):
            self.pager.snooze(number, self.now + hours * HOUR, "ann", self.now)

    @rule(index=st.integers(0, 7), group=st.sampled_from(GROUPS))
    def pass_on(self, index: int, group: str) -> None:
        number = self._any_open(index)
        if number and next(i for i in incidents(self.pager.store) if i.id == number).group != group:
            self.pager.pass_on(number, group, "theirs", self.now)

    @rule()
    def what_is_over_takes_no_command(self) -> None:
        for incident in incidents(self.pager.store, everything=True):
            if not incident.is_open:
                try:
                    self.pager.acknowledge(incident.id, "ann", self.now)
                except NoSuchIncident:
                    continue
                raise AssertionError("a command on what is over")

    @rule(down=st.booleans())
    def the_channel(self, down: bool) -> None:
        self.channel.down = (lambda address: True) if down else (lambda address: False)

    @rule(step=st.integers(1, 25))
    def deliver(self, step: int) -> None:
        self.crashing(step, lambda: Courier(self.pager.store, TEAMS, self.channel, SENSOR).deliver(self.now))

    @precondition(lambda self: incidents(self.pager.store))
    @rule()
    def mend_everything(self) -> None:
        """Nothing stays open after repair: three green evaluations settle whatever flapped."""
        self._mended()

    def _mended(self) -> None:
        for _ in range(3):
            self.wall += HOUR
            self.now += HOUR
            self.pager.observe([[seen(asset, OK, self.wall) for asset in ASSETS]], self.now)
        assert incidents(self.pager.store) == []

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        told = messages(self.pager.store)
        assert len({m["key"] for m in told}) == len(told)
        with self.pager.store.transaction() as con:
            from orchestration.paging.store import load

            state = load(con)
        failing = {key for key, signal in state.signals.items() if signal.is_failing}
        still = [incident for incident in incidents(self.pager.store, everything=True) if incident.is_open]
        held = [key for incident in still for key in incident.signals]
        assert failing == set(held), "what is broken belongs to an open incident, and the other way round"
        assert len({incident.asset for incident in still}) == len(still), "one incident per accountable asset"
        for incident in incidents(self.pager.store, everything=True):
            self._told_properly(incident, [m for m in told if m["incident_id"] == incident.id])

    def _told_properly(self, incident: Any, told: list[dict[str, Any]]) -> None:
        kinds = Counter(m["kind"] for m in told)
        over = kinds["resolved"] + kinds["resolved_late"]
        assert kinds["opened"] == 1
        assert kinds["reopened"] == incident.episode - 1
        assert over == incident.episode - incident.is_open
        assert kinds["handover"] == kinds["handed_over"]
        pages = [m for m in told if m["kind"] in PAGES]
        taken_back = [m for m in pages if m["kind"] == "escalated" and m["state"] == "withdrawn"]
        if incident.is_open:
            # An answer takes back what would tell the backup that nobody answered.
            assert not taken_back or incident.state != OPEN or pages[-1] not in taken_back
            pages = [m for m in pages if m not in taken_back]
            last = max(pages, key=lambda m: m["number"])
            assert last["state"] != "withdrawn", "the page of what is still broken is on its way"
            assert last["group"] == incident.group or last["kind"] == "escalated"
        assert (incident.state == RESOLVED) == (incident.resolved_at is not None)

    @invariant()
    def nobody_got_a_message_twice(self) -> None:
        marked = {m["key"]: m["attempts"] for m in messages(self.pager.store)}
        for key, times in Counter(message.key for _, message, _ in self.channel.got).items():
            assert times <= marked[key] + SENSOR.attempts, "sent again only where its sender died before it said so"

    @rule()
    def in_the_end_everything_arrives(self) -> None:
        """With the channel up and time passing, nothing is left waiting, and what was not withdrawn was received."""
        self.channel.down = lambda address: False
        for _ in range(8):
            self.now += timedelta(minutes=31)
            Courier(self.pager.store, TEAMS, self.channel, SENSOR).deliver(self.now)
        received = {message.key for _, message, _ in self.channel.got}
        for row in messages(self.pager.store):
            assert row["state"] in ("sent", "dead", "withdrawn"), row
            assert row["state"] != "sent" or row["key"] in received


TestPages = Pages.TestCase
TestPages.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
