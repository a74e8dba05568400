"""The monitoring benchmark at a tiny size, without peers: it runs, and the script by hand agrees with the package."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

pytestmark = pytest.mark.long  # what it compares, the tests of the package prove too
BENCH = Path(__file__).parents[1] / "bench"
MODELS = ("decisions", "outcomes", "performance_hourly", "performance", "calibration", "drift")
HOURLY_KEYS = (
    "hour", "slice_name", "slice_value", "model_version", "kind", "part", "calibration_bin", "predicted_label",
    "seen_label", "score_bin",
)  # fmt: skip
HOURLY_SUMS = (
    "score_sum", "loss", "brier_sum", "value", "value_other", "value_sq", "lift_sq", "spread", "expected_loss",
    "expected_value", "expected_value_other", "spread_value", "spread_lift", "expected",
)  # fmt: skip
KEY = "window_kind, window_end, slice_name, slice_value, model_version, basis"
# What the script computes as the package does at any size; its AUC is binned wherever it is not overall per day.
SAME = (
    "n", "n_pending", "n_matured", "n_restated", "n_population", "n_never_scored", "tp", "fp", "fn", "tn", "accuracy",
    "accuracy_low", "accuracy_high", "precision_low", "recall_high", "f1_low", "f1_high", "balanced_accuracy_low",
    "log_loss", "brier", "brier_reliability", "brier_resolution", "ece", "value", "value_low",
    "value_per_decision_high", "value_treat_all", "value_lift", "value_lift_low", "coverage",
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a finished benchmark: both warehouses and what it printed."""
    folder = tmp_path_factory.mktemp("bench")
    options = ["--case", "build", "--rows", "3000", "--rounds", "1", "--keep", str(folder)]
    done = run("-m", "bench", "monitoring", *options)
    assert "CPU s by model" in done.stdout, done.stderr  # it may miss its bar, which says nothing at this size
    return folder / "3000", done.stdout


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=BENCH.parent, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def both(built):
    with duckdb.connect() as con:
        con.execute(f"attach '{built[0]}/package.duckdb' as package (read_only)")
        con.execute(f"attach '{built[0]}/by_hand.duckdb' as by_hand (read_only)")
        yield con


def test_it_prints_the_ratio_beside_its_bar(built):
    assert "package / by hand: CPU" in built[1]
    assert "(bar 1.3)" in built[1]


def test_the_script_by_hand_yields_the_rows_of_the_package(both):
    pairs = "package.performance as p full join by_hand.hand.performance as h"
    lone = f"select count(*), count_if(p.n is null or h.n is null) from {pairs} using ({KEY})"
    n, n_lone = both.execute(lone).fetchall()[0]
    assert n > 1000
    assert n_lone == 0
    worst = ", ".join(f"max(abs(p.{name} - h.{name}) / (1 + abs(p.{name})))" for name in SAME)
    found = both.execute(f"select {worst} from {pairs.replace('full', 'inner')} using ({KEY})").fetchall()[0]
    # Squares of money are kept to 4 digits by the package, which shows in intervals of a few decisions.
    assert {name: error for name, error in zip(SAME, found, strict=True) if error is None or error > 1e-5} == {}
    areas = f"""select max(abs(p.roc_auc - h.roc_auc)), max(abs(p.average_precision - h.average_precision)),
            max(abs(p.ks - h.ks)), count(p.roc_auc)
        from {pairs.replace("full", "inner")} using ({KEY})
        where p.slice_name = 'overall' and p.window_kind = '1d' and p.basis <> 'estimated'"""
    auc, average_precision, ks, n = both.execute(areas).fetchall()[0]
    assert n > 50
    assert auc < 1e-9
    assert average_precision < 1e-9
    assert ks < 1e-9


@pytest.mark.parametrize("table", MODELS)
def test_the_script_by_hand_yields_the_columns_of_the_package(both, table):
    def columns(place):
        return {row[0] for row in both.execute(f"describe {place}").fetchall()}

    assert columns(f"by_hand.hand.{table}") == columns(f"package.{table}")


