"""Which incidents and messages a sequence of observations makes: the pure core, no store, no clock of its own."""

import itertools
import random
import shlex
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from paging_world import ANALYTICS, CHAIN, DATA, DAY, HOUR, ML, NOW, SUCCESS, WORLD, Says, Told, all_ok, seen

from orchestration.paging import core
from orchestration.paging.cause import accountable
from orchestration.paging.model import (
    FAILED,
    INSUFFICIENT,
    OK,
    PAGES,
    Policy,
    State,
)


def test_one_failure_is_one_page_and_everybody_below_hears_who_is_on_it() -> None:
    told = Told()
    told.look([seen("raw/usage")])
    assert Counter(m.kind for m in told.messages) == {"opened": 1, "blocked": 3}
    assert {m.group for m in told.messages if m.kind == "blocked"} == {ANALYTICS, ML, SUCCESS}
    body = told.messages[0].body
    for part in ("raw/usage", "Since", "the data: it broke before", "raw/usage has 3 rows"):
        assert part in body, part
    for part in ("Customer success call list", "/runs/r1", "baton ack 1", "ref baton-t-1.1"):
        assert part in body, part


def test_a_diagnosed_page_says_what_mends_it_and_a_notice_what_the_cause_means() -> None:
    told = Told()
    sound = ("file unreadable: 6 files", "schema change: 0 lines", "late: 6 h", "volume: 400 rows", "skew: 100 %")
    told.look([seen("raw/usage")], diagnose=lambda asset, _: Says("raw/usage", DATA, "null_spike", ruled_out=sound))
    page, *notices = (message.body for message in told.messages)
    assert "Mend       Have the source fill it, and send the rows again." in page
    ruled_out = page[page.index("Ruled out") : page.index("Affected")].splitlines()
    assert [line.strip() for line in ruled_out if line.strip()] == [
        "Ruled out  1. skew: 100 %",
        "2. volume: 400 rows",
        "3. late: 6 h",
        "and 2 more, further up",
    ]
    assert all("null spike (a column that was filled is empty in many rows)." in body for body in notices)


def test_an_incident_is_kept_without_addresses_wherever_it_is_shown_later() -> None:
    """Its rows in ops.incidents and its metadata in Dagster are the incident's own words, not the page's."""
    says = Says(
        "raw/usage", DATA, evidence=("new value ann@example.com in owner",), ruled_out=("bob@example.com came",)
    )
    told = Told()
    told.look([seen("raw/usage", message="eve@example.com has no plan")])
    assert told.state.incidents[1].evidence == ("(address) has no plan",)
    told.look([seen("raw/usage", at=NOW + HOUR)], diagnose=lambda asset, seen: says)
    incident = told.state.incidents[1]
    assert (incident.evidence, incident.ruled_out) == (("new value (address) in owner",), ("(address) came",))


def test_what_nobody_diagnosed_has_no_advice() -> None:
    told = Told()
    told.look([seen("raw/usage", name="null_spike")])
    assert not any("Mend" in message.body or "was filled" in message.body for message in told.messages)


def test_thirty_failures_of_one_cause_are_one_page() -> None:
    told = Told()
    told.look([seen(asset, name=f"check_{n}") for asset in CHAIN if asset != "raw/invoices" for n in range(5)])
    for day in range(1, 6):
        told.look([seen("raw/usage", at=NOW + day * DAY, name="check_0")], now=NOW + day * HOUR / 10)
    assert [m.group for m in told.messages if m.kind in PAGES] == [DATA]


def test_two_sources_that_broke_together_in_the_same_way_are_one_incident_and_in_another_way_two() -> None:
    told = Told()
    told.look([seen("raw/usage"), seen("raw/invoices")])
    assert len(told.open) == 1
    assert told.state.incidents[1].assets == ("raw/invoices", "raw/usage")
    apart = Told()
    apart.look([seen("raw/usage"), seen("raw/invoices", name="nulls")])
    assert len(apart.open) == 2


