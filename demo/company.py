"""Which demo company a home plays: seed, start, length and size, fixed at first use and stored in the home."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from demo.files import write_once
from ml import clock
from ml.home import Home

DEFAULTS = {"ACCOUNTS": 5_000, "DAYS": 400, "SEED": 7}
SMALLEST = {"ACCOUNTS": 10, "DAYS": 1, "SEED": 0}
EPOCH = date(1970, 1, 1)


class CompanySettingError(ValueError):
    """A setting of the demo company is not usable."""


@dataclass(frozen=True)
class Company:
    """One demo company.

    seed: every draw follows from it. start: first day played. days: length of the history handed over as monthly
    exports; every later day is one daily delivery. accounts: customers ever signed up by the end of the history,
    in expectation; the number active stays about constant, before and after.
    """

    seed: int
    start: date
    days: int
    accounts: int

    @property
    def first_day(self) -> int:
        """Start as a day number (days since 1970-01-01)."""
        return day_number(self.start)

    @property
    def history_until(self) -> int:
        """First day number that is delivered as a day of its own."""
        return self.first_day + self.days

    @classmethod
    def at(cls, now: datetime) -> "Company":
        """The company whose history ends at as_of(now); sizes from BATON_DEMO_* or the defaults."""
        days = _setting("DAYS")
        start = clock.as_of(now).date() - timedelta(days=days)
        return cls(seed=_setting("SEED"), start=start, days=days, accounts=_setting("ACCOUNTS"))


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def day_text(day: int) -> str:
    """A day number as YYYY-MM-DD."""
    return (EPOCH + timedelta(days=day)).isoformat()


def folder(home: Home) -> Path:
    """Where the demo keeps what is no landing file: settings, state, truth."""
    return home.root / "demo"


def settle(home: Home, now: datetime, company: Company | None = None) -> Company:
    """The home's company: the stored one, else `company` or `Company.at(now)`, which is stored from now on.

    Raises CompanySettingError when `company` differs from the stored one.
    """
    path = folder(home) / "company.json"
    stored = load(home)
    if stored is None:
        chosen = company or Company.at(now)
        settings = asdict(chosen) | {"start": chosen.start.isoformat()}
        write_once(path, (json.dumps(settings, indent=2) + "\n").encode())
        return chosen
    if company is not None and company != stored:
        raise CompanySettingError(
            f"{path} holds {stored}, asked for {company}. A home keeps one demo company; "
            "play another one in another home: BATON_HOME=/some/other/folder python -m demo write"
        )
    return stored


def load(home: Home) -> Company | None:
    """The company stored in the home, None before the first write."""
    path = folder(home) / "company.json"
    if not path.exists():
        return None
    fields = json.loads(path.read_text())
    return Company(fields["seed"], date.fromisoformat(fields["start"]), fields["days"], fields["accounts"])


def _setting(name: str) -> int:
    text = os.environ.get(f"BATON_DEMO_{name}") or str(DEFAULTS[name])
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < SMALLEST[name]:
        raise CompanySettingError(
            f"BATON_DEMO_{name} is {text!r}; allowed is a whole number from {SMALLEST[name]} on. "
            f"Next: unset BATON_DEMO_{name} (default {DEFAULTS[name]:,})"
        )
    return value
