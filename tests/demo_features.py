"""Plain churn features read straight from the demo's landing files, as a person with DuckDB would write them."""

from datetime import datetime

import duckdb
import numpy as np
import pandas as pd

from demo import truth
from demo.tables import SUFFIX
from ml.clock import parse_duration
from ml.home import Home

CATEGORIES = ["country", "segment", "contract", "plan"]
_NEWEST = """
select * from {files} where written_at <= $as_of and event_at > $as_of - interval {days} day
qualify row_number() over (partition by {key} order by event_at desc, written_at desc) = 1
"""
_FEATURES = """
with accounts as ({accounts}), subscriptions as ({subscriptions}), usage as ({usage}),
invoices as ({invoices}), tickets as ({tickets}),
usage_sums as (
    select account_id, sum(n_actions) filter (event_at > $as_of - interval 7 day) as week, sum(n_actions) as month,
           count(distinct event_at::date) as days, max(event_at) as last_used_at
    from usage group by account_id
),
invoice_sums as (
    select account_id, sum((n_attempts > 1 or status = 'failed')::int) as failed from invoices
    where not is_deleted group by account_id
),
ticket_sums as (
    select account_id, count(*) as tickets, sum((severity = 'urgent')::int) as urgent from tickets
    where not is_deleted group by account_id
)
select account_id, country, segment, contract, plan, ln(seats) as seats, ln(mrr_usd) as mrr,
       ln(1 + date_diff('day', signed_up_at, $as_of)) as tenure,
       ln(0.05 + coalesce(week, 0) / seats) as per_seat_week, ln(0.2 + coalesce(month, 0) / seats) as per_seat_month,
       coalesce(4 * week / month, 0) as trend, coalesce(days, 0) as days,
       coalesce(date_diff('day', last_used_at, $as_of), 28) as silent_days, coalesce(failed, 0) as failed,
       coalesce(tickets, 0) as tickets, coalesce(urgent, 0) as urgent
from accounts join subscriptions using (account_id) left join usage_sums using (account_id)
left join invoice_sums using (account_id) left join ticket_sums using (account_id)
where status = 'active'
order by account_id
"""


def at(con: duckdb.DuckDBPyConnection, home: Home, as_of: datetime) -> pd.DataFrame:
    """Features of the accounts active at as_of, as known then, with the truth's p_churn and churned within 30 days."""
    keys = {
        "accounts": ("account_id", 3650),
        "subscriptions": ("account_id", 3650),
        "usage": ("usage_id", 28),
        "invoices": ("invoice_id", 60),
        "tickets": ("ticket_id", 28),
    }
    newest = {name: _NEWEST.format(files=name + "_files", key=key, days=days) for name, (key, days) in keys.items()}
    sql = _FEATURES.format(**newest)
    found = con.execute(sql, {"as_of": as_of}).df().assign(as_of=as_of)
    return found.merge(
        truth.probabilities(home, as_of, as_of, parse_duration("30 days")).drop(columns="as_of"), on="account_id"
    )


def read_landing(con: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Every landing file as a table `<name>_files`."""
    folders = {
        "accounts": "accounts",
        "subscriptions": "subscriptions",
        "usage": "usage_events",
        "invoices": "invoices",
    }
    for name, folder in (folders | {"tickets": "support_tickets", "churn": "churn_events"}).items():
        con.execute(f"create table {name}_files as from '{home.landing}/{folder}/*.{SUFFIX[folder]}'")


def matrix(rows: pd.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Features as numbers, categories one-hot."""
    features = rows.drop(columns=["account_id", "as_of", "p_churn", "churned"])
    return pd.get_dummies(features, columns=CATEGORIES).to_numpy(dtype=np.float64)