def test_a_flapping_check_pages_once_and_then_has_to_settle() -> None:
    told = Told()
    for n in range(30):
        told.look([seen("raw/usage", FAILED if n % 2 == 0 else OK, NOW + n * HOUR)], now=NOW + n * HOUR / 10)
    kinds = Counter(m.kind for m in told.messages if m.group == DATA)
    assert kinds == {"opened": 1, "resolved": 1, "reopened": 1}
    for n in range(30, 33):
        told.look([seen("raw/usage", OK, NOW + n * HOUR)], now=NOW + n * HOUR / 10)
    assert told.open == {}


def test_k_of_m_keeps_a_single_failure_quiet() -> None:
    told, patient = Told(), Policy(k=2, of=3)
    pattern = [FAILED, OK, OK, FAILED, OK, FAILED]
    said = [told.look([seen("raw/usage", s, NOW + n * HOUR)], policy=patient) for n, s in enumerate(pattern)]
    assert [bool(each) for each in said] == [False, False, False, False, False, True]


def test_a_cause_that_sharpens_is_no_page_and_another_group_is_a_hand_over_but_never_back() -> None:
    told = Told()
    told.look([seen("churn/performance")])
    assert told.open == {"churn/performance": "open"}
    at = [NOW + n * HOUR / 10 for n in range(1, 5)]

    def says(verdict: Says) -> dict[str, object]:
        return {"diagnose": lambda asset, seen: verdict}

    again = [seen("churn/performance", at=moment) for moment in at]
    assert told.look([again[0]], **says(Says("churn/performance", ML, "concept_drift", "model", 0.5))) == []
    assert told.state.incidents[1].cause == "concept_drift"
    moved = told.look([again[1]], **says(Says("raw/usage", DATA)))
    assert ("handover", DATA) in moved
    assert ("handed_over", ML) in moved
    assert told.look([again[2]], **says(Says("churn/performance", ML, "concept_drift", "model", 0.99))) == []
    assert told.state.incidents[1].group == DATA
    assert len(told.open) == 1
    told.look(all_ok(NOW + HOUR), now=NOW + HOUR)
    over = Counter((m.kind, m.group) for m in told.messages if m.kind in ("resolved", "unblocked"))
    assert over[("resolved", DATA)] == 1
    assert over[("unblocked", ML)] == 1
    assert max(over.values()) == 1


def test_a_diagnosis_that_cannot_be_made_once_does_not_split_what_it_had_joined() -> None:
    told = Told()
    both = [seen("raw/usage"), seen("raw/invoices", name="nulls")]
    told.look(both, diagnose=lambda asset, seen: Says("raw/usage", DATA))
    assert told.open == {"raw/usage": "open"}
    later = [replace(each, at=NOW + HOUR, run_id="r2") for each in both]
    assert told.look(later, now=NOW + HOUR, diagnose=lambda asset, seen: None) == []
    assert told.open == {"raw/usage": "open"}
    usage, invoices = ([replace(each, at=NOW + 2 * HOUR, status=OK)] for each in both)
    assert told.look(usage, now=NOW + 2 * HOUR) == []
    assert told.open, "the other one is still broken"
    told.look(invoices, now=NOW + 2 * HOUR)
    assert told.open == {}


def test_benign_is_a_line_in_the_digest_and_a_diagnosis_that_finds_nothing_silences_nothing() -> None:
    told = Told()
    benign = Says("churn/drift", ML, "benign", "none")
    assert told.look([seen("churn/performance")], diagnose=lambda a, s: benign) == [("digest", ML)]
    healthy = Says("churn/health", ML, "healthy", "none")
    assert Told().look([seen("churn/performance")], diagnose=lambda a, s: healthy)[0] == ("opened", ML)


def test_unanswered_goes_to_the_backup_once_and_acknowledged_does_not() -> None:
    told = Told()
    told.look([seen("raw/usage")])
    assert told.look(now=NOW + 3 * HOUR) == []
    assert told.look(now=NOW + 4 * HOUR) == [("escalated", ANALYTICS)]
    assert told.look(now=NOW + 40 * HOUR) == []
    calm = Told()
    calm.look([seen("raw/usage")])
    calm.take(core.acknowledge(calm.state, 1, "ann", NOW + HOUR, WORLD))
    assert calm.look(now=NOW + 400 * HOUR) == []


