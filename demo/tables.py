"""The landing files of each system: columns, formats, and the bytes of one delivery.

Columns here and in `dbt_project/models/sources/demo_company.yml` are the same; a test holds them together.
"""

import gzip
import io
import json
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from demo import market
from demo.company import day_text
from demo.customers import SECONDS, Rows
from demo.health import Ints

SUFFIX = {
    "accounts": "jsonl.gz",
    "subscriptions": "jsonl.gz",
    "usage_events": "csv.gz",
    "invoices": "csv",
    "support_tickets": "jsonl",
    "churn_events": "parquet",
}


def content(seed: int, table: str, rows: Rows) -> bytes:
    """One file of `table`; equal rows give equal bytes."""
    shaped = _SHAPES[table](seed, rows) | {name: _instants(rows[name]) for name in ("event_at", "written_at")}
    if "is_deleted" in rows:
        shaped["is_deleted"] = pa.array(rows["is_deleted"] == 1)
    plain = _ENCODERS[SUFFIX[table].removesuffix(".gz")](pa.table(shaped))
    return gzip.compress(plain, compresslevel=1, mtime=0) if SUFFIX[table].endswith(".gz") else plain


def account_ids(index: Ints) -> pa.Array:
    """Account numbers as text (n,)."""
    if not len(index):
        return pa.array([], pa.string())
    first = int(index.min())
    names = pa.array([market.account_id(number) for number in range(first, int(index.max()) + 1)])
    return names.take(pa.array(index - first))


def _accounts(seed: int, rows: Rows) -> dict[str, pa.Array]:
    people = [market.persona(seed, int(index)) for index in rows["index"]]
    return {
        "account_id": account_ids(rows["index"]),
        **{name: pa.array([person[name] for person in people], pa.string()) for name in market.PERSONAL},
        "country": _named(market.COUNTRIES, rows["country"]),
        "segment": _named(market.SEGMENTS, rows["segment"]),
        "seats": pa.array(rows["seats"]),
        "signed_up_at": _instants(rows["signed_up"]),
    }


def _subscriptions(seed: int, rows: Rows) -> dict[str, pa.Array]:
    return {
        "account_id": account_ids(rows["index"]),
        "plan": _named(market.PLANS, rows["plan"]),
        "contract": _named(market.CONTRACTS, rows["contract"]),
        "mrr_usd": pa.array(rows["mrr_usd"]),
        "status": _named(("active", "cancelled"), rows["status"]),
    }


def _usage_events(seed: int, rows: Rows) -> dict[str, pa.Array]:
    account = account_ids(rows["index"])
    parts = [account, _days(rows["event_at"]), _named(("W", "M"), rows["channel"]), "-"]
    return {
        "usage_id": pc.binary_join_element_wise(*parts),
        "account_id": account,
        "channel": _named(("web", "mobile"), rows["channel"]),
        **{name: pa.array(rows[name]) for name in ("n_actions", "n_sessions", "active_users")},
    }


def _invoices(seed: int, rows: Rows) -> dict[str, pa.Array]:
    return {
        "invoice_id": _numbered("I", rows),
        "account_id": account_ids(rows["index"]),
        "amount_usd": pa.array(rows["amount_usd"]),
        "status": _named(("paid", "failed"), rows["failed"]),
        "n_attempts": pa.array(rows["n_attempts"]),
    }


def _support_tickets(seed: int, rows: Rows) -> dict[str, pa.Array]:
    return {
        "ticket_id": _numbered("T", rows),
        "account_id": account_ids(rows["index"]),
        "severity": _named(market.SEVERITIES, rows["severity"]),
        "topic": _named(market.TOPICS, rows["topic"]),
    }


def _churn_events(seed: int, rows: Rows) -> dict[str, pa.Array]:
    return {
        "churn_id": _numbered("C", rows),
        "account_id": account_ids(rows["index"]),
        "reason": _named(market.REASONS, rows["reason"]),
    }


def _named(names: Iterable[str], codes: Ints) -> pa.Array:
    return pa.array(list(names), pa.string()).take(pa.array(codes))


def _numbered(letter: str, rows: Rows) -> pa.Array:
    return pc.binary_join_element_wise(letter, account_ids(rows["index"]), _days(rows["event_at"]), "-")


def _days(seconds: Ints) -> pa.Array:
    """The day of each instant as YYYYMMDD (n,)."""
    days, which = np.unique(seconds // SECONDS, return_inverse=True)
    return _named([day_text(int(day)).replace("-", "") for day in days], which)


def _instants(seconds: Ints) -> pa.Array:
    return pa.array(seconds).cast(pa.timestamp("s"))


def _jsonl(table: pa.Table) -> bytes:
    instants = [name for name in table.column_names if pa.types.is_timestamp(table.schema.field(name).type)]
    for name in instants:
        column = pc.strftime(table[name], format="%Y-%m-%dT%H:%M:%S")
        table = table.set_column(table.column_names.index(name), name, column)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()).encode()


def _csv(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(quoting_style="needed"))
    return buffer.getvalue()


def parquet(table: pa.Table) -> bytes:
    """A table as one Parquet file, compressed."""
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


_SHAPES: dict[str, Callable[[int, Rows], dict[str, pa.Array]]] = {
    "accounts": _accounts,
    "subscriptions": _subscriptions,
    "usage_events": _usage_events,
    "invoices": _invoices,
    "support_tickets": _support_tickets,
    "churn_events": _churn_events,
}
_ENCODERS: dict[str, Callable[[pa.Table], bytes]] = {"jsonl": _jsonl, "csv": _csv, "parquet": parquet}
