"""Who the customers are: categories with their shares, prices, names, and the calendar of their working days."""

from datetime import timedelta

import numpy as np

from demo.company import EPOCH
from demo.health import Bools, Floats, Ints

COUNTRIES = ("US", "GB", "DE", "FR", "CA", "AU", "IN", "BR")
COUNTRY_SHARE = (0.38, 0.14, 0.12, 0.08, 0.08, 0.06, 0.07, 0.07)
SEGMENTS = ("small", "medium", "enterprise")
SEGMENT_SHARE = (0.58, 0.32, 0.10)
SEATS_MEDIAN = np.array([7.0, 24.0, 80.0])
PLANS = ("starter", "growth", "scale")
PLAN_SHARE = np.array([[0.60, 0.33, 0.07], [0.25, 0.50, 0.25], [0.05, 0.40, 0.55]])  # by segment
PRICE_USD = np.array([15.0, 29.0, 49.0])  # per seat and month
ACTIONS_PER_SEAT = np.array([1.3, 1.5, 1.7])  # of a healthy customer on a working day
CONTRACTS = ("monthly", "annual")
ANNUAL_SHARE = np.array([0.25, 0.50, 0.80])  # by segment
ANNUAL_DISCOUNT = 0.15
REASONS = ("price", "missing feature", "went out of business", "competitor", "no longer needed")
REASON_SHARE = (0.31, 0.19, 0.09, 0.24, 0.17)
TOPICS = ("billing", "how to", "bug", "integration", "access")
TOPIC_SHARE = (0.22, 0.30, 0.24, 0.14, 0.10)
SEVERITIES = ("normal", "urgent")

HOLIDAYS = {(1, 1), (5, 1), (7, 4), (12, 24), (12, 25), (12, 26), (12, 31)}
WEEKDAY = (1.0, 1.05, 1.05, 1.0, 0.9, 0.35, 0.3)

FIRST_NAMES = ("Ada", "Ben", "Chloe", "Dmitri", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas")
LAST_NAMES = ("Abe", "Brandt", "Costa", "Diallo", "Evans", "Fischer", "Garcia", "Haddad", "Ito", "Jansen")
PERSONAL = ("company_name", "contact_name", "email")
COMPANY_WORDS = ("Amber", "Birch", "Copper", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper")
COMPANY_KINDS = (
    "Analytics",
    "Bakery, Inc.",
    "Clinics",
    "Design",
    "Energy",
    "Foods & Sons",
    "Media",
    "Robotics",
    "Tools",
)


def activity(day: int) -> float:
    """How much of a working day's usage a day sees: weekday, public holidays, a mild season with its low in August."""
    when = EPOCH + timedelta(days=day)
    season = 1 + 0.08 * np.cos(2 * np.pi * (when.timetuple().tm_yday - 45) / 365.25)
    level = 0.3 if (when.month, when.day) in HOLIDAYS else WEEKDAY[when.weekday()]
    return float(level * season)


def working_baseline(plan: Ints, seats: Ints, day: int) -> Floats:
    """Expected actions (n,) of a healthy customer on the day."""
    return np.asarray(seats * ACTIONS_PER_SEAT[plan] * activity(day))


def mrr_usd(plan: Ints, contract: Ints, seats: Ints) -> Floats:
    """Monthly recurring revenue (n,) in USD."""
    discount = np.where(contract == 1, 1 - ANNUAL_DISCOUNT, 1.0)
    return np.asarray(np.round(PRICE_USD[plan] * seats * discount, 2))


def can_contract(plan: Ints, seats: Ints) -> Bools:
    """Whether there is a seat or a plan left to give up (n,)."""
    return np.asarray((plan > 0) | (seats >= 2))


def account_id(index: int) -> str:
    """The customer's number as every system writes it."""
    return f"A{index:06d}"


def persona(seed: int, index: int) -> dict[str, str]:
    """Company name, contact and address of one customer: invented, and the same whenever asked."""
    draw = np.random.default_rng([seed, 99, index])
    names = (FIRST_NAMES, LAST_NAMES, COMPANY_WORDS, COMPANY_KINDS)
    first, last, word, kind = (some[draw.integers(len(some))] for some in names)
    return {
        "company_name": f"{word} {kind}",
        "contact_name": f"{first} {last}",
        "email": f"{first}.{last}.{index}@{word}.example".lower(),
    }
