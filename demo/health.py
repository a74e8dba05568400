"""The hidden health of every customer, and what can be known about it: the demo's law of nature.

A customer is healthy, cooling or at risk, a Markov chain with daily steps. Each day: the state moves, the customer
churns with a daily hazard of state and static multiplier, and whoever stays emits what the systems record: usage,
tickets, failed invoices, changes of the contract. Observers see emissions, never states, so the best possible churn
probability is the forward filter of this hidden Markov model (Rabiner 1989, eq. 19-20, with survival as one more
emission) followed by the survival of the chain over the horizon. Arrays are over customers (n) and states (3).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HEALTHY, COOLING, AT_RISK = range(3)
TRANSITION = np.array([[0.9940, 0.0056, 0.0004], [0.0220, 0.9640, 0.0140], [0.0040, 0.0100, 0.9860]])
HAZARD = np.array([0.00010, 0.0008, 0.0150])
AT_SIGN_UP = np.array([0.85, 0.12, 0.03])

USAGE_LEVEL = np.array([1.0, 0.55, 0.2])
USAGE_SHAPE = 1.2  # negative binomial: variance = mean + mean^2 / shape
TICKET = np.array([[0.005, 0.001], [0.012, 0.003], [0.020, 0.012]])  # normal, urgent; per day, at most one a day
INVOICE_FAILS = np.array([0.015, 0.05, 0.20])
CHANGE = np.array([[0.0010, 0.0002], [0.0004, 0.0010], [0.0001, 0.0030]])  # expansion, contraction; per day

CONTRACT_RISK = np.array([1.5, 0.3])  # monthly, annual
SEGMENT_RISK = np.array([1.4, 0.8, 0.4])  # small, medium, enterprise
COUNTRY_RISK = np.array([0.95, 0.95, 0.85, 0.95, 0.9, 1.0, 1.25, 1.35])


def settled() -> Floats:
    """State shares (3,) of a customer base in balance with its sign-ups: where the company starts."""
    stay = TRANSITION * (1 - HAZARD)
    share = AT_SIGN_UP @ np.linalg.inv(np.eye(3) - stay)
    return np.asarray(share / share.sum())


def risk(contract: Ints, segment: Ints, country: Ints) -> Floats:
    """The static hazard multiplier (n,)."""
    return np.asarray(CONTRACT_RISK[contract] * SEGMENT_RISK[segment] * COUNTRY_RISK[country])


def hazard(multiplier: Floats) -> Floats:
    """Daily churn probability (n, 3) by customer and state."""
    return np.asarray(np.minimum(multiplier[:, None] * HAZARD, 0.5))


def usage_mean(baseline: Floats) -> Floats:
    """Expected actions of the day (n, 3); baseline = what a healthy customer does on that day."""
    return np.asarray(baseline[:, None] * USAGE_LEVEL)


def usage_likelihood(n_actions: Ints, baseline: Floats) -> Floats:
    """Negative binomial likelihood (n, 3), up to a factor equal in all states."""
    mean = usage_mean(baseline)
    share = mean / (USAGE_SHAPE + mean)
    log = USAGE_SHAPE * np.log(1 - share) + n_actions[:, None] * np.log(share)
    return np.asarray(np.exp(log - log.max(axis=1, keepdims=True)))


def ticket_likelihood(ticket: Ints) -> Floats:
    """Likelihood (n, 3) of the day's ticket: 0 none, 1 normal, 2 urgent."""
    return np.column_stack([1 - TICKET.sum(axis=1), TICKET]).T[ticket]


def invoice_likelihood(billed: Bools, failed: Bools) -> Floats:
    """Likelihood (n, 3) of the day's invoice, 1 where none was due."""
    outcome = np.where(failed[:, None], INVOICE_FAILS, 1 - INVOICE_FAILS)
    return np.where(billed[:, None], outcome, 1.0)


def change_probability(can_contract: Bools) -> NDArray[np.float64]:
    """Probability (n, 3 states, 3) of no change, expansion, contraction; not everybody has something to give up."""
    expand = np.broadcast_to(CHANGE[:, 0], (len(can_contract), 3))
    contract = can_contract[:, None] * CHANGE[:, 1]
    return np.stack([1 - expand - contract, expand, contract], axis=2)


def filtered(belief: Floats, multiplier: Floats, likelihood: Floats) -> Floats:
    """One day of the forward filter: belief (n, 3) of yesterday -> belief given survival and today's emissions."""
    joint = (belief @ TRANSITION) * (1 - hazard(multiplier)) * likelihood
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def churn_probability(belief: Floats, multiplier: Floats, days: int) -> Floats:
    """P(churn within the next `days` days | everything observed) (n,), exact."""
    distinct, which = np.unique(multiplier, return_inverse=True)
    stay = TRANSITION[None, :, :] * (1 - hazard(distinct))[:, None, :]
    survival = np.linalg.matrix_power(stay, days).sum(axis=2)
    return np.asarray(1 - (belief * survival[which]).sum(axis=1))
