"""What a version reads from the scoring set, checked against what its training saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ml.clock import sql
from ml.errors import DuplicateRows, FeatureTypeChanged, MissingFeature, UnexpectedNulls
from ml.features import Feature, frame, kind_of
from ml.home import Home
from ml.ids import holdout_sql, prediction_id_sql
from ml.model import Model, Scores
from ml.model_store import load
from ml.ops_tables import columns_of
from ml.product import Product
from ml.registry import Version, artifact
from ml.warehouse import first_row

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_SLICE_ROWS = 1_000_000


@dataclass(frozen=True)
class Source:
    """One version's view of the scoring set: its model, its features and their types there."""

    product: Product
    version: Version
    model: Model
    features: tuple[Feature, ...]
    types: dict[str, str]

    def read(
        self, con: "DuckDBPyConnection", days: Sequence[datetime], role: str, chunk_rows: int
    ) -> "pa.RecordBatchReader":
        """Rows of some days that the log lacks, in chunks: id (as text), entity, as_of, is_holdout, features."""
        entity, log = f'"{self.product.entity}"', self.product.relation("predictions")
        wanted, fingerprint = timestamps(days), self.version.fingerprint
        columns = [
            f"{prediction_id_sql(entity, 'as_of', fingerprint, role)} as prediction_id",
            f"{entity}, as_of, {holdout_sql(entity, self.product.holdout, self.product.name)} as is_holdout",
            *(f'"{name}"::{_arrow_type(kind)} as "{name}"' for name, kind in self.types.items()),
        ]
        rows = f"select {', '.join(columns)} from {self.product.relation('scoring_set')} where {wanted}"
        of_version = f"from {log} where {wanted} and model_fingerprint = '{fingerprint}' and role = '{role}'"
        if first_row(con, f"select 1 {of_version} limit 1"):
            rows = f"select * from ({rows}) anti join (select prediction_id {of_version}) using (prediction_id)"
        reader = con.cursor()
        return reader.sql(f"select * replace (prediction_id::varchar as prediction_id) from ({rows})").to_arrow_reader(
            chunk_rows
        )

    def scores(self, batch: "pa.RecordBatch") -> Scores:
        """Scores of a chunk. Raises UnexpectedNulls, MatrixError."""
        nulls = {f.name: batch.column(f.name).null_count for f in self.features if not f.has_nulls}
        found = [f"{name} in {n} of {batch.num_rows} rows" for name, n in nulls.items() if n]
        if found:
            raise UnexpectedNulls(
                f"version {self.version.version} of {self.product.name} was trained without nulls in these features, "
                f"and the scoring set has them: {', '.join(found)}. Mend the feature's SQL (coalesce says what a "
                "missing value means), or train on a history that has such nulls: baton retrain"
            )
        return self.model.scores(frame(batch, self.features))


def open_source(con: "DuckDBPyConnection", product: Product, version: Version, home: Home) -> Source:
    """Load a version and check that the scoring set has what it wants. Raises MissingFeature, FeatureTypeChanged."""
    stored = artifact(con, product, version.version)
    features = tuple(Feature(**feature) for feature in stored["features"])
    columns, table = columns_of(con, product, "scoring_set"), product.relation("scoring_set")
    lacking = [feature.name for feature in features if feature.name not in columns]
    if lacking:
        raise MissingFeature(
            f"version {version.version} of {product.name} wants {', '.join(lacking)}; {table} has "
            f"{', '.join(columns)}. Put it back into {product.name}_scoring_set, or take it out of "
            f"{product.name}_training_set and train: baton retrain"
        )
    changed = [
        f"{feature.name} was {feature.type} and is {columns[feature.name]}"
        for feature in features
        if kind_of(feature.name, columns[feature.name], table) != feature.kind
    ]
    if changed:
        raise FeatureTypeChanged(
            f"version {version.version} of {product.name} was trained on other types than {table} has: "
            f"{'; '.join(changed)}. Cast the column back, or train on the new type: baton retrain"
        )
    types = {feature.name: columns[feature.name] for feature in features}
    return Source(product, version, load(home, stored["path"]), features, types)


def timestamps(days: Sequence[datetime]) -> str:
    """`as_of in (...)` as SQL."""
    return "as_of in (" + ", ".join(f"timestamp '{sql(day)}'" for day in days) + ")"


def check_unique(con: "DuckDBPyConnection", product: Product, days: Sequence[datetime], rows: int) -> None:
    """Raise DuplicateRows if an entity stands twice in a day. In slices: the memory does not grow with the day."""
    entity, slices = f'"{product.entity}"', rows // _SLICE_ROWS + 1
    for number in range(slices):
        twice = first_row(
            con,
            f"select {entity}, as_of, count(*) from {product.relation('scoring_set')} where {timestamps(days)} "
            f"and hash({entity}) % {slices} = {number} group by {entity}, as_of having count(*) > 1 limit 1",
        )
        if twice:
            raise DuplicateRows(
                f"{product.relation('scoring_set')} has {twice[2]} rows for {product.entity} {twice[0]} at as_of "
                f"{twice[1]}; allowed is one. Find them: dbt test --select {product.name}_scoring_set"
            )


def _arrow_type(kind: str) -> str:
    """Arrow has no 128-bit integer; doubles keep such counts exact up to 2^53."""
    return "double" if kind.endswith("HUGEINT") else kind