def test_hourly_sums_by_hand_are_those_of_the_package(both):
    key = f"concat_ws('|', {', '.join(f'{name}::varchar' for name in HOURLY_KEYS)}) as key"
    sides = [f"(select {key}, * from {place}.performance_hourly)" for place in ("package", "by_hand.hand")]
    pairs = f"{sides[0]} as p full join {sides[1]} as h using (key)"
    counts = both.execute(
        f"""select count(*), count_if(p.n is distinct from h.n), count_if(p.n_pos is distinct from h.n_pos),
            count_if(p.n_late_positive is distinct from h.n_late_positive),
            count_if(p.n_restated is distinct from h.n_restated), count_if(p.content is distinct from h.content)
        from {pairs}"""
    ).fetchall()[0]
    assert counts[0] > 1000
    assert counts[1:] == (0, 0, 0, 0, 0)
    worst = ", ".join(
        f"max(abs(p.{name}::double - h.{name}::double) / (1e3 + abs(p.{name}::double)))" for name in HOURLY_SUMS
    )
    found = both.execute(f"select {worst} from {pairs}").fetchall()[0]
    assert {name: error for name, error in zip(HOURLY_SUMS, found, strict=True) if error is None or error > 1e-3} == {}


def test_calibration_by_hand_is_calibration_of_the_package(both):
    names = ("n", "n_positive", "mean_score", "positive_rate", "positive_rate_low", "positive_rate_high", "gap")
    worst = ", ".join(f"max(abs(p.{name} - h.{name}))" for name in names)
    n, n_lone, *errors = both.execute(
        f"""select count(*), count_if(p.n is null or h.n is null or p.status <> h.status), {worst}
        from package.calibration as p full join by_hand.hand.calibration as h
            using (window_kind, window_end, model_version, bin)"""
    ).fetchall()[0]
    assert n > 1000
    assert n_lone == 0
    assert max(errors) < 1e-9


def test_drift_by_hand_is_drift_of_the_package(both):
    rows = both.execute(
        """select p.method, max(abs(p.value - h.value)), max(abs(p.p_value - h.p_value)), count(*)
        from package.drift as p join by_hand.hand.drift as h using (window_kind, window_end, feature, method)
        where p.status <> 'insufficient_data'
            and not (p.feature = 'c2' and p.method in ('psi', 'jensen_shannon', 'chi_square'))
        group by p.method"""
    ).fetchall()
    assert {"psi", "ks", "wasserstein", "chi_square", "null_share", "range"} <= {method for method, *_ in rows}
    for method, value, p_value, _n in rows:
        assert value < (2e-3 if method == "wasserstein" else 1e-9), method
        if method in ("ks", "wasserstein", "null_share", "range"):  # rare bins are merged otherwise by hand
            assert p_value < 1e-6, method


def test_the_same_numbers_as_sql_are_those_of_the_package(built, both):
    folder = built[0]
    both.execute("detach package")
    assert run(str(BENCH / "monitoring_sides.py"), "export", "--folder", str(folder)).returncode == 0
    found = {}
    for work in ("performance", "performance_exact", "performance_daily", "psi", "ks_chi2", "drift_daily"):
        done = run(str(BENCH / "monitoring_sides.py"), "same", "--folder", str(folder), "--work", work)
        assert done.returncode == 0, done.stderr
        found[work] = json.loads(done.stdout)["values"]
    assert len(found["psi"]) == 15
    assert len(found["ks_chi2"]) == 15
    assert len(found["drift_daily"]) > 500
    with duckdb.connect(str(folder / "package.duckdb"), read_only=True) as con:
        rows = con.execute(
            """select window_end::date, accuracy, roc_auc from performance
            where window_kind = '1d' and slice_name = 'overall' and model_version = 'all' and basis = 'matured'
                and roc_auc is not null"""
        ).fetchall()
    for day, accuracy, roc_auc in rows:
        assert found["performance_exact"][f"day|{day}"][0] == pytest.approx(accuracy, abs=1e-12)
        assert found["performance_exact"][f"day|{day}"][4] == pytest.approx(roc_auc, abs=1e-9)
        assert found["performance"][f"day|{day}"][4] == pytest.approx(roc_auc, abs=2e-2)  # tens of rows
