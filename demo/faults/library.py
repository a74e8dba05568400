"""Every fault by name, in the order of the lineage."""

from demo.faults import inside, landing, machine, people
from demo.faults.fault import Fault

DATA, ANALYTICS, ML = "data_engineering", "analytics_engineering", "ml_engineering"
RAW = tuple(f"raw/{table}" for table in ("usage_events", "invoices", "support_tickets", "accounts", "subscriptions"))
LOST = ("raw/churn_events",)
SQL = ("staging/usage", "features/usage", "churn/scoring_set")
MODEL, LOG, WAREHOUSE = ("churn/model",), ("churn/predictions",), ("published/warehouse",)
late = landing.source_late("usage_events", "invoices", "support_tickets", "accounts", "subscriptions")
outcomes = landing.source_late("churn_events")

FAULTS = (
    Fault("disk_full", "no file may grow", "disk_full", WAREHOUSE, DATA, "before", machine.disk_full),
    Fault(
        "warehouse_locked",
        "another process holds it",
        "warehouse_locked",
        WAREHOUSE,
        DATA,
        "before",
        machine.warehouse_locked,
    ),
    Fault("mlflow_down", "registry unreadable", "mlflow_down", MODEL, ML, "before", machine.mlflow_down),
    Fault(
        "file_unreadable",
        "half a compressed file",
        "file_unreadable",
        RAW,
        DATA,
        "landing",
        landing.file_unreadable,
    ),
    Fault("source_late", "a delivery does not come", "source_late", RAW, DATA, "landing", late, lasts=True),
    Fault("outcomes_late", "outcomes do not come", "outcomes_late", LOST, DATA, "landing", outcomes, lasts=True),
    Fault(
        "schema_change",
        "a number as text, a new name",
        "schema_change",
        RAW,
        DATA,
        "landing",
        landing.schema_change,
    ),
    Fault(
        "duplicate_load",
        "yesterday's rows once more",
        "duplicate_load",
        RAW,
        DATA,
        "landing",
        landing.duplicate_load,
    ),
    Fault(
        "landing_truncated",
        "a fifth of the lines",
        "source_volume",
        RAW,
        DATA,
        "landing",
        landing.landing_truncated,
    ),
    Fault("clock_shift", "local time as UTC", "clock_shift", RAW, DATA, "landing", landing.clock_shift),
    Fault("null_spike", "a number empty in 70 % of rows", "null_spike", RAW, DATA, "landing", landing.null_spike),
    Fault(
        "category_renamed",
        "a value spelled anew",
        "category_renamed",
        RAW,
        DATA,
        "landing",
        landing.category_renamed,
    ),
    Fault("unit_change", "60 or 100 times", "unit_change", RAW, DATA, "landing", landing.unit_change),
    Fault(
        "transform_changed",
        "SQL edited",
        "transform_changed",
        SQL,
        ANALYTICS,
        "before",
        inside.transform_changed,
        renews_graph=True,
    ),
    Fault(
        "champion_missing",
        "alias or artifact gone",
        "champion_missing",
        MODEL,
        ML,
        "before",
        inside.champion_missing,
    ),
    Fault(
        "scoring_incomplete",
        "20 to 60 % unscored",
        "scoring_incomplete",
        LOG,
        ML,
        "scored",
        inside.scoring_incomplete,
    ),
    Fault(
        "train_serve_skew",
        "the scorer reads other values",
        "train_serve_skew",
        LOG,
        ML,
        "prepared",
        inside.train_serve_skew,
        lasts=True,
    ),
    Fault(
        "calibration_lost",
        "scores 3 to 5 times",
        "calibration_lost",
        MODEL,
        ML,
        "scored",
        inside.calibration_lost,
        lasts=True,
    ),
    Fault(
        "concept_drift",
        "2 % a day leave, the safest",
        "concept_drift",
        MODEL,
        ML,
        "landing",
        people.concept_drift,
        lasts=True,
        first_seen=10,
        last_seen=16,
    ),
    Fault(
        "prior_shift",
        "2 % a day leave, by risk",
        "prior_shift",
        MODEL,
        ML,
        "landing",
        people.prior_shift,
        lasts=True,
        first_seen=10,
        last_seen=16,
    ),
    Fault(
        "covariate_drift",
        "a wave of small newcomers",
        "covariate_drift",
        MODEL,
        ML,
        "landing",
        people.covariate_drift,
        first_seen=3,
    ),
    Fault("stale_model", "no retraining for 200 days", "stale_model", MODEL, ML, "before", inside.stale_model),
    Fault("benign", "newcomers from one country", "benign", (), "", "landing", people.benign, first_seen=3),
)


class UnknownFault(ValueError):
    """There is no such fault."""


def named(name: str) -> Fault:
    """The fault of that name. Raises UnknownFault with those there are."""
    found = next((fault for fault in FAULTS if fault.name == name), None)
    if found is None:
        raise UnknownFault(f"fault is {name!r}; there are {', '.join(fault.name for fault in FAULTS)}")
    return found
