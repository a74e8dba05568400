"""Tables that Python writes into the warehouse: the record of versions and each product's prediction log."""

from math import isnan
from typing import TYPE_CHECKING, Any

from ml.errors import FeatureTypeChanged
from ml.product import Product

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

_OPS = """
create schema if not exists ops;
create table if not exists ops.model_versions (
    product varchar, version integer, fingerprint varchar, algorithm varchar, labels_known_until timestamp,
    serves_from timestamp, serves_to timestamp, reason varchar, threshold double, mlflow_run_id varchar,
    trained_rows bigint, metrics json, spec_hash varchar, is_champion boolean
);
create table if not exists ops.model_reference (
    product varchar, version integer, fingerprint varchar, feature varchar, kind varchar, bin integer,
    lower double, upper double, category varchar, n bigint, share double, value double, detail json
);
create table if not exists ops.promotions (
    product varchar, version integer, fingerprint varchar, decided_at timestamp, champion_version integer,
    is_promoted boolean, reason varchar, metric varchar, delta double, delta_low double, delta_high double,
    margin double, n_matured bigint, n_positives bigint, serves_from timestamp, dagster_run_id varchar
);
"""

_PREDICTIONS = """
create schema if not exists "{product}";
create table if not exists {predictions} (
    prediction_id uuid, "{entity}" {entity_type}, as_of timestamp, predicted_at timestamp, known_at timestamp,
    raw_score double, score double, threshold double, predicted_label integer, reasons varchar,
    model_version integer, model_fingerprint varchar, role varchar, is_holdout boolean, origin varchar,
    spec_hash varchar, dagster_run_id varchar, mlflow_run_id varchar
);
create table if not exists {features} (prediction_id uuid);
"""


def ensure_ops(con: "DuckDBPyConnection") -> None:
    """Create the record of versions, references and promotions where it is missing."""
    con.execute(_OPS)


def ensure_product_log(con: "DuckDBPyConnection", product: Product) -> None:
    """Create the product's prediction log where it is missing; the entity is typed as in the scoring set, else text.

    A log that was made before there was a scoring set takes the type of the scoring set while it is empty.
    """
    entity_type = columns_of(con, product, "scoring_set").get(product.entity)
    con.execute(
        _PREDICTIONS.format(
            product=product.name,
            entity=product.entity,
            entity_type=entity_type or "VARCHAR",
            predictions=product.relation("predictions"),
            features=product.relation("prediction_features"),
        )
    )
    log, logged = product.relation("predictions"), columns_of(con, product, "predictions").get(product.entity)
    if entity_type and logged != entity_type and not con.execute(f"select 1 from {log} limit 1").fetchone():
        con.execute(f'alter table {log} alter "{product.entity}" type {entity_type}')


def ensure_feature_columns(con: "DuckDBPyConnection", product: Product, types: "Mapping[str, str]") -> None:
    """Add to the feature log what it lacks. Raises FeatureTypeChanged where it holds the name with another type."""
    table, known = product.relation("prediction_features"), columns_of(con, product, "prediction_features")
    changed = [
        f"{name} is {kind}, logged as {known[name]}" for name, kind in types.items() if known.get(name, kind) != kind
    ]
    if changed:
        raise FeatureTypeChanged(
            f"{table} never retypes a column: {'; '.join(changed)}. Give the feature a new name in "
            f"{product.name}_training_set and {product.name}_scoring_set, or cast it back, then: baton run"
        )
    for name, kind in types.items():
        if name not in known:
            con.execute(f'alter table {table} add column "{name}" {kind}')


def columns_of(con: "DuckDBPyConnection", product: Product, table: str) -> dict[str, str]:
    """Column names and DuckDB types of a product's relation in order; empty where it does not exist."""
    return columns_in(con, product.name, table)


def columns_in(con: "DuckDBPyConnection", schema: str, table: str) -> dict[str, str]:
    """Column names and DuckDB types of any relation in order; empty where it does not exist."""
    rows = con.execute(
        "select column_name, data_type from duckdb_columns() where schema_name = ? and table_name = ? "
        "and database_name = current_database() order by column_index",
        [schema, table],
    ).fetchall()
    return dict(rows)


def insert_row(con: "DuckDBPyConnection", table: str, **row: Any) -> None:
    """One row by column names; a NaN becomes null, as nothing was measured."""
    values = [None if isinstance(value, float) and isnan(value) else value for value in row.values()]
    con.execute(f"insert into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})", values)
