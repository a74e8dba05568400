"""What nobody in the company knows: the exact churn probability of every customer and day, and who churned.

Stored apart from landing, under `<home>/demo/truth/`: `beliefs/` with one row per account and as_of (account_id, as_of,
hazard_multiplier, healthy, cooling, at_risk, p_churn_30d), `churn/` with one row per lost account (account_id,
churned_at).
The probability is Bayes-optimal given every event up to as_of, all on time: no model on the landing files can expect
to do better.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from demo import health
from demo.company import folder
from demo.customers import SECONDS
from demo.day import Day
from demo.files import write_once
from demo.health import Floats
from demo.tables import account_ids, parquet
from ml.clock import DAY
from ml.home import Home

STORED_HORIZON_DAYS = 30
Cell = str | float


class TruthMissing(LookupError):
    """The home holds no truth for what was asked."""


@dataclass
class Record:
    """The truth of the days of one delivery, gathered day by day."""

    beliefs: list[pa.Table] = field(default_factory=list)
    churn: list[pa.Table] = field(default_factory=list)

    def add(self, day: Day) -> None:
        """Take the evening of one day: as_of is the midnight after it."""
        who, as_of = day.state.customers, np.full(len(day.state.customers.index), day.state.day * SECONDS)
        chance = health.churn_probability(who.belief, who.risk, STORED_HORIZON_DAYS)
        columns = {"hazard_multiplier": who.risk, "healthy": who.belief[:, 0], "cooling": who.belief[:, 1]}
        columns |= {"at_risk": who.belief[:, 2], f"p_churn_{STORED_HORIZON_DAYS}d": chance}
        self.beliefs.append(_table("as_of", who.index, as_of, columns))
        self.churn.append(_table("churned_at", day.churned["index"], day.churned["event_at"], {}))

    def write(self, home: Home, name: str) -> None:
        """Write both files of the delivery called `name`."""
        for kind, parts in (("beliefs", self.beliefs), ("churn", self.churn)):
            write_once(folder(home) / "truth" / kind / f"{name}.parquet", parquet(pa.concat_tables(parts)))


def probabilities(home: Home, as_of_from: datetime, as_of_to: datetime, horizon: timedelta) -> pd.DataFrame:
    """One row per account active at as_of, first to last as_of inclusive: account_id, as_of, p_churn, churned (bool).

    p_churn is the best possible P(churn in (as_of, as_of + horizon]); churned is what happened. Only days whose horizon
    has been played. Raises TruthMissing when there is none, ValueError when the horizon is no whole number of days.
    """
    days = horizon // DAY
    if days < 1 or days * DAY != horizon:
        raise ValueError(f"horizon is {horizon}; allowed is a whole number of days from 1 on, as '30 days'")
    last = min(as_of_to, _played_until(home) - horizon)
    with duckdb.connect() as con:
        found = con.execute(
            """
            select b.account_id, b.as_of, b.hazard_multiplier, b.healthy, b.cooling, b.at_risk,
                   coalesce(c.churned_at > b.as_of and c.churned_at <= b.as_of + to_days($days), false) as churned
            from read_parquet($beliefs) b left join read_parquet($churn) c using (account_id)
            where b.as_of between $first and $last
            order by b.as_of, b.account_id
            """,
            {"days": days, "first": as_of_from, "last": last}
            | {kind: str(_folder(home) / kind / "*.parquet") for kind in ("beliefs", "churn")},
        ).df()
    if found.empty:
        raise TruthMissing(
            f"No day from {as_of_from} to {as_of_to} is matured: with a horizon of {days} days the truth ends at "
            f"{_played_until(home) - horizon}. Ask for earlier days, or play on: python -m demo write --now LATER"
        )
    belief = found[["healthy", "cooling", "at_risk"]].to_numpy()
    found["p_churn"] = health.churn_probability(belief, found["hazard_multiplier"].to_numpy(), days)
    return found[["account_id", "as_of", "p_churn", "churned"]]


def best_reachable(
    home: Home,
    decisions: pd.DataFrame | pa.Table | tuple[datetime, datetime],
    value: Mapping[str, Cell],
    horizon: timedelta = timedelta(days=STORED_HORIZON_DAYS),
) -> dict[str, float | None]:
    """What the best possible model reaches on these decisions, measured on what happened.

    decisions: a table with account_id, as_of and the amount columns that `value` names, or an inclusive range of as_of
    days (then all cells are numbers). value: the cells tp, fp, fn, tn, each a number or a column name. Decisions that
    are not matured, and accounts that had churned before as_of, are left out.
    Returns roc_auc (None when only one outcome occurred), log_loss, value (total, each decision taken by its expected
    value), treat_none and treat_all (totals), n, n_positives. Raises TruthMissing, ValueError.
    """
    table = decisions.to_pandas() if isinstance(decisions, pa.Table) else decisions
    if isinstance(table, tuple):
        rows = probabilities(home, table[0], table[1], horizon)
    else:
        amounts = sorted({cell for cell in value.values() if isinstance(cell, str)} & set(table.columns))
        rows = _matched(home, table, amounts, horizon)
    chance, happened = rows["p_churn"].to_numpy(), rows["churned"].to_numpy()
    tp, fp, fn, tn = (_cell(rows, value, name) for name in ("tp", "fp", "fn", "tn"))
    act = chance * tp + (1 - chance) * fp > chance * fn + (1 - chance) * tn
    acted, left = np.where(happened, tp, fp), np.where(happened, fn, tn)
    return {
        "roc_auc": roc_auc(happened, chance),
        "log_loss": float(-np.log(np.where(happened, chance, 1 - chance)).mean()),
        "value": float(np.where(act, acted, left).sum()),
        "treat_none": float(left.sum()),
        "treat_all": float(acted.sum()),
        "n": len(rows),
        "n_positives": int(happened.sum()),
    }


def best_reachable_if_known(
    home: Home, decisions: pd.DataFrame, value: Mapping[str, Cell], horizon: timedelta
) -> dict[str, float | None] | None:
    """`best_reachable`, or None where the home holds no truth of these decisions: another company's data."""
    try:
        return best_reachable(home, decisions, value, horizon)
    except TruthMissing:
        return None


