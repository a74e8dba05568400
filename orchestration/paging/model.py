"""The values that paging works on: what was seen, what is broken, who is told. All instants are naive UTC."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

OK, FAILED, INSUFFICIENT = "ok", "failed", "insufficient_data"
CHECK, STEP, FRESHNESS, NOT_RUN = "check", "step", "freshness", "not_run"
OPEN, ACKNOWLEDGED, SNOOZED, RESOLVED = "open", "acknowledged", "snoozed", "resolved"
# Kinds of messages that ask somebody to act; the others inform.
PAGES = ("opened", "reopened", "handover", "escalated", "snooze_over")
NO_FAULT = "no_fault_is_diagnosed"  # the check of a product's health, named by what should be
# Causes where nothing is diagnosed and the name of a check says nothing, or the opposite.
NOTHING_RAN, NOT_DIAGNOSED = "nothing has run", "a fault was found, it could not be diagnosed yet"
Key = tuple[str, str, str]


def midnight(instant: datetime) -> datetime:
    """The beginning of its day."""
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Observation:
    """One thing seen. `as_of`: the day it speaks of; `at`: when it was made; `event_id` orders events of one instant.

    clock: the run's now, None: as `at`. kind: data | model | platform where it is known, else ''.
    source: check | step (materialized or not) | freshness (Dagster's policy) | not_run (planned, not materialized).
    """

    asset: str
    source: str
    name: str
    status: str
    at: datetime
    as_of: datetime
    run_id: str = ""
    severity: str = "error"
    group: str = ""
    message: str = ""
    command: str = ""
    event_id: int = 0
    clock: datetime | None = None
    kind: str = ""

    @property
    def key(self) -> Key:
        """What it is an observation of."""
        return self.asset, self.source, self.name

    @property
    def speaks_of_its_day(self) -> bool:
        """Whether it is about the run's own day; the re-run of an old partition is not."""
        return self.as_of >= midnight(self.clock or self.at)


@dataclass(frozen=True)
class Signal:
    """What is known of one check, step or promise. `history`: F failed, o not, newest last."""

    asset: str
    source: str
    name: str
    history: str = ""
    is_failing: bool = False
    is_warned: bool = False
    since: datetime | None = None
    since_as_of: datetime | None = None
    judged_as_of: datetime | None = None
    at: datetime = datetime.min
    as_of: datetime = datetime.min
    event_id: int = 0
    run_id: str = ""
    group: str = ""
    message: str = ""
    command: str = ""
    kind: str = ""

    @property
    def key(self) -> Key:
        """What it is the state of."""
        return self.asset, self.source, self.name


@dataclass(frozen=True)
class Policy:
    """How patient the pager is.

    k, of: failures among the last evaluations that break a signal. flaps, memory, settle: one that broke `flaps` times
    in its last `memory` evaluations mends after `settle` green ones. grace: how long after "over" it is the same one.
    forget: without a verdict for so long a signal lets go; retire_after: unheard of and no longer in the project, too.
    """

    k: int = 1
    of: int = 1
    flaps: int = 2
    memory: int = 8
    settle: int = 3
    forget: timedelta = timedelta(days=14)
    grace: timedelta = timedelta(hours=48)
    retire_after: timedelta = timedelta(hours=36)
    escalate_after: timedelta = timedelta(hours=4)
    longest_snooze: timedelta = timedelta(days=30)


@dataclass(frozen=True)
class Team:
    """An accountable group. `page`: an Apprise URL, env:NAME or None."""

    name: str
    page: str | None = None
    backup: str | None = None
    escalate_after: timedelta | None = None


@dataclass(frozen=True)
class Consumer:
    """An exposure: somebody who acts on `assets`."""

    name: str
    label: str
    group: str
    assets: frozenset[str]
    is_product: bool = False


@dataclass(frozen=True)
class World:
    """What the pager must know of the graph. `checks` None: all are known; else signals of others are let go.

    published: the asset that everybody reads and that depends on all others, '' where there is none.
    place: machine and home that pages come from, where the commands in them are to be typed; '' is not told.
    """

    parents: Mapping[str, frozenset[str]]
    groups: Mapping[str, str]
    teams: Mapping[str, Team]
    consumers: Sequence[Consumer] = ()
    checks: frozenset[tuple[str, str]] | None = None
    dagster_url: str = "http://127.0.0.1:3000"
    published: str = ""
    place: str = ""

    def escalate_after(self, group: str, policy: Policy) -> timedelta:
        """How long a page to `group` may wait for an answer."""
        team = self.teams.get(group)
        return (team and team.escalate_after) or policy.escalate_after


class Verdict(Protocol):
    """What a diagnosis says; `ml.diagnosis.verdict.Diagnosis` is one."""

    @property
    def cause(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def asset(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def evidence(self) -> tuple[str, ...]: ...
    @property
    def ruled_out(self) -> tuple[str, ...]: ...
    @property
    def command(self) -> str: ...


Diagnose = Callable[[str, Sequence[Observation]], "Verdict | None"]


@dataclass(frozen=True)
class Incident:
    """One accountable asset is broken. kind: data | model | platform; assets: broken the same way, that one first.

    roots: broken assets with none broken above, whatever a diagnosis says of them.
    """

    id: int
    asset: str
    group: str
    opened_at: datetime
    since: datetime
    state: str = OPEN
    assets: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    signals: tuple[Key, ...] = ()
    cause: str = ""
    kind: str = "data"
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    command: str = ""
    run_id: str = ""
    blocked: tuple[str, ...] = ()
    is_stopped: bool = False  # its run did not get to its end: what is published is of an earlier one
    told: tuple[str, ...] = ()  # groups that heard that they are blocked
    had: tuple[str, ...] = ()  # groups that were accountable before
    is_passed: bool = False
    misrouted: int = 0
    episode: int = 1
    serial: int = 0  # messages so far
    deadline: datetime | None = None  # when it goes to the backup
    escalated_at: datetime | None = None
    escalated_to: str = ""  # the backup that was paged because nobody answered
    snoozed_until: datetime | None = None
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    note: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is still broken, whoever works on it."""
        return self.state != RESOLVED

    @property
    def informed(self) -> tuple[str, ...]:
        """The groups beside its own that know of it, and hear when it is over."""
        return self.told if self.escalated_to in ("", *self.told) else (*self.told, self.escalated_to)


@dataclass(frozen=True)
class Message:
    """One row of the outbox. `key` is the idempotency key, shown as `ref`; `incident_id` None: digest or test."""

    key: str
    incident_id: int | None
    kind: str
    group: str
    title: str
    body: str
    created_at: datetime


@dataclass(frozen=True)
class Digest:
    """The last daily digest of warnings that a group got."""

    group: str
    sent_at: datetime
    content: str


@dataclass(frozen=True)
class State:
    """Everything the core remembers.

    pending: messages that reached nobody yet, dead letters too. written: the number of the newest message; `name` is
    the store's. Both are parts of keys.
    """

    name: str
    signals: Mapping[Key, Signal] = field(default_factory=dict)
    incidents: Mapping[int, Incident] = field(default_factory=dict)
    pending: Mapping[str, Message] = field(default_factory=dict)
    digests: Mapping[str, Digest] = field(default_factory=dict)
    last_id: int = 0
    written: int = 0
