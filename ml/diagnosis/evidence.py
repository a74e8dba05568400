"""What a diagnosis looks at, as plain values: nothing here reads or decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

ColumnKind = Literal["number", "category"]


@dataclass(frozen=True)
class ColumnDays:
    """One column, a value per day of its table, oldest first; None where the day has no row that says.

    null_share: of the day's rows. middle: median of a number; mean: of a score alone. shares: of each category among
    the day's values.
    """

    name: str
    kind: ColumnKind
    null_share: tuple[float | None, ...]
    middle: tuple[float | None, ...] = ()
    shares: tuple[Mapping[str, float], ...] = ()
    mean: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class TableDays:
    """A table by day, oldest first, without gaps; the last day is the one that is judged.

    days: the midnights that end them. rows: per day; again: of them, exact copies of earlier rows; future: of them,
    dated after the run's now. lag_hours: median time from happening to being written; hour: median hour of the day of
    the event. values: the columns.
    """

    asset: str
    group: str
    days: tuple[datetime, ...]
    rows: tuple[int, ...]
    again: tuple[int, ...] = ()
    future: tuple[int, ...] = ()
    lag_hours: tuple[float | None, ...] = ()
    hour: tuple[float | None, ...] = ()
    values: tuple[ColumnDays, ...] = ()


@dataclass(frozen=True)
class Load:
    """What one run loaded into a raw table. empty: files without a byte that lay there, of this day and of others."""

    day: datetime
    files: int
    rows: int
    rejected: int = 0
    reasons: str = ""
    failed: str = ""
    undeclared: str = ""
    empty: int = 0


@dataclass(frozen=True)
class Source:
    """A raw table that the product reads, directly or not. loads: one per recorded day, oldest first, the judged last.

    is_outcome: the product's outcomes come from it. known_at: its column that says when a row was known.
    """

    table: TableDays
    loads: tuple[Load, ...] = ()
    is_outcome: bool = False
    known_at: str = "known_at"


@dataclass(frozen=True)
class Changed:
    """A dbt model whose SQL, or a macro it calls, differs from the run before `since`.

    apart: what stands upstream of the product, but neither is the model nor reads it.
    """

    asset: str
    group: str
    since: datetime
    apart: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Failed:
    """A step or an error check of the run that failed."""

    asset: str
    group: str
    name: str
    message: str
    is_step: bool = False


@dataclass(frozen=True)
class Matured:
    """Decisions of one stretch whose answers are known: n, positives, the sum of their scores, both ROC AUCs.

    auc_expected: what the scores themselves promise. p_auc, p_positives: chance of an AUC as low, of a number of
    positives as far from the sum of scores, if the scores were true (parametric bootstrap).
    """

    first: datetime
    last: datetime
    n: int
    positives: int
    expected: float
    auc: float | None = None
    auc_expected: float | None = None
    p_auc: float = 1.0
    p_positives: float = 1.0

    @property
    def rate(self) -> float:
        """Share of positives."""
        return self.positives / self.n if self.n else 0.0


@dataclass(frozen=True)
class DriftAlarm:
    """A lasting breach in the newest windows of PRODUCT.drift.

    is_firm: one comparison of each kind (of shares, of distribution functions) of this feature is breached in as many
    of the newest windows as an alarm takes. An alarm alone lasts on single breaches, as of a slow change near the
    threshold.
    """

    feature: str
    method: str
    value: float
    threshold: float
    is_firm: bool


@dataclass(frozen=True)
class Parity:
    """Logged against replayed features of one day: values compared, equal, and the worst feature.

    n_rows: entities that differ in the worst feature. n_late: rows of the sources that count as known before the day
    and were loaded after its scoring (0 of other days than the newest).
    """

    day: datetime
    n: int
    equal: int
    feature: str = ""
    n_rows: int = 0
    n_late: int = 0


@dataclass(frozen=True)
class Champion:
    """The version that serves; allowed_days: how old its newest label may be."""

    version: int
    age_days: float
    allowed_days: float


@dataclass(frozen=True)
class Evidence:
    """Everything known of a product at the end of a run. What could not be read is empty or None, never invented.

    owner: the product's group. errors: failed steps and error checks of the run. sources, features and scores: by day.
    recent, before: matured decisions, the newest and those they are compared with. population, scored: of the newest
    day. unreadable: why the warehouse itself could not be read.
    """

    product: str
    owner: str
    day: datetime
    errors: tuple[Failed, ...] = ()
    sources: tuple[Source, ...] = ()
    features: TableDays | None = None
    scores: TableDays | None = None
    changed: tuple[Changed, ...] = ()
    recent: Matured | None = None
    before: Matured | None = None
    drift: tuple[DriftAlarm, ...] = ()
    parity: tuple[Parity, ...] = ()
    champion: Champion | None = None
    population: int | None = None
    scored: int | None = None
    mlflow_error: str = ""
    unreadable: str = ""
    trains: bool = True
    groups: Mapping[str, str] = field(default_factory=dict)  # group by asset

    def group_of(self, asset: str) -> str:
        """The asset's group, else the product's owner."""
        return self.groups.get(asset, self.owner)
