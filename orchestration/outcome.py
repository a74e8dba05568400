"""What a run did, as plain values: for the command line, for tests, for whoever starts jobs. No Dagster in here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Progress:
    """Something that just happened, in order.

    kind: phase | job | step | asset | check | step_failed | step_done | job_done | page. `name`: the phase's text, job,
    step key, asset key 'churn/predictions', 'asset:check' or a page's title. `passed` and `severity` (error | warn)
    belong to checks only.
    """

    kind: str
    name: str
    message: str = ""
    seconds: float | None = None
    passed: bool | None = None
    severity: str = ""


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class FailedStep:
    """A step that failed; `asset` is the node its failure names, '' where it names none."""

    run_id: str
    step: str
    asset: str
    message: str


@dataclass(frozen=True)
class CheckOutcome:
    """One evaluated check. `status`: ok | failed | insufficient_data; `message`: number, threshold, window."""

    run_id: str
    asset: str
    check: str
    passed: bool
    severity: str
    status: str
    owner: str
    message: str


@dataclass(frozen=True)
class JobOutcome:
    """One Dagster run. `partition`: 'D', 'A..B' or ''; `rows` by asset key where known."""

    job: str
    run_id: str
    success: bool
    partition: str
    seconds: float
    failed_steps: tuple[FailedStep, ...] = ()
    checks: tuple[CheckOutcome, ...] = ()
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RunOutcome:
    """Everything one `baton run` started, in order."""

    now: datetime
    jobs: tuple[JobOutcome, ...]
    seconds: float
    seconds_to_first_sql: float | None = None
    unpaged: FailedStep | None = None  # what kept the pager from looking

    @property
    def success(self) -> bool:
        """Whether every job succeeded (and there was one), and whoever had to know of it could be told."""
        return bool(self.jobs) and all(job.success for job in self.jobs) and self.unpaged is None

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Dagster run ids, oldest first."""
        return tuple(job.run_id for job in self.jobs)

    @property
    def failed_steps(self) -> tuple[FailedStep, ...]:
        """Failed steps of all jobs."""
        found = tuple(step for job in self.jobs for step in job.failed_steps)
        return (*found, self.unpaged) if self.unpaged else found

    @property
    def checks(self) -> tuple[CheckOutcome, ...]:
        """The last evaluation of every check."""
        last = {(check.asset, check.check): check for job in self.jobs for check in job.checks}
        return tuple(last.values())

    @property
    def failed_checks(self) -> tuple[CheckOutcome, ...]:
        """Checks whose last evaluation did not pass, warnings included."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def rows(self) -> dict[str, int]:
        """Rows by asset key, as last seen."""
        return {key: rows for job in self.jobs for key, rows in job.rows.items()}
