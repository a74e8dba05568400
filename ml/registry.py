"""Which version serves when. The warehouse is the truth (`ops.model_versions`); MLflow's alias follows it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ml.errors import NoServingVersion
from ml.home import Home
from ml.ops_tables import ensure_ops
from ml.product import Product
from ml.warehouse import first_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS = (
    *("version", "fingerprint", "algorithm", "labels_known_until", "serves_from", "serves_to", "reason", "threshold"),
    *("mlflow_run_id", "trained_rows", "metrics", "spec_hash", "is_champion"),
)


@dataclass(frozen=True)
class Version:
    """A registered version. It serves as_of days in [serves_from, serves_to); a challenger has no serves_from."""

    version: int
    fingerprint: str
    algorithm: str
    labels_known_until: datetime
    serves_from: datetime | None
    serves_to: datetime | None
    reason: str
    threshold: float
    mlflow_run_id: str
    trained_rows: int
    recorded: dict[str, Any]
    spec_hash: str
    is_champion: bool

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers of the training; what was undefined is NaN."""
        numbers = {name: value for name, value in self.recorded.items() if name != "notes"}
        return {name: float("nan") if value is None else float(value) for name, value in numbers.items()}

    @property
    def notes(self) -> dict[str, str]:
        """Words of the training: split, data window, hashes."""
        return dict(self.recorded.get("notes", {}))

    def serves(self, as_of: datetime) -> bool:
        """Whether this version answers for `as_of`: serving then, and trained on nothing known later."""
        started = self.serves_from is not None and self.serves_from <= as_of
        return started and (self.serves_to is None or as_of < self.serves_to) and self.labels_known_until <= as_of


def versions(con: "DuckDBPyConnection", product: Product) -> list[Version]:
    """All registered versions, oldest first."""
    ensure_ops(con)
    rows = con.execute(
        f"select {', '.join(_COLUMNS)} from ops.model_versions where product = ? order by version", [product.name]
    ).fetchall()
    return [_version(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _version(row: dict[str, Any]) -> Version:
    return Version(recorded=json.loads(row.pop("metrics")), **row)


def champion(con: "DuckDBPyConnection", product: Product) -> Version | None:
    """The version that serves from now on, if any was ever promoted."""
    return next((version for version in versions(con, product) if version.is_champion), None)


def by_fingerprint(con: "DuckDBPyConnection", product: Product, fingerprint: str) -> Version | None:
    """The version with that content, if it was registered before."""
    return next((version for version in versions(con, product) if version.fingerprint == fingerprint), None)


def serving_version(con: "DuckDBPyConnection", product: Product, as_of: datetime) -> Version:
    """The version that answers for `as_of`. Raises NoServingVersion with what there is and the way out."""
    return pick_serving(versions(con, product), product, as_of)


def pick_serving(known: list[Version], product: Product, as_of: datetime) -> Version:
    """`serving_version` among versions read before; of two that serve, the newer."""
    serving = [version for version in known if version.serves(as_of)]
    if serving:
        return serving[-1]
    have = "; ".join(
        f"version {v.version} serves from {v.serves_from} to {v.serves_to or 'now on'}"
        if v.serves_from
        else f"version {v.version} was not promoted: {v.reason}"
        for v in known
    )
    raise NoServingVersion(
        f"no version of {product.name} serves as_of {as_of}: {have or 'none is registered'}. A past day "
        "is scored only by a version whose training saw no label known later. Choose days from the first serves_from "
        "on, or train: baton retrain"
    )


def is_due(con: "DuckDBPyConnection", product: Product, now: datetime) -> bool:
    """Whether the product's cadence asks for a training: no version yet, or the newest cut is a cadence ago."""
    if product.train is None:
        return False
    newest = max((version.labels_known_until for version in versions(con, product)), default=None)
    return newest is None or now - newest >= product.train.cadence


def artifact(con: "DuckDBPyConnection", product: Product, version: int) -> dict[str, Any]:
    """Where a version's model is and what it takes: path below `mlartifacts/`, experiment_id, features."""
    row = first_row(
        con,
        "select detail from ops.model_reference where product = ? and version = ? and kind = 'artifact'",
        [product.name, version],
    )
    if row is None:
        raise NoServingVersion(
            f"version {version} of {product.name} has no artifact in ops.model_reference. Delete its row from "
            "ops.model_versions and train again: baton run"
        )
    return dict(json.loads(row[0]))


def reconcile(con: "DuckDBPyConnection", product: Product, home: Home) -> int | None:
    """Put MLflow's alias `champion` where the warehouse says and return that version; a killed run may have left it
    behind. Imports MLflow only when there is something to put right."""
    serving = champion(con, product)
    if serving is None:
        return None
    marker = home.mlartifacts / product.name / "champion"
    if not marker.exists() or marker.read_text() != str(serving.version):
        from ml.mlflow_log import set_alias

        set_alias(home, product.name, serving.version)
        marker.write_text(str(serving.version))
    return serving.version
