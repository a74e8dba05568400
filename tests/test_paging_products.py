"""Incidents know assets, not products: one dead source under two products is one incident and one page."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from paging_world import ANALYTICS, DATA, HOUR, ML, NOW, WORLD, Says, seen

from orchestration.paging import core
from orchestration.paging.model import OK, PAGES, Consumer, Message, Observation, State

TWO = replace(
    WORLD,
    parents={
        **WORLD.parents,
        "upsell/scoring_set": frozenset({"staging/usage"}),
        "upsell/performance": frozenset({"upsell/scoring_set"}),
    },
    groups={**WORLD.groups, "upsell/scoring_set": ANALYTICS, "upsell/performance": ML},
    consumers=(*WORLD.consumers, Consumer("upsell", "Upsell", ML, frozenset({"upsell/scoring_set"}), is_product=True)),
)
SYMPTOMS = ("churn/performance", "upsell/performance")


def told(looks: Sequence[Sequence[Observation]], is_diagnosed: bool) -> tuple[State, list[Message]]:
    """A state after the looks, an hour apart, and all that was said."""

    def diagnose(asset: str, _: object) -> Says | None:
        return Says("raw/usage", DATA) if is_diagnosed else None

    state, messages = State("t"), list[Message]()
    for number, batch in enumerate(looks):
        look = core.observe(state, [batch], NOW + number * HOUR, TWO, diagnose=diagnose)
        state, messages = replace(look.state, pending={}), [*messages, *look.messages]
    return state, messages


@pytest.mark.parametrize(
    ("looks", "is_diagnosed"),
    [
        ([[seen("raw/usage"), *map(seen, SYMPTOMS)]], False),
        ([[seen("raw/usage"), *map(seen, SYMPTOMS)]], True),
        ([[*map(seen, SYMPTOMS)]], True),
        ([[seen("churn/performance")], [seen("upsell/performance", at=NOW + HOUR)]], True),
        (
            [
                [seen("raw/usage")],
                [seen("upsell/performance", at=NOW + HOUR), seen("churn/performance", at=NOW + HOUR)],
            ],
            False,
        ),
    ],
    ids=["source and both", "diagnosed", "both alone", "one after the other", "the source first"],
)
def test_a_dead_source_is_one_incident_whatever_products_it_hits(
    looks: Sequence[Sequence[Observation]], is_diagnosed: bool
) -> None:
    state, messages = told(looks, is_diagnosed)
    assert [(each.asset, each.group) for each in state.incidents.values()] == [("raw/usage", DATA)]
    (page,) = [message for message in messages if message.kind in PAGES]
    assert "Customer churn (product), ml_engineering" in page.body
    assert "Upsell (product), ml_engineering" in page.body
    assert sorted(message.group for message in messages if message.kind == "blocked") == sorted(
        {ANALYTICS, ML, "customer_success"}
    )
    mended = [seen(asset, OK, NOW + 5 * HOUR) for asset in ("raw/usage", *SYMPTOMS)]
    over = core.observe(state, [mended], NOW + 5 * HOUR, TWO)
    assert [message.kind for message in over.messages if message.group == DATA] == ["resolved"]
    assert not any(each.is_open for each in over.state.incidents.values())
