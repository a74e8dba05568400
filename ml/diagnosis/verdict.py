"""The answer of a diagnosis: one cause, the asset and group accountable for it, and the evidence."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

Kind = Literal["data", "model", "platform", "none"]
MOST_EVIDENCE = 3


class Cause(StrEnum):
    """What can be wrong, in the words of the field. The order is that of the lineage, upstream first."""

    DISK_FULL = "disk_full"
    WAREHOUSE_LOCKED = "warehouse_locked"
    MLFLOW_DOWN = "mlflow_down"
    SOURCE_LATE = "source_late"
    FILE_UNREADABLE = "file_unreadable"
    SCHEMA_CHANGE = "schema_change"
    DUPLICATE_LOAD = "duplicate_load"
    SOURCE_VOLUME = "source_volume"
    CLOCK_SHIFT = "clock_shift"
    NULL_SPIKE = "null_spike"
    CATEGORY_RENAMED = "category_renamed"
    UNIT_CHANGE = "unit_change"
    TRANSFORM_CHANGED = "transform_changed"
    STEP_FAILED = "step_failed"
    OUTCOMES_LATE = "outcomes_late"
    CHAMPION_MISSING = "champion_missing"
    SCORING_INCOMPLETE = "scoring_incomplete"
    TRAIN_SERVE_SKEW = "train_serve_skew"
    CONCEPT_DRIFT = "concept_drift"
    CALIBRATION_LOST = "calibration_lost"
    PRIOR_SHIFT = "prior_shift"
    COVARIATE_DRIFT = "covariate_drift"
    STALE_MODEL = "stale_model"
    BENIGN = "benign"
    HEALTHY = "healthy"


KIND_OF: dict[Cause, Kind] = {
    Cause.DISK_FULL: "platform",
    Cause.WAREHOUSE_LOCKED: "platform",
    Cause.MLFLOW_DOWN: "platform",
    Cause.SOURCE_LATE: "data",
    Cause.FILE_UNREADABLE: "data",
    Cause.SCHEMA_CHANGE: "data",
    Cause.DUPLICATE_LOAD: "data",
    Cause.SOURCE_VOLUME: "data",
    Cause.CLOCK_SHIFT: "data",
    Cause.NULL_SPIKE: "data",
    Cause.CATEGORY_RENAMED: "data",
    Cause.UNIT_CHANGE: "data",
    Cause.TRANSFORM_CHANGED: "data",
    Cause.STEP_FAILED: "platform",
    Cause.OUTCOMES_LATE: "data",
    Cause.CHAMPION_MISSING: "model",
    Cause.SCORING_INCOMPLETE: "model",
    Cause.TRAIN_SERVE_SKEW: "model",
    Cause.CONCEPT_DRIFT: "model",
    Cause.CALIBRATION_LOST: "model",
    Cause.PRIOR_SHIFT: "model",
    Cause.COVARIATE_DRIFT: "model",
    Cause.STALE_MODEL: "model",
    Cause.BENIGN: "none",
    Cause.HEALTHY: "none",
}


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a product.

    cause: a value of `Cause`. kind: data, model, platform or none. asset: the first broken asset upstream of the
    symptom, as "raw/usage_events"; group: the dbt group accountable for it. confidence: 0..1, an estimate that each
    rule states for its kind of evidence, not a measured share. since: first instant the evidence shows it, None where
    nothing says. evidence: at most three sentences with numbers, strongest first. ruled_out: what was looked at and
    found sound, with its number. command: what to type next.
    """

    product: str
    cause: str
    kind: Kind
    asset: str
    group: str
    confidence: float
    since: datetime | None
    evidence: tuple[str, ...]
    ruled_out: tuple[str, ...]
    command: str

    def __post_init__(self) -> None:
        if self.cause not in KIND_OF or self.kind != KIND_OF[Cause(self.cause)]:
            allowed = ", ".join(f"{cause} ({kind})" for cause, kind in KIND_OF.items())
            raise ValueError(f"diagnosis {self.cause!r} of kind {self.kind!r}; allowed: {allowed}")
        if not 0 <= self.confidence <= 1 or len(self.evidence) > MOST_EVIDENCE:
            raise ValueError(
                f"diagnosis {self.cause}: confidence {self.confidence} (allowed 0 to 1), "
                f"{len(self.evidence)} pieces of evidence (allowed at most {MOST_EVIDENCE})"
            )

    @property
    def is_fault(self) -> bool:
        """Whether somebody must mend something."""
        return self.kind != "none"

    def as_json(self) -> str:
        """One JSON object with the fields by name; `since` in ISO form."""
        return json.dumps(asdict(self) | {"since": self.since.isoformat() if self.since else None}, ensure_ascii=False)
