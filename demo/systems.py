"""What each of the company's systems writes about a day: rows by column, categories as codes of `demo.market`."""

import numpy as np

from demo import delivery, market
from demo.customers import SECONDS, Customers, Rows
from demo.health import Bools, Ints

MOBILE_SHARE = 0.3
WEB, MOBILE = 0, 1
ACTIVE, CANCELLED = 0, 1


def contracts(draw: np.random.Generator, day: int, before: Customers, after: Customers) -> dict[str, Rows]:
    """Subscriptions and accounts of who expanded or contracted on the day."""
    changed = (before.plan != after.plan) | (before.seats != after.seats)
    who = after.where(changed)
    at = moments(draw, day, len(who.index), 8, 18)
    resized = before.seats[changed] != who.seats
    return {
        "subscriptions": delivery.written(_terms(who, at, ACTIVE), delivery.prompt(draw, len(at))),
        "accounts": delivery.written(
            _profile(who.where(resized), at[resized]), delivery.prompt(draw, int(resized.sum()))
        ),
    }


def joining(draw: np.random.Generator, who: Customers) -> dict[str, Rows]:
    """Accounts and subscriptions of newcomers."""
    n = len(who.index)
    return {
        "accounts": delivery.written(_profile(who, who.signed_up), delivery.prompt(draw, n)),
        "subscriptions": delivery.written(_terms(who, who.signed_up, ACTIVE), delivery.prompt(draw, n)),
    }


def leaving(draw: np.random.Generator, who: Customers, at: Ints) -> dict[str, Rows]:
    """Cancelled subscriptions, known within minutes, and churn events, reported when somebody gets to it."""
    n = len(at)
    reason = draw.choice(len(market.REASONS), n, p=market.REASON_SHARE)
    event: Rows = {"index": who.index, "reason": reason, "event_at": at}
    return {
        "subscriptions": delivery.written(_terms(who, at, CANCELLED), delivery.prompt(draw, n)),
        "churn_events": delivery.written(event, delivery.reported(draw, n)),
    }


def _profile(who: Customers, at: Ints) -> Rows:
    columns = {name: getattr(who, name) for name in ("index", "country", "segment", "seats", "signed_up")}
    return columns | {"event_at": at}


def _terms(who: Customers, at: Ints, status: int) -> Rows:
    columns = {name: getattr(who, name) for name in ("index", "plan", "contract", "mrr_usd")}
    return columns | {"status": np.full(len(at), status), "event_at": at}


def usage(draw: np.random.Generator, day: int, who: Customers, n_actions: Ints) -> Rows:
    """Rows per customer and channel with any action; 3 % late, 0.4 % first metered wrongly and corrected later."""
    mobile = draw.binomial(n_actions, MOBILE_SHARE)
    counts = np.concatenate([n_actions - mobile, mobile])
    used, seats = counts > 0, np.tile(who.seats, 2)
    actions = counts[used]
    last_action = (7 + 15 * draw.beta(5, 3, len(actions))) * delivery.HOUR
    rows: Rows = {
        "index": np.tile(who.index, 2)[used],
        "channel": np.repeat([WEB, MOBILE], len(who.index))[used],
        "n_actions": actions,
        "n_sessions": 1 + draw.binomial(actions - 1, 0.25),
        "active_users": 1 + draw.binomial(np.minimum(actions, seats[used]) - 1, 0.7),
        "event_at": day * SECONDS + last_action.astype(np.int64),
    }
    rows = delivery.written(rows, delivery.late(draw, len(actions), 0.03))
    wrong = draw.random(len(actions)) < 0.004
    corrections = delivery.revised(draw, delivery.chosen(rows, wrong), 3)
    misread = np.where(wrong, np.maximum(1, (actions * draw.uniform(0.2, 3, len(actions))).astype(np.int64)), actions)
    return delivery.sent_again(draw, delivery.stacked([rows | {"n_actions": misread}, corrections]))


def tickets(draw: np.random.Generator, day: int, index: Ints, ticket: Ints) -> Rows:
    """Support tickets of the day: ticket (n,) is 0 none, 1 normal, 2 urgent; a few are deleted later."""
    asked = ticket > 0
    n = int(asked.sum())
    rows: Rows = {
        "index": index[asked],
        "severity": ticket[asked] - 1,
        "topic": draw.choice(len(market.TOPICS), n, p=market.TOPIC_SHARE),
        "is_deleted": np.zeros(n, dtype=np.int64),
        "event_at": moments(draw, day, n, 6, 23),
    }
    return _with_deletions(draw, delivery.written(rows, delivery.late(draw, n, 0.02)), 0.006)


def invoices(draw: np.random.Generator, day: int, who: Customers, failed: Bools) -> Rows:
    """Invoices of the day; 45 % of the failed ones are paid at a second attempt, a later version of the row."""
    n = len(failed)
    rows: Rows = {
        "index": who.index,
        "amount_usd": who.mrr_usd,
        "failed": failed.astype(np.int64),
        "n_attempts": np.ones(n, dtype=np.int64),
        "is_deleted": np.zeros(n, dtype=np.int64),
        "event_at": moments(draw, day, n, 2, 5),
    }
    rows = delivery.written(rows, delivery.late(draw, n, 0.02))
    retried = delivery.revised(draw, delivery.chosen(rows, failed & (draw.random(n) < 0.45)), 5)
    retried |= {"failed": np.zeros_like(retried["failed"]), "n_attempts": retried["n_attempts"] + 1}
    return delivery.stacked([_with_deletions(draw, rows, 0.003), retried])


def _with_deletions(draw: np.random.Generator, rows: Rows, share: float) -> Rows:
    """The rows, their accidental copies, and for a share of them a tombstone six days later at the earliest.

    So a deletion is always the last version, also of an invoice paid at its second attempt.
    """
    voided = delivery.chosen(rows, draw.random(delivery.size(rows)) < share)
    late = delivery.revised(draw, voided, 3)
    six_days = {name: late[name] + 6 * SECONDS for name in ("written_at", "sent_at")}
    deleted = late | six_days | {"is_deleted": np.ones_like(late["is_deleted"])}
    return delivery.stacked([delivery.sent_again(draw, rows), deleted])


def moments(draw: np.random.Generator, day: int, n: int, from_hour: int, to_hour: int) -> Ints:
    """Seconds (n,) within the day between two hours."""
    return np.asarray(day * SECONDS + draw.integers(from_hour * delivery.HOUR, to_hour * delivery.HOUR, n))
