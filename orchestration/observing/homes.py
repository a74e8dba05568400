"""Homes that look at one store of incidents: two at once would take each other's checks for their own."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ml.home import Home
from orchestration.paging import schema, store

if TYPE_CHECKING:
    from sqlalchemy import Connection

FACT = "looked from "  # with the folder, a fact of the store; its value: the first and the newest look from there
KEPT = timedelta(days=2)


def remember(con: "Connection", home: Home, instant: datetime) -> None:
    """A look from `home` at `instant`; one that has not looked for two days is forgotten.

    A home is its folder: machines that share it, and a container that starts again, are one home.
    """
    known = _looks(con)
    first, _ = known.get(str(home.root), (instant, instant))
    store.remember(con, **{f"{FACT}{home.root}": f"{first.isoformat()} {instant.isoformat()}"})
    gone = [FACT + root for root, (_, last) in known.items() if root != str(home.root) and abs(instant - last) > KEPT]
    con.execute(schema.FACTS.delete().where(schema.FACTS.c.name.in_(gone)))


def in_turns(con: "Connection") -> list[str]:
    """Folders of homes that looked while another one did too; one that followed another, as after a move, is none."""
    known = _looks(con)
    return sorted(
        root
        for root, (first, last) in known.items()
        if any(other != root and first < end and begin < last for other, (begin, end) in known.items())
    )


def _looks(con: "Connection") -> dict[str, tuple[datetime, datetime]]:
    facts = schema.FACTS
    rows = con.execute(sa.select(facts).where(facts.c.name.like(f"{FACT}%")))
    spans = {row.name.removeprefix(FACT): row.value.split(" ") for row in rows}
    return {
        root: (datetime.fromisoformat(first), datetime.fromisoformat(last)) for root, (first, last) in spans.items()
    }
