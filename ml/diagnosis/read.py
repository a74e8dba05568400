"""Evidence of one product from the live warehouse at one day. Reads only; what is not there stays empty."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ml import clock
from ml.diagnosis import read_model, record
from ml.diagnosis.evidence import Evidence, Failed, Source, TableDays
from ml.diagnosis.lineage import Lineage, Raw
from ml.diagnosis.profile import last_days, table_days
from ml.home import Home
from ml.ops_tables import columns_in, columns_of
from ml.product import Product
from ml.quoting import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQLITE = b"SQLite format 3\x00"


def read(
    con: "DuckDBPyConnection", product: Product, upstream: Lineage, now: datetime, errors: Sequence[Failed], home: Home
) -> Evidence:
    """What is known of `product` at `now`; errors: failed steps and error checks of the run of that day."""
    day = clock.as_of(now)
    recent, before = read_model.answers(con, product, now)
    population, scored = _coverage(con, product, day)
    return Evidence(
        product=product.name,
        owner=product.owner,
        day=day,
        errors=tuple(errors),
        sources=tuple(_source(con, raw, day, now) for raw in upstream.sources),
        features=_features(con, product, day),
        scores=_scores(con, product, day),
        changed=record.changed(con, day, upstream),
        recent=recent,
        before=before,
        drift=read_model.drift(con, product, day),
        parity=read_model.parity(con, product, day, upstream.sources),
        champion=read_model.champion(con, product, day),
        population=population,
        scored=scored,
        mlflow_error=mlflow_error(home) if product.train else "",
        trains=product.train is not None,
        groups=upstream.groups,
    )


def without_warehouse(
    product: Product, upstream: Lineage, now: datetime, errors: Sequence[Failed], home: Home, why: str
) -> Evidence:
    """What is known where the warehouse cannot be opened: the run's own words."""
    return Evidence(
        product=product.name,
        owner=product.owner,
        day=clock.as_of(now),
        errors=tuple(errors),
        mlflow_error=mlflow_error(home) if product.train else "",
        unreadable=why,
        trains=product.train is not None,
        groups=upstream.groups,
    )


def mlflow_error(home: Home) -> str:
    """Why the registry's database cannot be used, '' where it can or where there is none yet."""
    if not home.mlflow_db.exists():
        made = any(home.mlartifacts.iterdir()) if home.mlartifacts.is_dir() else False
        return f"{home.mlflow_db} is gone, though versions were registered in it" if made else ""
    with home.mlflow_db.open("rb") as file:
        return "" if file.read(len(SQLITE)) in (SQLITE, b"") else f"{home.mlflow_db} is no database that can be opened"


def _source(con: "DuckDBPyConnection", raw: Raw, day: datetime, now: datetime) -> Source:
    schema, table = raw.asset.split("/")[0], raw.asset.split("/")[-1]
    there = columns_in(con, schema, table)
    known_at = raw.known_at if raw.known_at in there else None
    if known_at is None:
        return Source(TableDays(raw.asset, raw.group, last_days(day), (), values=()), is_outcome=raw.is_outcome)
    limit = record.last_row_id(con, raw.asset, day) if raw.is_landed else None
    where = f"row_id <= {limit}" if limit is not None else "true"
    profile = table_days(
        con,
        raw.relation,
        asset=raw.asset,
        group=raw.group,
        day=_arrival(quoted(known_at), record.arrivals(con, raw.asset, day) if raw.is_landed else (), day),
        last=day,
        columns={name: there[name] for name in raw.columns if name in there},
        content=[name for name in dict.fromkeys((*raw.key, *raw.columns)) if name in there] if raw.is_landed else (),
        written_at=raw.written_at if raw.written_at in there and "event_at" in there else None,
        now=now,
        where=where,
    )
    loads = record.loads(con, raw.asset, day) if raw.is_landed else ()
    return Source(profile, loads, raw.is_outcome, known_at)


def _arrival(known_at: str, loads: Sequence[tuple[datetime, int]], day: datetime) -> str:
    """SQL for the day a row came: that of the recorded load that brought it, before them the day it was known.

    known_at alone would not do: what a morning loads is known that morning, or the day before where the source declares
    a `load_lag`, or when it was written. A row dated after the run's day came with this run all the same.
    """
    known = f"date_trunc('day', {known_at}) + interval 1 day"
    if not loads:
        return f"least({known}, timestamp '{day}')"
    (first, last_row), *others = loads
    told = [f"when row_id <= {last_row} then least({known}, timestamp '{first}')"]
    told += [f"when row_id <= {row_id} then timestamp '{as_of}'" for as_of, row_id in others]
    return f"case {' '.join(told)} else timestamp '{day}' end"


def _features(con: "DuckDBPyConnection", product: Product, day: datetime) -> TableDays | None:
    amounts = product.value.amounts if product.value else ()
    left_out = {product.entity, "as_of", *product.excluded, *amounts}
    columns = {name: kind for name, kind in columns_of(con, product, "scoring_set").items() if name not in left_out}
    if not columns:
        return None
    relation = product.relation("scoring_set")
    asset = product.asset("scoring_set")
    return table_days(
        con, relation, asset=asset, group="", day="as_of", last=day, columns=columns, where=f"as_of <= '{day}'"
    )


def _scores(con: "DuckDBPyConnection", product: Product, day: datetime) -> TableDays | None:
    there = columns_of(con, product, "predictions")
    columns = {name: there[name] for name in ("score", "model_version") if name in there}
    if "score" not in columns or "as_of" not in there:
        return None
    where = f"as_of <= '{day}'" + (" and role = 'champion'" if "role" in there else "")
    midnight = "date_trunc('day', as_of)"
    return table_days(
        con,
        product.relation("predictions"),
        asset=product.asset("predictions"),
        group=product.owner,
        day=midnight,
        last=day,
        columns=columns,
        where=where,
        means=["score"],
    )


def _coverage(con: "DuckDBPyConnection", product: Product, day: datetime) -> tuple[int | None, int | None]:
    """Entities of the newest day, and those whom the log scores; a log from elsewhere may keep no roles."""
    log = columns_of(con, product, "predictions")
    if not {product.entity, "as_of"} <= columns_of(con, product, "scoring_set").keys() & log.keys():
        return None, None
    asked = f"select count(distinct {quoted(product.entity)}) from {{}} where as_of = ?{{}}"
    champion = " and role = 'champion'" if "role" in log else ""
    population = con.execute(asked.format(product.relation("scoring_set"), ""), [day]).fetchone()
    scored = con.execute(asked.format(product.relation("predictions"), champion), [day]).fetchone()
    return (population[0] if population else None), (scored[0] if scored else None)
