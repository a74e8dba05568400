"""Faults nobody made: the customers themselves change. They act on the stored state, so every system tells of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from demo import delivery, health, systems
from demo.company import folder
from demo.customers import Customers, Rows, State, newcomers, restore, save
from demo.faults.fault import Scene
from demo.health import Floats


def prior_shift(scene: Scene) -> None:
    """Customers at risk leave many times as often as before: more outcomes, the same order of risk."""
    _leave(scene, lambda who: who.risk * (who.belief @ health.HAZARD), 0.02 * scene.strength)


def concept_drift(scene: Scene) -> None:
    """Those leave who never did: active, healthy, on annual contracts. What told leavers from stayers fails."""
    _leave(scene, lambda who: who.belief[:, 0] ** 2 / who.risk, 0.02 * scene.strength)


def covariate_drift(scene: Scene) -> None:
    """A campaign brings as many small new customers in a day as sign up in a year."""
    _join(scene, 0.6 * scene.strength, lambda new: replace(new, segment=np.zeros_like(new.segment)))


def benign(scene: Scene) -> None:
    """A market opens: new customers like the old ones, but of one country."""
    _join(scene, 0.07 * scene.strength, lambda new: replace(new, country=np.full_like(new.country, 5)))


def _leave(scene: Scene, weight: Callable[[Customers], Floats], share: float) -> None:
    state, path = _state(scene)
    who = state.customers
    chance = weight(who) / weight(who).sum()
    n = max(1, round(share * len(who.index)))
    gone = np.zeros(len(who.index), dtype=bool)
    gone[scene.dice.choice(len(who.index), n, replace=False, p=chance)] = True
    at = systems.moments(scene.dice, state.day, n, 6, 12)
    rows = systems.leaving(scene.dice, who.where(gone), at)
    rows["churn_events"] |= {"sent_at": rows["churn_events"]["event_at"] + 3600}
    rows["churn_events"] |= {"written_at": rows["churn_events"]["sent_at"]}
    save(path, replace(state, customers=who.where(~gone), pending=_with(state.pending, rows)))


def _join(scene: Scene, share: float, change: Callable[[Customers], Customers]) -> None:
    state, path = _state(scene)
    n = round(share * len(state.customers.index))
    signed_up = np.sort(systems.moments(scene.dice, state.day, n, 6, 12))
    new = change(newcomers(scene.dice, state.next_index, signed_up, health.AT_SIGN_UP))
    pending = _with(state.pending, systems.joining(scene.dice, new))
    save(path, State(state.day, state.next_index + n, state.customers.joined(new), pending))


def _with(pending: dict[str, Rows], rows: dict[str, Rows]) -> dict[str, Rows]:
    together = dict(pending)
    for table, part in rows.items():
        together[table] = delivery.stacked([pending[table], part]) if table in pending else part
    return together


def _state(scene: Scene) -> tuple[State, Path]:
    path = folder(scene.home) / "state.npz"
    return restore(path), path
