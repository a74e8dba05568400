"""One day of the company: states move, customers churn, stay and leave traces, newcomers sign up."""

from dataclasses import dataclass

import numpy as np

from demo import delivery, health, market, systems
from demo.company import Company
from demo.customers import SECONDS, Customers, Rows, State, newcomers, opening_size, sign_ups_per_day
from demo.health import Floats, Ints

BILLED_EVERY_DAYS = 30


@dataclass(frozen=True)
class Day:
    """What a day brought: rows by table, who churned (index, event_at), and the state the next day starts from."""

    state: State
    rows: dict[str, Rows]
    churned: Rows


def opening(company: Company) -> State:
    """The company on its first morning: customers of up to three years, their rows waiting for the first delivery."""
    draw = np.random.default_rng([company.seed, 0])
    n = opening_size(company)
    age = draw.uniform(0, 1_095 * SECONDS, n)
    signed_up = np.sort(company.first_day * SECONDS - 1 - age.astype(np.int64))
    customers = newcomers(draw, 0, signed_up, health.settled())
    rows = systems.joining(draw, customers)
    first = {"sent_at": np.full(n, company.first_day * SECONDS)}
    return State(company.first_day, n, customers, {table: part | first for table, part in rows.items()})


def play(company: Company, state: State) -> Day:
    """The day `state.day`: equal state and company give equal rows."""
    day, draw = state.day, np.random.default_rng([company.seed, 1, state.day])
    customers = state.customers
    moved = _drawn(draw, health.TRANSITION[customers.state])
    risk = customers.risk
    gone = draw.random(len(moved)) < health.hazard(risk)[np.arange(len(moved)), moved]
    leaving = customers.where(gone)
    left_at = systems.moments(draw, day, len(leaving.index), 6, 21)
    staying = customers.where(~gone)
    after, rows = _traces(draw, day, staying, moved[~gone])
    signed_up = np.sort(systems.moments(draw, day, int(draw.poisson(sign_ups_per_day(company))), 6, 21))
    new = newcomers(draw, state.next_index, signed_up, health.AT_SIGN_UP)
    joining, leaves = systems.joining(draw, new), systems.leaving(draw, leaving, left_at)
    for table in ("accounts", "subscriptions"):
        parts = [part[table] for part in (rows, joining, leaves) if table in part]
        rows[table] = delivery.sent_again(draw, delivery.stacked(parts))
    rows["churn_events"] = delivery.sent_again(draw, leaves["churn_events"])
    following = State(day + 1, state.next_index + len(signed_up), after.joined(new), {})
    return Day(following, rows, {"index": leaving.index, "event_at": left_at})


def _traces(draw: np.random.Generator, day: int, who: Customers, state: Ints) -> tuple[Customers, dict[str, Rows]]:
    """What those who stay leave behind, and the customers with the observer's belief brought up to date."""
    baseline = market.working_baseline(who.plan, who.seats, day)
    mean = health.usage_mean(baseline)[np.arange(len(state)), state]
    n_actions = draw.negative_binomial(health.USAGE_SHAPE, health.USAGE_SHAPE / (health.USAGE_SHAPE + mean))
    ticket = _drawn(draw, np.column_stack([1 - health.TICKET.sum(axis=1), health.TICKET])[state])
    billed = (day - who.signed_up // SECONDS) % BILLED_EVERY_DAYS == 0
    failed = billed & (draw.random(len(state)) < health.INVOICE_FAILS[state])
    chances = health.change_probability(market.can_contract(who.plan, who.seats))
    change = _drawn(draw, chances[np.arange(len(state)), state])
    likelihood = (
        health.usage_likelihood(n_actions, baseline)
        * health.ticket_likelihood(ticket)
        * health.invoice_likelihood(billed, failed)
        * chances[np.arange(len(state)), :, change]
    )
    plan, seats = _new_terms(draw, who, change)
    after = who.changed(plan, seats, state, health.filtered(who.belief, who.risk, likelihood))
    rows = systems.contracts(draw, day, who, after)
    rows["usage_events"] = systems.usage(draw, day, who, n_actions)
    rows["support_tickets"] = systems.tickets(draw, day, who.index, ticket)
    rows["invoices"] = systems.invoices(draw, day, who.where(billed), failed[billed])
    return after, rows


def _new_terms(draw: np.random.Generator, who: Customers, change: Ints) -> tuple[Ints, Ints]:
    """Plan and seats (n,) after an expansion (1) or contraction (2); whether plan or seats move ignores the state."""
    luck = draw.random(len(change))
    plan_up = (change == 1) & (who.plan < len(market.PLANS) - 1) & (luck < 0.25)
    plan_down = (change == 2) & (who.plan > 0) & ((who.seats < 2) | (luck < 0.4))
    more, fewer = (change == 1) & ~plan_up, (change == 2) & ~plan_down
    seats = np.where(more, who.seats + np.maximum(1, who.seats // 4), who.seats)
    return who.plan + plan_up - plan_down, np.where(fewer, np.maximum(1, who.seats * 3 // 4), seats)


def _drawn(draw: np.random.Generator, chances: Floats) -> Ints:
    """One category per row of probabilities (n, k)."""
    return np.asarray((draw.random(len(chances))[:, None] > chances.cumsum(axis=1)[:, :-1]).sum(axis=1))
