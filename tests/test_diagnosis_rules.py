"""The rules: each piece of broken evidence gives its verdict, what stands upstream wins, no evidence is no crash."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from diagnosis_evidence import DAY, DAYS, N, broken, sound, usage, with_column, with_source
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from ml.diagnosis import unusual
from ml.diagnosis.evidence import (
    Champion,
    Changed,
    ColumnDays,
    DriftAlarm,
    Evidence,
    Failed,
    Load,
    Matured,
    Parity,
    Source,
    TableDays,
)
from ml.diagnosis.rules import RULES, diagnose
from ml.diagnosis.verdict import Cause

Break = Callable[[Evidence], Evidence]
WEEK = timedelta(days=7)
STEP = Failed("churn/predictions", "ml_engineering", "churn_predictions", "", is_step=True)


def failed(message: str) -> Break:
    return lambda known: replace(known, errors=(replace(STEP, message=message),))


def last_load(**changes: object) -> Break:
    loads = usage().loads
    return lambda known: with_source(known, loads=(*loads[:-1], replace(loads[-1], **changes)))


def silent(position: int) -> Break:
    loads = tuple(
        replace(load, files=0, rows=0) if load.day > DAY - 2 * timedelta(days=1) else load for load in usage().loads
    )
    return lambda known: with_source(known, position, loads=loads)


def feature_jump(known: Evidence) -> Evidence:
    assert known.features is not None
    column = replace(known.features.values[0], middle=broken(known.features.values[0].middle, 60.0))
    return replace(known, features=replace(known.features, values=(column,)))


def changed_sql(known: Evidence) -> Evidence:
    return replace(feature_jump(known), changed=(Changed("features/usage", "analytics_engineering", DAY),))


def recent(**changes: object) -> Break:
    return lambda known: replace(known, recent=replace(known.recent, **changes))  # type: ignore[type-var]


def scores(*newest: float) -> Break:
    def change(known: Evidence) -> Evidence:
        assert known.scores is not None
        score, version = known.scores.values
        return replace(
            known, scores=replace(known.scores, values=(replace(score, middle=broken(score.middle, *newest)), version))
        )

    return change


def scores_with_means(newest: float, mean: float) -> Break:
    """The median score of the newest day; the means around 1 % as where most scores are small."""

    def change(known: Evidence) -> Evidence:
        assert known.scores is not None
        score, version = known.scores.values
        means = broken(tuple(0.01 + day % 3 / 1000 for day in range(N)), mean)
        moved = replace(score, middle=broken(score.middle, newest), mean=means)
        return replace(known, scores=replace(known.scores, values=(moved, version)))

    return change


def drift(*features: str, is_firm: bool = True, value: float = 2.0) -> Break:
    alarms = tuple(DriftAlarm(name, "psi", value, 0.1, is_firm) for name in features)
    return lambda known: replace(known, drift=alarms)


def slow_drift(auc: float, auc_expected: float) -> Break:
    """The scores drift with a feature, by three times what is allowed; how the newest matured rows are ranked."""
    moved = drift("actions_7d", "score", value=0.3)
    return lambda known: recent(auc=auc, auc_expected=auc_expected)(moved(known))


def few_again(newest: int, *before: int) -> Break:
    """A source of ten rows a day, some of them exact copies."""
    return lambda known: with_source(known, rows=(10,) * N, again=(*before, newest))


CASES: dict[str, tuple[Break, Cause, str]] = {
    "disk": (failed("OSError: [Errno 28] No space left on device"), Cause.DISK_FULL, "published/warehouse"),
    "lock": (failed("WarehouseLocked: w.duckdb is held by PID 7"), Cause.WAREHOUSE_LOCKED, "published/warehouse"),
    "mlflow": (lambda k: replace(k, mlflow_error="mlflow.db is gone"), Cause.MLFLOW_DOWN, "churn/model"),
    "unreadable": (last_load(failed="u.csv.gz: not gzip"), Cause.FILE_UNREADABLE, "raw/usage"),
    "late": (silent(0), Cause.SOURCE_LATE, "raw/usage"),
    "outcomes": (silent(1), Cause.OUTCOMES_LATE, "raw/lost"),
    "rejects": (
        last_load(rejected=600, rows=100, reasons="n_actions is no integer: 600"),
        Cause.SCHEMA_CHANGE,
        "raw/usage",
    ),
    "few twice": (few_again(4, *[0] * 28), Cause.DUPLICATE_LOAD, "raw/usage"),
    "twice": (lambda k: with_source(k, again=broken(usage().table.again, 300)), Cause.DUPLICATE_LOAD, "raw/usage"),
    "few": (lambda k: with_source(k, rows=broken(usage().table.rows, 120)), Cause.SOURCE_VOLUME, "raw/usage"),
    "hours": (lambda k: with_source(k, hour=broken(usage().table.hour, 21.1)), Cause.CLOCK_SHIFT, "raw/usage"),
    "future": (lambda k: with_source(k, future=broken(usage().table.future, 90)), Cause.CLOCK_SHIFT, "raw/usage"),
    "lag": (lambda k: with_source(k, lag_hours=broken(usage().table.lag_hours, 8.0)), Cause.CLOCK_SHIFT, "raw/usage"),
    "nulls": (lambda k: with_column(k, "n_actions", null_share=broken((0.0,) * N, 0.6)), Cause.NULL_SPIKE, "raw/usage"),
    "category": (
        lambda k: with_column(k, "channel", shares=broken(usage().table.values[1].shares, {"Web": 0.5, "mobile": 0.5})),
        Cause.CATEGORY_RENAMED,
        "raw/usage",
    ),
    "unit": (
        lambda k: with_column(k, "n_actions", middle=broken(usage().table.values[0].middle, 360.0)),
        Cause.UNIT_CHANGE,
        "raw/usage",
    ),
    "sql": (changed_sql, Cause.TRANSFORM_CHANGED, "features/usage"),
    "no champion": (
        failed("ml.errors.NoServingVersion: no version of churn serves"),
        Cause.CHAMPION_MISSING,
        "churn/model",
    ),
    "unserved": (lambda k: replace(k, champion=None), Cause.CHAMPION_MISSING, "churn/model"),
    "step": (failed("KeyError: 'x'"), Cause.STEP_FAILED, "churn/predictions"),
    "unscored": (lambda k: replace(k, scored=250), Cause.SCORING_INCOMPLETE, "churn/predictions"),
    "skew": (
        lambda k: replace(k, parity=(*k.parity[:-1], Parity(DAY, 8000, 7600, "n", 40))),
        Cause.TRAIN_SERVE_SKEW,
        "churn/predictions",
    ),
    "concept": (recent(positives=27, auc=0.52, p_auc=0.0005, p_positives=0.0005), Cause.CONCEPT_DRIFT, "churn/model"),
    "prior": (recent(positives=60, p_positives=0.0005), Cause.PRIOR_SHIFT, "churn/model"),
    "calibration": (recent(expected=60.0, p_positives=0.0005), Cause.CALIBRATION_LOST, "churn/model"),
    "scores": (scores(0.12), Cause.CALIBRATION_LOST, "churn/model"),
    "scores and their sum": (scores_with_means(0.12, 0.04), Cause.CALIBRATION_LOST, "churn/model"),
    "halved scores": (scores_with_means(0.01, 0.003), Cause.CALIBRATION_LOST, "churn/model"),
    "covariate": (drift("actions_7d", "score"), Cause.COVARIATE_DRIFT, "churn/model"),
    "stale": (lambda k: replace(k, champion=Champion(1, 200, 180)), Cause.STALE_MODEL, "churn/model"),
    "covariate, slowly": (slow_drift(0.66, 0.65), Cause.COVARIATE_DRIFT, "churn/model"),
    "slow, and the ranking holds": (slow_drift(0.80, 0.65), Cause.BENIGN, "churn/health"),
    "holidays": (drift("actions_7d", "score", value=0.5), Cause.BENIGN, "churn/health"),
    "benign": (drift("actions_7d"), Cause.BENIGN, "churn/health"),
    "unsteady": (drift("actions_7d", "score", is_firm=False), Cause.BENIGN, "churn/health"),
    "healthy": (lambda k: k, Cause.HEALTHY, "churn/health"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_broken_piece_of_evidence_gives_its_verdict(name: str) -> None:
    change, cause, asset = CASES[name]
    found = diagnose(change(sound()))
    assert (found.cause, found.asset) == (cause, asset), found
    assert found.command.startswith(("baton", "df", "git"))
    assert found.evidence or not found.is_fault


def test_what_stands_upstream_explains_what_stands_below() -> None:
    known = sound()
    for name in ("covariate", "concept", "skew", "sql", "unit", "nulls", "late", "disk"):
        change, cause, _ = CASES[name]
        known = change(known)
        assert diagnose(known).cause == cause, name


def test_a_run_that_somebody_stopped_is_no_fault_of_changed_sql() -> None:
    stopped = replace(sound(), changed=(Changed("features/usage", "analytics_engineering", DAY),))
    failure = replace(STEP, asset="dbt", message="DagsterExecutionInterruptedError [interrupts.py:81]")
    assert diagnose(replace(stopped, errors=(failure,))).cause == Cause.STEP_FAILED
    assert (
        diagnose(replace(stopped, errors=(replace(failure, message="x is no column"),))).cause
        == Cause.TRANSFORM_CHANGED
    )


def test_changed_sql_is_not_blamed_for_what_does_not_read_it() -> None:
    """The day of a deployment is a day like others: an alias may be lost on it, and a check of another branch fail."""
    change = Changed("staging/tickets", "analytics_engineering", DAY, frozenset({"raw/invoices", "staging/invoices"}))
    deployed = replace(sound(), changed=(change,))
    lost = replace(STEP, asset="churn/predictions", message="NoServingVersion: no version of churn serves 2026-09-30")
    assert diagnose(replace(deployed, errors=(lost,))).cause == Cause.CHAMPION_MISSING
    failure = replace(STEP, asset="staging/invoices", name="paid_is_known", message="3 rows", is_step=False)
    assert diagnose(replace(deployed, errors=(failure,))).cause == Cause.STEP_FAILED
    below = replace(failure, asset="features/tickets")
    assert diagnose(replace(deployed, errors=(below,))).cause == Cause.TRANSFORM_CHANGED


def test_more_entities_that_differ_than_rows_that_came_late_are_a_fault() -> None:
    known = replace(sound(), parity=(Parity(DAY, 8000, 7600, "n", 40, 39),))
    assert diagnose(known).cause == Cause.TRAIN_SERVE_SKEW


def test_a_warehouse_that_is_held_while_one_looks_is_no_fault_of_the_run() -> None:
    """Whoever holds it may be the next run, in good health."""
    held = Evidence("churn", "ml_engineering", DAY, unreadable="WarehouseLocked: w.duckdb is held by PID 7")
    assert diagnose(held).cause == Cause.HEALTHY
    assert not any("no SQL" in text for text in diagnose(held).ruled_out), "nobody looked"
    full = replace(held, unreadable="IO Error: No space left on device")
    assert diagnose(full).cause == Cause.DISK_FULL
    assert diagnose(failed("WarehouseLocked: w.duckdb is held by PID 7")(held)).cause == Cause.WAREHOUSE_LOCKED


def test_drift_beside_a_broken_floor_is_not_benign_and_what_fails_is_told() -> None:
    floor = Failed("churn/performance", "ml_engineering", "within_floors", "roc_auc 0.61, allowed at least 0.70")
    found = diagnose(replace(drift("actions_7d")(sound()), errors=(floor,)))
    assert found.cause == Cause.HEALTHY
    assert "roc_auc 0.61" in found.evidence[0]
    alarm = Failed("churn/drift", "ml_engineering", "no_lasting_drift", "psi of actions_7d is 0.40")
    assert diagnose(replace(drift("actions_7d")(sound()), errors=(alarm,))).cause == Cause.BENIGN


@pytest.mark.parametrize("words", ["no space left", "x"], ids=["disk", "step"])
def test_no_value_of_a_row_stands_in_the_evidence(words: str) -> None:
    said = f"Conversion Error: Could not convert string 'Ann Miller' of ann@example.com to INT32: {words}"
    told = " ".join(diagnose(failed(said)(sound())).evidence)
    assert "Could not convert" in told
    assert "Ann" not in told
    assert "example.com" not in told


@pytest.mark.parametrize(
    ("asset", "name", "said"),
    [("raw", "raw", "raw: gone"), ("the run", "", "the run: gone"), ("raw/x", "files_load", "raw/x files_load: gone")],
)
def test_a_failure_is_named_once(asset: str, name: str, said: str) -> None:
    failure = Failed(asset, "g", name, "gone", is_step=True)
    assert diagnose(replace(sound(), errors=(failure,))).evidence == (said,)


def test_a_failure_is_told_in_words_not_classes_and_not_from_the_middle_of_one() -> None:
    held = "ml.warehouse.WarehouseLocked: /srv/warehouse.duckdb is held by python (PID 7)"
    assert diagnose(failed(held)(sound())).evidence[0].endswith(": /srv/warehouse.duckdb is held by python (PID 7)")
    full = f"TransactionContext Error: {'very ' * 30}long: could not write: no space left on device"
    assert ": ...very very" in diagnose(failed(full)(sound())).evidence[0]


def test_a_value_that_a_terminal_would_act_on_is_told_as_text() -> None:
    shares = broken(usage().table.values[1].shares, {"We\x1b[2Jb\n\nx" + 99 * "y": 0.5, "mobile": 0.5})
    told = diagnose(with_column(sound(), "channel", shares=shares)).evidence[0]
    assert "channel is 'We [2Jb x" in told
    assert told.isprintable()
    assert len(told) < 200


def test_a_file_of_rejects_is_no_late_file() -> None:
    late = Failed("raw/usage", "data_engineering", "data_is_fresh", "newest known_at is 31 h old")
    assert diagnose(replace(sound(), errors=(late,))).cause == Cause.SOURCE_LATE
    rejected = last_load(rejected=600, rows=0, reasons="n_actions is no integer: 600")(sound())
    assert diagnose(replace(rejected, errors=(late,))).cause == Cause.SCHEMA_CHANGE


def test_an_empty_file_is_a_file_that_came_and_the_next_missing_one_is_late() -> None:
    """Of a small source nothing may have happened; yesterday's empty file still lies there today."""
    quiet = last_load(files=0, rows=0, empty=1)(sound())
    assert diagnose(quiet).cause != Cause.SOURCE_LATE
    loads = usage().loads
    late = (*loads[:-2], replace(loads[-2], files=0, rows=0, empty=1), replace(loads[-1], files=0, rows=0, empty=1))
    found = diagnose(with_source(sound(), loads=late))
    assert (found.cause, found.since) == (Cause.SOURCE_LATE, loads[-1].day - timedelta(days=1))