@pytest.mark.parametrize("is_delivered", [False, True])
def test_a_backup_that_could_not_be_told_hears_nothing_once_somebody_has_answered(is_delivered: bool) -> None:
    opened = core.observe(State("t"), [[seen("churn/performance")]], NOW, WORLD)
    late = core.observe(opened.state, [], NOW + 5 * HOUR, WORLD)
    assert [(m.kind, m.group) for m in late.messages] == [("escalated", ANALYTICS)]
    state = replace(late.state, pending={}) if is_delivered else late.state
    answered = core.acknowledge(state, 1, "ann", NOW + 6 * HOUR, WORLD)
    assert answered.withdrawn == (frozenset() if is_delivered else {late.messages[0].key})
    over = core.observe(answered.state, [[seen("churn/performance", OK, NOW + 7 * HOUR)]], NOW + 7 * HOUR, WORLD)
    assert {m.group for m in over.messages} == ({ML, ANALYTICS} if is_delivered else {ML})


def test_a_snooze_ends_and_says_so_if_it_is_still_broken() -> None:
    told = Told()
    told.look([seen("raw/usage")])
    told.take(core.snooze(told.state, 1, NOW + 10 * HOUR, "ann", NOW, WORLD))
    assert told.look([seen("raw/usage", at=NOW + HOUR)], now=NOW + 9 * HOUR) == []
    assert told.look(now=NOW + 10 * HOUR) == [("snooze_over", DATA)]
    assert told.look(now=NOW + 14 * HOUR) == [("escalated", ANALYTICS)]
    with pytest.raises(ValueError) as raised:
        core.snooze(told.state, 1, NOW + 60 * DAY, "ann", NOW, WORLD)
    assert "30 days" in str(raised.value)


def test_passing_on_pages_the_other_group_and_no_diagnosis_moves_it_again() -> None:
    told = Told()
    told.look([seen("churn/performance")])
    said = told.take(core.pass_on(told.state, 1, ANALYTICS, "the join lost rows", NOW, WORLD))
    assert said == [("handover", ANALYTICS), ("handed_over", ML)]
    assert "the join lost rows" in told.messages[-2].body
    told.look([seen("churn/performance", at=NOW + HOUR)], diagnose=lambda a, s: Says("raw/usage", DATA))
    incident = told.state.incidents[1]
    assert (incident.group, incident.misrouted) == (ANALYTICS, 1)
    with pytest.raises(core.NoSuchGroup, match=DATA):
        core.pass_on(told.state, 1, "nobody", "", NOW, WORLD)
    with pytest.raises(ValueError, match="reason is empty"):
        core.pass_on(told.state, 1, DATA, " \n", NOW, WORLD)
    told.take(core.pass_on(told.state, 1, DATA, "rows are\nmissing", NOW, WORLD))
    assert "Passed on: rows are missing\n" in told.messages[-2].body
    with pytest.raises(core.NoSuchIncident, match="open are: 1"):
        core.acknowledge(told.state, 7, "ann", NOW, WORLD)


def test_the_commands_of_a_page_are_lines_that_a_shell_takes_as_they_stand() -> None:
    told = Told()
    told.look([seen("churn/performance")])
    page = told.messages[0].body
    typed = [shlex.split(line[11:], comments=True) for line in page.splitlines() if line[11:].startswith("baton ")]
    assert [words[1:3] for words in typed] == [["ack", "1"], ["snooze", "1"], ["pass", "1"]]
    assert typed[-1][3:] == ["--to", "GROUP", "--reason", "..."]


def test_warnings_come_once_a_day_only_when_there_is_news_and_too_little_data_never() -> None:
    told = Told()
    warned = seen("churn/performance", severity="warn")
    assert told.look([warned, seen("raw/usage", INSUFFICIENT)]) == [("digest", ML)]
    for day in (1, 2, 3):
        assert told.look([replace(warned, at=NOW + day * DAY, as_of=NOW + day * DAY)], now=NOW + day * DAY) == []
    new = seen("churn/model", at=NOW + 3 * DAY, severity="warn")
    assert told.look([new], now=NOW + 3 * DAY + HOUR) == [("digest", ML)]
    newer = seen("churn/predictions", at=NOW + 3 * DAY, severity="warn")
    assert told.look([newer], now=NOW + 3 * DAY + 2 * HOUR) == []
    early = NOW + 4 * DAY + HOUR - timedelta(minutes=5)  # a daily run is not done at the same minute every day
    assert told.look([seen("churn/scoring_set", OK, at=early)], now=early) == [("digest", ML)]
    assert told.open == {}


