"""Writing scored chunks into `PRODUCT.predictions` and `PRODUCT.prediction_features`."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ml.product import Product
from ml.scoring_input import Source
from ml.warehouse import first_row

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Batch:
    """What all rows of one transaction share: wall clock of writing, the run's clock, the run.

    In a rehearsal, a day that was over is written as known at its as_of.
    """

    predicted_at: datetime
    now: datetime
    run_id: str
    rehearsal: bool


def next_instant(con: "DuckDBPyConnection", product: Product) -> datetime:
    """The wall clock, but later than anything written before: readers use predicted_at as their watermark."""
    row = first_row(con, f"select max(predicted_at) from {product.relation('predictions')}")
    wall = datetime.now(UTC).replace(tzinfo=None)
    last = row[0] if row else None
    return wall if last is None else max(wall, last + timedelta(microseconds=1))


def append(con: "DuckDBPyConnection", source: Source, chunk: "pa.RecordBatch", role: str, batch: Batch) -> None:
    """Score one chunk and write it to both logs."""
    import pyarrow as pa

    product, version, scores = source.product, source.version, source.scores(chunk)
    columns = {name: chunk.column(name) for name in chunk.schema.names}
    scored = {"raw_score__": pa.array(scores.raw), "score__": pa.array(scores.score)}
    con.register("scored_rows", pa.table(columns | scored))
    con.execute(
        f"""
        insert into {product.relation("predictions")} by name
        select
            prediction_id::uuid as prediction_id, "{product.entity}", as_of, $predicted_at as predicted_at,
            case when $rehearsal and $now > as_of + interval 1 day then as_of else $now end as known_at,
            raw_score__ as raw_score, score__ as score, $threshold as threshold,
            (score__ >= $threshold)::integer as predicted_label, null as reasons,
            $version as model_version, $fingerprint as model_fingerprint, $role as role, is_holdout,
            'batch' as origin, $spec_hash as spec_hash, $run_id as dagster_run_id, $mlflow_run_id as mlflow_run_id
        from scored_rows
        """,
        {
            "predicted_at": batch.predicted_at,
            "now": batch.now,
            "rehearsal": batch.rehearsal,
            "threshold": version.threshold,
            "version": version.version,
            "fingerprint": version.fingerprint,
            "role": role,
            "spec_hash": product.spec_hash,
            "run_id": batch.run_id,
            "mlflow_run_id": version.mlflow_run_id,
        },
    )
    features = "".join(f', "{name}"::{kind} as "{name}"' for name, kind in source.types.items())
    con.execute(
        f"insert into {product.relation('prediction_features')} by name "
        f"select prediction_id::uuid as prediction_id{features} from scored_rows"
    )
    con.unregister("scored_rows")
