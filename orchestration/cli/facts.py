"""What the published copy says about layers and products: read-only questions, answered as plain values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ml.clock import parse_duration
from ml.home import Home

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ml.product import Product

# How data flows; any other schema is a product or the team's own and comes in between.
FIRST, LAST = ("raw", "staging", "features"), ("ops",)
CLOSED = ("positive", "negative", "late_positive")
ALL_DAYS = 36525  # a century: what `whole` looks back
OPEN = ("pending", "early_positive")
MEASURES = ("roc_auc", "roc_auc_low", "roc_auc_high", "value", "value_treat_none", "value_treat_all")


@dataclass(frozen=True)
class Layer:
    """Rows of one schema of the published copy."""

    name: str
    tables: int
    rows: int


@dataclass(frozen=True)
class Champion:
    """The version that serves. Metrics are those of its test cohort."""

    version: int
    algorithm: str
    labels_known_until: datetime
    serves_from: datetime
    reason: str
    roc_auc: float | None
    roc_auc_low: float | None
    roc_auc_high: float | None


@dataclass(frozen=True)
class Performance:
    """The longest window, at its newest end at which every decision has matured. Money in the product's currency."""

    window_kind: str
    window_days: int
    window_end: datetime
    n: int
    roc_auc: float | None
    roc_auc_low: float | None
    roc_auc_high: float | None
    value: float | None
    treat_none: float | None
    treat_all: float | None


@dataclass(frozen=True)
class ProductFacts:
    """One product as a person wants it: who serves, how old the newest score is, what has matured, what it earned."""

    name: str
    label: str
    currency: str
    is_monitor_only: bool
    champion: Champion | None
    scored_until: datetime | None
    predictions: int | None
    on_action_list: int | None
    decisions_matured: int
    decisions_pending: int
    decisions_early_positive: int
    performance: Performance | None


def layers(con: "DuckDBPyConnection") -> list[Layer]:
    """Rows per schema, in the order in which data flows; views are counted by asking them."""
    names = con.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_catalog = current_database() and table_schema not in ('information_schema', 'main')"
    ).fetchall()
    counted: dict[str, list[int]] = {}
    for schema, table in names:
        counted.setdefault(schema, []).append(_scalar(con, f'select count(*) from "{schema}"."{table}"'))
    return [Layer(name, len(counted[name]), sum(counted[name])) for name in sorted(counted, key=_position)]


def _position(schema: str) -> tuple[int, str]:
    if schema in FIRST:
        return FIRST.index(schema), ""
    return len(FIRST) + (schema in LAST), schema


def product_names(con: "DuckDBPyConnection") -> list[str]:
    """Products of the published copy: the schemas that hold a prediction log, or decisions on somebody else's."""
    rows = con.execute(
        "select distinct table_schema from information_schema.tables "
        "where table_name in ('predictions', 'decisions') order by 1"
    ).fetchall()
    return [row[0] for row in rows]


def declared(home: Home) -> Mapping[str, "Product"]:
    """Products as the last parsed manifest declares them; empty before the first parse. Parses nothing."""
    manifest = home.root / "dbt" / "target" / "manifest.json"
    if not manifest.is_file():
        return {}
    from ml.product import load_products

    return load_products(json.loads(manifest.read_bytes()))


def product_facts(con: "DuckDBPyConnection", name: str, product: "Product | None") -> ProductFacts:
    """Everything about one product; what is not built yet is None or 0."""
    states = dict(_rows(con, name, "outcomes", "select state, count(*) from {relation} group by state"))
    log = _rows(con, name, "predictions", "select max(as_of), count(*) from {relation}")
    newest = log or _rows(con, name, "decisions", "select max(as_of) from {relation}")  # a log in a schema of its owner
    # Held-out ones are left alone; a list without the column holds out nobody.
    to_act_on = "select count(*) from {relation} as l where not coalesce(to_json(l) ->> 'is_holdout' = 'true', false)"
    calls = _rows(con, name, "action_list", to_act_on)
    return ProductFacts(
        name=name,
        label=product.label if product else name,
        currency=product.value.currency if product and product.value else "",
        is_monitor_only=product is not None and product.train is None,
        champion=champion(con, name),
        scored_until=newest[0][0] if newest else None,
        predictions=log[0][1] if log else None,
        on_action_list=calls[0][0] if calls else None,
        decisions_matured=sum(states.get(state, 0) for state in CLOSED),
        decisions_pending=sum(states.get(state, 0) for state in OPEN),
        decisions_early_positive=states.get("early_positive", 0),
        performance=performance(con, name),
    )


def champion(con: "DuckDBPyConnection", name: str) -> Champion | None:
    """The version that serves from now on, or None before the first training."""
    rows = dicts(
        con,
        "ops",
        "model_versions",
        "select * from {relation} where product = $product and is_champion "
        "order by serves_from desc, version desc limit 1",
        {"product": name},
    )
    if not rows:
        return None
    row, metrics = rows[0], json.loads(rows[0]["metrics"] or "{}")
    return Champion(
        row["version"],
        row["algorithm"],
        row["labels_known_until"],
        row["serves_from"],
        row["reason"] or "",
        *(metrics.get(key) for key in ("roc_auc", "roc_auc_low", "roc_auc_high")),
    )


def performance(con: "DuckDBPyConnection", name: str) -> Performance | None:
    """The longest window of days, else `whole`, at its newest closed end, over all versions and slices, matured."""
    rows = dicts(
        con,
        name,
        "performance",
        "select * from {relation} where slice_name = 'overall' and model_version = 'all' "
        "and basis = 'matured' and n > 0 and n_matured = n "
        "qualify row_number() over (partition by window_kind order by window_end desc) = 1",
    )
    by_days = [(days, row) for row in rows if (days := _days(row["window_kind"]))]
    if not by_days:
        return None
    days, row = max(by_days, key=lambda found: found[0] if found[0] < ALL_DAYS else 1)
    return Performance(
        row["window_kind"],
        days,
        row["window_end"],
        row["n"],
        *(row.get(key) for key in MEASURES),
    )


def _days(window_kind: str) -> int:
    """Days of a window; 0 for one of hours, ALL_DAYS for the history so far."""
    return ALL_DAYS if window_kind == "whole" else parse_duration(window_kind).days


def as_dict(facts: Any) -> dict[str, Any]:
    """A dataclass of facts as JSON-ready mapping."""
    return asdict(facts)


def _exists(con: "DuckDBPyConnection", schema: str, table: str) -> bool:
    found = con.execute(
        "select 1 from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    )
    return found.fetchone() is not None


def _rows(con: "DuckDBPyConnection", schema: str, table: str, query: str) -> list[tuple[Any, ...]]:
    if not _exists(con, schema, table):
        return []
    return con.execute(query.format(relation=f'"{schema}"."{table}"')).fetchall()


def dicts(
    con: "DuckDBPyConnection", schema: str, table: str, query: str, parameters: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Rows of a query on `{relation}` as mappings; none where the relation does not exist yet."""
    if not _exists(con, schema, table):
        return []
    con.execute(query.format(relation=f'"{schema}"."{table}"'), parameters or {})
    columns = [entry[0] for entry in con.description or []]
    return [dict(zip(columns, row, strict=True)) for row in con.fetchall()]


def _scalar(con: "DuckDBPyConnection", query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