def test_too_little_data_keeps_an_incident_open_and_lets_go_after_two_weeks() -> None:
    told = Told()
    told.look([seen("churn/performance")])
    for day in range(1, 15):
        told.look([seen("churn/performance", INSUFFICIENT, NOW + day * DAY)], now=NOW + day * DAY)
        assert told.open, day
    told.look([seen("churn/performance", INSUFFICIENT, NOW + 15 * DAY)], now=NOW + 15 * DAY)
    assert told.open == {}


@pytest.mark.parametrize("seed", range(20))
def test_late_repeated_and_out_of_order_events_end_in_the_same_incidents(seed: int) -> None:
    chance = random.Random(seed)
    runs = []
    for n in range(8):
        at = NOW + n * 6 * HOUR
        day = at.replace(hour=0) - chance.choice([timedelta(0), timedelta(0), 3 * DAY])
        runs.append([seen(a, chance.choice([OK, FAILED]), at, as_of=day, event_id=i) for i, a in enumerate(CHAIN)])

    def roots(state: State) -> set[str]:
        failing = {key for key, signal in state.signals.items() if signal.is_failing}
        assert failing == {key for each in state.incidents.values() if each.is_open for key in each.signals}
        return {root for each in state.incidents.values() if each.is_open for root in each.roots}

    # Flapping remembers the order in which things were judged; what stands last is the same for all.
    calm = Policy(flaps=99)
    expected = roots(core.observe(State("t"), [list(itertools.chain(*runs))], NOW + 3 * DAY, WORLD, calm).state)
    for _ in range(3):
        mixed = [event for run in runs for event in run for _ in range(chance.choice([1, 2]))]
        chance.shuffle(mixed)
        told = Told()
        for start in range(0, len(mixed), 7):
            told.look(mixed[start : start + 7], now=NOW + 3 * DAY, policy=calm)
        assert roots(told.state) == expected
    # A sensor that slept and one that looked after each run know the same incidents.
    slept, awake = Told(), Told()
    slept.look(*runs, now=NOW + 3 * DAY)
    for run in runs:
        awake.look(run, now=NOW + 3 * DAY)
    assert [(i.asset, i.group, i.state, i.signals) for i in slept.state.incidents.values()] == [
        (i.asset, i.group, i.state, i.signals) for i in awake.state.incidents.values()
    ]


def test_the_walk_agrees_with_a_plain_search() -> None:
    chance = random.Random(3)
    for _ in range(200):
        names = [f"a{n}" for n in range(8)]
        parents = {x: frozenset(p for p in names[:n] if chance.random() < 0.3) for n, x in enumerate(names)}
        broken = {x for x in names if chance.random() < 0.5}

        def above(asset: str, parents: dict[str, frozenset[str]] = parents) -> set[str]:
            return set(parents[asset]).union(*(above(p) for p in parents[asset]), set())

        for asset, root in accountable(broken, parents).items():
            assert root in broken
            assert not above(root) & broken
            assert root == asset or root in above(asset)
            assert (root == asset) == (not above(asset) & broken)


def test_ten_thousand_observations_are_one_quick_look() -> None:
    import time

    many = [seen("raw/usage", OK if n % 3 else FAILED, NOW, name=f"c{n}") for n in range(10_000)]
    began = time.process_time()
    look = core.observe(State("t"), [many], NOW, WORLD)
    assert time.process_time() - began < 3
    assert sum(message.kind in PAGES for message in look.messages) == 1


def test_paging_knows_no_dagster_and_reads_no_clock() -> None:
    import re
    from pathlib import Path

    from orchestration import paging

    for file in Path(paging.__file__).parent.glob("*.py"):
        text = file.read_text()
        assert not re.search(r"^\s*(import|from) dagster", text, re.MULTILINE), file
        assert not re.search(r"datetime\.now|time\.time\(", text), file