def test_the_group_is_the_assets_and_else_the_products() -> None:
    assert diagnose(CASES["nulls"][0](sound())).group == "data_engineering"
    assert diagnose(CASES["sql"][0](sound())).group == "analytics_engineering"
    assert diagnose(CASES["concept"][0](sound())).group == "ml_engineering"


def test_since_is_the_start_of_the_first_unusual_day() -> None:
    values = broken((0.0,) * N, 0.5, 0.6, 0.7)
    assert diagnose(with_column(sound(), "n_actions", null_share=values)).since == DAYS[-4]


@pytest.mark.parametrize(
    "change",
    [
        lambda k: with_source(k, rows=broken(usage().table.rows, 3000)),  # growth, none of it twice
        lambda k: with_source(k, rows=broken(usage().table.rows, 520)),  # a quiet holiday
        lambda k: with_column(k, "n_actions", middle=broken(usage().table.values[0].middle, 2.0)),
        lambda k: with_column(k, "channel", shares=broken(usage().table.values[1].shares, {"mobile": 1.0})),
        last_load(undeclared="extra_field"),  # a new field nobody reads
        last_load(rejected=3),
        recent(positives=4, auc=0.2, p_auc=0.001),  # four positives rank nothing
        recent(positives=22, p_positives=0.0005),  # significant, and not twice the habit
        scores(0.04),
        scores_with_means(0.12, 0.0121),  # the median of scores near zero; what they sum to is what it was
        lambda k: replace(k, changed=(Changed("features/usage", "", DAY),)),  # changed SQL that changes nothing
        lambda k: replace(k, trains=False, champion=None, recent=None, parity=()),
        # forty rows came after the scoring and count as known before it: forty entities may differ, and do
        lambda k: replace(k, parity=(*k.parity[:-1], Parity(DAY, 8000, 7600, "n", 40, 40))),
        feature_jump,
    ],
)
def test_what_harms_nobody_is_no_fault(change: Break) -> None:
    found = diagnose(change(sound()))
    assert found.cause == Cause.HEALTHY, found


