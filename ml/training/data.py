"""The training set as it was known at a cut: rows, fingerprint of their content, features, money."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.clock import sql
from ml.errors import AmountError, TooLittleData
from ml.features import NOT_FEATURES, Feature, feature_columns, frame, kind_of
from ml.ids import bucket_sql
from ml.ops_tables import columns_of
from ml.product import Product
from ml.value import Cells, cells_of
from ml.warehouse import first_row

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

FOLDS = 5
_ML = Path(__file__).resolve().parent.parent
_CODE = ("training/*.py", "features.py", "value.py", "evaluation.py", "bootstrap.py", "model.py", "ids.py")
_LIBRARIES = ("numpy", "scikit-learn")


@dataclass(frozen=True)
class Content:
    """What a training at this cut would read: identity without reading it into memory."""

    n: int
    content_hash: str
    code_hash: str
    fingerprint: str
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class Data:
    """n labelled rows ordered by as_of, entity; `part` and `fold` are fixed draws of the entity, 0 .. FOLDS - 1."""

    frame: "pd.DataFrame"
    outcome: "NDArray[np.int8]"
    as_of: "NDArray[np.datetime64]"
    entity: "NDArray[np.int64]"
    part: "NDArray[np.int64]"
    fold: "NDArray[np.int64]"
    cells: Cells


def inspect(con: "DuckDBPyConnection", product: Product, cut: datetime, seed: int) -> Content:
    """Features, content hash and fingerprint of the rows with label_known_at <= cut.

    The content hash adds up md5 over rows, so it does not depend on their order. Raises TooLittleData without rows,
    FeatureTypeError, AmountError.
    """
    columns = columns_of(con, product, "training_set")
    _check_columns(product, columns)
    picked = feature_columns(product, columns)
    used = [product.entity, *NOT_FEATURES, *product.cells.amounts, *picked]
    text = ", ".join(f'coalesce("{name}"::varchar, chr(30))' for name in used)
    nulls = ", ".join(f'count(*) - count("{name}")' for name in picked)
    row = first_row(
        con,
        f"select count(*), sum(md5_number_upper(r)), sum(md5_number_lower(r)), sum(bad){', ' + nulls if nulls else ''} "
        f"from (select *, concat_ws(chr(31), {text}) as r, (outcome_label in (0, 1)) is not true as bad "
        f"from {product.relation('training_set')} where label_known_at <= ?)",
        [cut],
    )
    assert row is not None
    _check_labels(product, cut, int(row[0]), int(row[3] or 0))
    table = f"{product.name}_training_set"
    features = tuple(
        Feature(name, kind, kind_of(name, kind, table), n > 0)
        for (name, kind), n in zip(picked.items(), row[4:], strict=True)
    )
    content = _sha(f"{[(name, columns[name]) for name in used]}|{row[0]}|{row[1]}|{row[2]}")
    code = code_hash()
    fingerprint = _sha(f"{product.name}|{content}|{product.training_hash}|{code}|{seed}|{sql(cut)}")[:16]
    return Content(int(row[0]), content, code, fingerprint, features)


def code_hash() -> str:
    """Over the modules and libraries whose change may change a number of a fitted model."""
    files = sorted(path for pattern in _CODE for path in _ML.glob(pattern))
    sources = "".join(f"{path.relative_to(_ML)}\n{path.read_text()}" for path in files)
    return _sha(sources + "".join(f"{name}=={version(name)}" for name in _LIBRARIES))[:16]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_columns(product: Product, columns: dict[str, str]) -> None:
    table = product.relation("training_set")
    if not columns:
        raise TooLittleData(f"{table} does not exist. Next: dbt build --select {product.name}_training_set")
    lacking = [name for name in (product.entity, *NOT_FEATURES) if name not in columns]
    if lacking:
        raise TooLittleData(
            f"{table} lacks {', '.join(lacking)}; it has {', '.join(columns)}. A training set has the columns "
            f"{product.entity}, {', '.join(NOT_FEATURES)}, features and amounts"
        )
    amounts = [name for name in product.cells.amounts if name not in columns]
    if amounts:
        raise AmountError(f"{product.path}, product {product.name}: value names {', '.join(amounts)}, not in {table}")


def _check_labels(product: Product, cut: datetime, n: int, n_bad: int) -> None:
    if not n:
        raise TooLittleData(
            f"{product.relation('training_set')} has no row with label_known_at <= {cut}. Labels are final "
            f"{product.gap.days} days after as_of: wait, load older history, or train with a later cut"
        )
    if n_bad:
        raise TooLittleData(
            f"outcome_label is neither 0 nor 1 in {n_bad} of {n} rows of {product.relation('training_set')}"
        )


def read(con: "DuckDBPyConnection", product: Product, content: Content, cut: datetime) -> Data:
    """The rows through Arrow, in one deterministic order."""
    entity = f'"{product.entity}"'
    select: list[str] = [f"{entity}::varchar as entity", "as_of", "outcome_label::tinyint as outcome_label"]
    select += [f"{bucket_sql(entity, FOLDS, f'{use}|{product.name}')} as {use}__" for use in ("part", "fold")]
    select += [f'"{name}"::double as "amount__{name}"' for name in product.cells.amounts]
    select += [f'"{feature.name}"{_arrow_cast(feature)}' for feature in content.features]
    table = con.sql(
        f"select {', '.join(select)} from {product.relation('training_set')} "
        f"where label_known_at <= timestamp '{sql(cut)}' order by as_of, {entity}"
    ).to_arrow_table()

    def numbers(name: str, dtype: Any) -> Any:
        return table.column(name).to_numpy().astype(dtype)

    amounts = {name: numbers(f"amount__{name}", np.float64) for name in product.cells.amounts}
    return Data(
        frame=frame(table, content.features),
        outcome=numbers("outcome_label", np.int8),
        as_of=numbers("as_of", "datetime64[us]"),
        entity=np.unique(table.column("entity").to_numpy(zero_copy_only=False), return_inverse=True)[1],
        part=numbers("part__", np.int64),
        fold=numbers("fold__", np.int64),
        cells=cells_of(product.cells, amounts, len(table)),
    )


def _arrow_cast(feature: Feature) -> str:
    """Numbers travel as doubles: Arrow has no 128-bit integer."""
    return f'::double as "{feature.name}"' if feature.kind == "number" else ""