def roc_auc(happened: health.Bools, score: Floats) -> float | None:
    """Rank statistic with ties at half (Mann-Whitney); None when only one outcome occurred."""
    n_positives = int(happened.sum())
    n_negatives = len(happened) - n_positives
    if not n_positives or not n_negatives:
        return None
    ranks = pd.Series(score).rank().to_numpy()
    return float((ranks[happened].sum() - n_positives * (n_positives + 1) / 2) / (n_positives * n_negatives))


def _matched(home: Home, decisions: pd.DataFrame, amounts: list[str], horizon: timedelta) -> pd.DataFrame:
    missing = {"account_id", "as_of"} - set(decisions.columns)
    if missing:
        found = list(decisions.columns)
        raise ValueError(f"decisions lack {sorted(missing)}; found {found}, needed: account_id, as_of")
    wanted = decisions[["account_id", "as_of", *amounts]].astype({"as_of": "datetime64[us]"})
    if wanted.empty:
        raise TruthMissing("There are no decisions to compare with. Next: baton run")
    known = probabilities(home, wanted["as_of"].min(), wanted["as_of"].max(), horizon)
    matched = wanted.merge(known.astype({"as_of": "datetime64[us]"}), on=["account_id", "as_of"])
    if matched.empty:
        raise TruthMissing(f"None of {len(wanted)} decisions has a known truth. Are they of this home ({home.root})?")
    return matched


def _cell(rows: pd.DataFrame, value: Mapping[str, Cell], name: str) -> Floats:
    cell = value.get(name)
    if isinstance(cell, str) and cell in rows:
        return rows[cell].to_numpy(dtype=np.float64)
    if cell is None or isinstance(cell, str):
        raise ValueError(
            f"value cell {name} is {cell!r}; allowed is a number or one of the decisions' columns {list(rows.columns)}"
        )
    return np.full(len(rows), float(cell))


def _folder(home: Home) -> Path:
    return folder(home) / "truth"


def _played_until(home: Home) -> datetime:
    """The last as_of with a truth. Raises TruthMissing on a home without a demo company."""
    names = sorted((_folder(home) / "beliefs").glob("[0-9]*.parquet"))
    if not names:
        raise TruthMissing(f"{_folder(home)} holds no truth: no demo company played here. Next: python -m demo write")
    return datetime.fromisoformat(names[-1].stem[-10:]) + DAY


def _table(instant: str, index: health.Ints, at: health.Ints, columns: dict[str, Floats]) -> pa.Table:
    instants = pa.array(at).cast(pa.timestamp("s"))
    return pa.table({"account_id": account_ids(index), instant: instants, **columns})