def test_everything_ruled_out_is_told_with_its_number() -> None:
    told = diagnose(sound()).ruled_out
    assert len(told) >= 14
    assert all(any(letter.isdigit() for letter in text) or "usual" in text or "no " in text for text in told), told


def test_a_drill_of_the_order_is_on_one_screen() -> None:
    assert len(RULES) <= 25
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
    assert all(rule.__doc__ for rule in RULES)


floats = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=32))
counts = st.integers(0, 10**6)
series = st.lists(floats, max_size=12).map(tuple)
columns = st.one_of(
    st.builds(ColumnDays, st.sampled_from("abc"), st.just("number"), series, series),
    st.builds(
        ColumnDays, st.sampled_from("abc"), st.just("category"), series, st.just(()),
        st.lists(st.dictionaries(st.sampled_from("xyz"), st.floats(0, 1)), max_size=12).map(tuple),
    ),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> TableDays:
    n = draw(st.integers(1, 12))
    many = st.lists(counts, min_size=n, max_size=n).map(tuple)
    known = st.lists(floats, min_size=n, max_size=n).map(tuple)
    values = []
    for column in draw(st.lists(columns, max_size=3)):
        values.append(
            replace(
                column,
                null_share=draw(known),
                middle=draw(known) if column.kind == "number" else (),
                shares=draw(
                    st.lists(st.dictionaries(st.sampled_from("xyz"), st.floats(0, 1)), min_size=n, max_size=n).map(
                        tuple
                    )
                )
                if column.kind == "category"
                else (),
            )
        )
    return TableDays(
        "raw/t", "g", DAYS[-n:], draw(many), draw(many), draw(many), draw(known), draw(known), tuple(values)
    )


loads = st.builds(
    Load, st.sampled_from(DAYS), counts, counts, counts, st.text(max_size=5), st.just(""), st.text(max_size=5)
)
stretches = st.builds(
    Matured, st.just(DAY - WEEK), st.just(DAY), st.integers(1, 1000), st.integers(0, 1000), st.floats(0, 1000),
    st.one_of(st.none(), st.floats(0, 1)), st.one_of(st.none(), st.floats(0, 1)), st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
evidence = st.builds(
    Evidence,
    product=st.just("churn"),
    owner=st.just("ml"),
    day=st.just(DAY),
    errors=st.lists(
        st.builds(Failed, st.just("a/b"), st.just("g"), st.text(max_size=4), st.text(max_size=9)), max_size=2
    ).map(tuple),
    sources=st.lists(
        st.builds(Source, tables(), st.lists(loads, max_size=6).map(tuple), st.booleans()), max_size=2
    ).map(tuple),
    features=st.one_of(st.none(), tables()),
    scores=st.one_of(st.none(), tables()),
    recent=st.one_of(st.none(), stretches),
    before=st.one_of(st.none(), stretches),
    parity=st.lists(st.builds(Parity, st.sampled_from(DAYS), counts, counts), max_size=3).map(tuple),
    population=st.one_of(st.none(), counts),
    scored=st.one_of(st.none(), counts),
    trains=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(evidence)
def test_odd_evidence_gives_one_verdict_and_no_crash(known: Evidence) -> None:
    found = diagnose(known)
    assert diagnose(known) == found
    assert not any("nan" in text or "inf " in text for text in found.evidence), found


@pytest.mark.parametrize(("newest", "before"), [(2, [0] * 28), (3, [0, 1, 2, 1] * 7), (6, [4] * 28)])
def test_copies_that_chance_or_habit_explains_are_no_duplicate_load(newest: int, before: list[int]) -> None:
    assert diagnose(few_again(newest, *before)(sound())).cause == Cause.HEALTHY


@given(n=st.integers(0, 60), mean=st.floats(0.001, 40))
@settings(max_examples=50, deadline=None)
def test_the_chance_of_a_count_is_poissons(n: int, mean: float) -> None:
    assert unusual.poisson_at_least(n, mean) == pytest.approx(float(poisson.sf(n - 1, mean)), rel=1e-9)
