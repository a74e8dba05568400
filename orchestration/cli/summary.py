"""What a run did and what stands there now, for a person at the end of a run; the same facts as JSON."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ml.home import Home
from orchestration.cli.facts import (
    Layer,
    Performance,
    ProductFacts,
    as_dict,
    declared,
    layers,
    product_facts,
    product_names,
)
from orchestration.cli.output import age, console, count, money, owned, print_table, took

if TYPE_CHECKING:
    from orchestration.outcome import CheckOutcome, RunOutcome

SLOWEST = 5
CHECK_KINDS = ("passed", "failed", "warned", "waiting")  # waiting: too little data to judge


@dataclass(frozen=True)
class Summary:
    """One run and the state of the published copy after it."""

    now: datetime
    success: bool
    seconds: float
    seconds_to_first_sql: float | None
    jobs: list[dict[str, Any]]
    layers: list[Layer]
    products: list[ProductFacts]
    best_reachable: dict[str, dict[str, Any]]
    checks: list["CheckOutcome"]
    failed_steps: list[dict[str, Any]]
    slowest_steps: list[tuple[str, float]]
    csv_files: list[str]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return as_dict(self)


def summarize(home: Home, outcome: "RunOutcome") -> Summary:
    """Gather the summary; the published copy may be missing after a first run that failed."""
    steps = {f"{job.job}: {step}": seconds for job in outcome.jobs for step, seconds in job.step_seconds.items()}
    found_layers, products, best = _published(home)
    return Summary(
        now=outcome.now,
        success=outcome.success,
        seconds=outcome.seconds,
        seconds_to_first_sql=outcome.seconds_to_first_sql,
        jobs=[
            {
                "job": job.job,
                "run_id": job.run_id,
                "success": job.success,
                "partition": job.partition,
                "seconds": job.seconds,
            }
            for job in outcome.jobs
        ],
        layers=found_layers,
        products=products,
        best_reachable=best,
        checks=_latest(outcome),
        failed_steps=[as_dict(step) for step in outcome.failed_steps],
        slowest_steps=sorted(steps.items(), key=lambda step: -step[1])[:SLOWEST],
        csv_files=sorted(str(path) for path in home.published.rglob("*.csv")),
    )


def _published(home: Home) -> tuple[list[Layer], list[ProductFacts], dict[str, dict[str, Any]]]:
    if not home.published_warehouse.exists():
        return [], [], {}
    import ml
    from orchestration.cli.reachable import best_reachable, hooks

    known, told_by = declared(home), hooks(home)
    with ml.connect(home) as con:
        products = [product_facts(con, name, known.get(name)) for name in product_names(con)]
        best = {
            facts.name: reached
            for facts in products
            if facts.name in known
            and facts.name in told_by
            and (reached := best_reachable(home, con, known[facts.name], facts, told_by[facts.name]))
        }
        return layers(con), products, best


def _latest(outcome: "RunOutcome") -> list["CheckOutcome"]:
    """Each check once, as the last job that evaluated it left it."""
    return list({(check.asset, check.check): check for check in outcome.checks}.values())


def print_summary(summary: Summary) -> None:
    """The screen at the end of a run."""
    out = console()
    word = "[bold green]All done[/]" if summary.success else "[bold red]The run failed[/]"
    out.print(f"\n{word} in {took(summary.seconds)}. The clock of this run: {summary.now:%Y-%m-%d %H:%M} UTC.\n")
    if summary.layers:
        rows = [(layer.name, count(layer.tables), count(layer.rows)) for layer in summary.layers]
        print_table(("layer", "tables", "rows"), rows)
    for facts in summary.products:
        out.print(f"\n[bold]{facts.label}[/] ({facts.name})")
        for line in product_lines(facts, summary.best_reachable.get(facts.name), summary.now):
            out.print(f"  {line}", markup=False, soft_wrap=True)
    _print_checks(summary.checks, summary.failed_steps)
    slowest = ", ".join(f"{name} {took(seconds)}" for name, seconds in summary.slowest_steps)
    if slowest:
        out.print(f"\nTime went to: {slowest}", markup=False, soft_wrap=True)
    _print_next(summary)


def product_lines(facts: ProductFacts, best: dict[str, Any] | None, now: datetime) -> list[str]:
    """Champion, log, decisions and value in sentences."""
    lines = [_champion_line(facts, now)]
    kept = "kept elsewhere" if facts.predictions is None else count(facts.predictions)
    lines.append(f"predictions  {kept}, newest as of {_day(facts.scored_until)}")
    lines.append(
        f"decisions    {count(facts.decisions_matured)} matured, {count(facts.decisions_pending)} pending "
        f"({count(facts.decisions_early_positive)} of them seen early)"
    )
    if facts.performance:
        lines.extend(_performance_lines(facts.performance, facts.currency, best))
    if facts.on_action_list is not None:
        lines.append(f"action list  {count(facts.on_action_list)} to act on")
    return lines


def _champion_line(facts: ProductFacts, now: datetime) -> str:
    champion = facts.champion
    if facts.is_monitor_only:
        return "champion     none here: predictions are made elsewhere, Baton monitors them"
    if champion is None:
        return "champion     none yet"
    auc = f", ROC AUC {champion.roc_auc:.3f} on its test cohort" if champion.roc_auc is not None else ""
    return (
        f"champion     version {champion.version}, {champion.algorithm}, knows answers until "
        f"{_day(champion.labels_known_until)} ({age(champion.labels_known_until, now)}){auc}"
    )


def _performance_lines(found: Performance, currency: str, best: dict[str, Any] | None) -> list[str]:
    reach = f", best reachable {best['roc_auc']:.3f}" if best and best.get("roc_auc") is not None else ""
    auc = f"ROC AUC {_between(found)}{reach}" if found.roc_auc is not None else "ROC AUC not defined (one outcome)"
    window = f"window {found.window_kind} to {_day(found.window_end)}"
    lines = [f"performance  {auc}; {count(found.n)} decisions, {window}, all matured"]
    if found.value is not None:
        most = f", best reachable {money(best['value'], currency)}" if best else ""
        lines.append(
            f"value        {money(found.value, currency)} (treat none {money(found.treat_none, currency)}, "
            f"treat all {money(found.treat_all, currency)}{most})"
        )
    return lines


def _between(found: Performance) -> str:
    interval = "" if found.roc_auc_low is None else f" ({found.roc_auc_low:.3f} to {found.roc_auc_high:.3f})"
    return f"{found.roc_auc:.3f}{interval}"


def _print_checks(checks: list["CheckOutcome"], failed_steps: list[dict[str, Any]]) -> None:
    """The counts, then every check that is not green with its sentence and who answers for it."""
    out = console()
    kinds = {kind: [check for check in checks if _kind(check) == kind] for kind in CHECK_KINDS}
    shown = {kind: found for kind, found in kinds.items() if found or kind in ("passed", "failed")}
    counts = ", ".join(f"{len(found)} {kind}{' for data' * (kind == 'waiting')}" for kind, found in shown.items())
    out.print(f"\nChecks: {counts}", style="bold")
    for kind in CHECK_KINDS[1:]:
        for check in kinds[kind]:
            said = owned(check.message, check.owner)
            out.print(f"  {kind:8} {check.asset} {check.check}: {said}", markup=False, soft_wrap=True)
    for step in failed_steps:
        where = step["asset"] or step["step"]
        out.print(f"  failed   step {where}: {step['message']} (run {step['run_id']})", markup=False, soft_wrap=True)


def _kind(check: "CheckOutcome") -> str:
    return check_kind(check.passed, check.severity, check.status)


def check_kind(passed: bool, severity: str, status: str) -> str:
    """One of CHECK_KINDS."""
    if status == "insufficient_data":
        return "waiting"
    if passed:
        return "passed"
    return "failed" if severity == "error" else "warned"


def _print_next(summary: Summary) -> None:
    out = console()
    out.print("\nWhere to look next", style="bold")
    if not summary.success:
        out.print("  baton doctor      what is wrong here, with the fix")
    out.print("  make ui           Dagster and MLflow in the browser")
    for facts in summary.products:
        out.print(f'  baton sql "from {facts.name}.performance order by window_end desc limit 10"', markup=False)
    for path in summary.csv_files:
        out.print(f"  {path}", markup=False, soft_wrap=True)


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d}" if instant else "-"
