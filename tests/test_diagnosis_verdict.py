"""The type of a diagnosis: every cause has a kind, and a stored one says by name what it was."""

import json
import re
from datetime import datetime

import pytest
from click import Context

from ml.diagnosis.advice import ADVICE
from ml.diagnosis.verdict import KIND_OF, Cause, Diagnosis
from orchestration.cli.main import cli

STORED = Diagnosis(
    product="churn",
    cause=Cause.NULL_SPIKE,
    kind="data",
    asset="raw/usage_events",
    group="data_engineering",
    confidence=0.9,
    since=datetime(2026, 11, 20),
    evidence=("n_actions_7d is null in 71 % of rows, 0 % before",),
    ruled_out=("source late: newest row is 2 hours old",),
    command="baton diagnose churn",
)


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_kind(cause: Cause) -> None:
    assert KIND_OF[cause] in {"data", "model", "platform", "none"}


def test_every_fault_says_what_it_means_and_what_mends_it_with_commands_that_exist() -> None:
    assert set(ADVICE) == {cause for cause, kind in KIND_OF.items() if kind != "none"}
    for cause, advice in ADVICE.items():
        assert cause.replace("_", " ") not in advice.meaning, "the name again says nothing"
        assert not advice.meaning.endswith(".")
        assert not advice.mend.endswith(".")
        assert len(advice.meaning) <= 60, cause
        assert len(advice.mend) <= 150, cause
        assert set(re.findall(r"baton (\w+)", advice.mend)) <= set(cli.list_commands(Context(cli)))


def test_a_stored_diagnosis_says_all_of_it_by_name() -> None:
    plain = {"since": "2026-11-20T00:00:00", "evidence": list(STORED.evidence), "ruled_out": list(STORED.ruled_out)}
    assert json.loads(STORED.as_json()) == STORED.__dict__ | plain


@pytest.mark.parametrize(
    "wrong",
    [{"cause": "gremlins"}, {"kind": "model"}, {"confidence": 1.1}, {"evidence": ("a",) * 4}],
    ids=["cause", "kind", "confidence", "evidence"],
)
def test_what_no_diagnosis_can_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Diagnosis(**STORED.__dict__ | wrong)
