"""What one call of the loader did."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class FailedFile:
    """A landing file of which nothing was loaded; it is tried again by the next run."""

    file: str
    reason: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}. {self.way_out}"


@dataclass(frozen=True)
class LoadReport:
    """Counts of this call, except `rows_total`, `newest_*` and `assumed_known_at`, which describe the whole raw table.

    Stored by this call are rows_new + rows_duplicate rows: a duplicate has the declared columns, event_at and
    is_deleted of an earlier row and is kept all the same. `newest_*` leave out rows dated later than now + 1 day; those
    of this call are counted in `rows_from_future`. `assumed_known_at`: for some row known_at is event_at + assumed_lag.
    `unexpected_columns` were sent but not declared; their values are in the column `extra`.
    """

    rows_new: int
    rows_duplicate: int
    rows_rejected: int
    files_loaded: int
    files_failed: tuple[FailedFile, ...]
    unexpected_columns: tuple[str, ...]
    newest_event_at: datetime | None
    newest_known_at: datetime | None
    assumed_known_at: bool
    rows_total: int
    rows_from_future: int = 0
    files_empty: int = 0
    rejects_by_reason: dict[str, int] = field(default_factory=dict)
    is_initial_load: bool = False
