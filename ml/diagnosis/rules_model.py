"""Rules on the model: what it was given and what it said, what came true of it, how old it is."""

from ml.clock import DAY
from ml.commands import baton_sql, dotted
from ml.diagnosis import unusual
from ml.diagnosis.evidence import DriftAlarm, Evidence, Matured
from ml.diagnosis.finding import Finding, Said, Sound, number, percent
from ml.diagnosis.rules_platform import feature_jumps
from ml.diagnosis.verdict import Cause

FEWEST_POSITIVES = 8
CHANCE = 0.002
LOST_AUC = 0.10
TIMES = 2.0
FAR = 10.0  # times what a feature's drift is allowed
JUMP_OF_MEDIAN, JUMP_OF_MEAN = 1.6, 1.3  # times outside everything of four weeks


def scoring_incomplete(known: Evidence) -> Said:
    """Somebody of the newest day has no score."""
    if not known.population or known.scored is None:
        return None
    missing = known.population - known.scored
    if missing <= 0:
        return Sound(f"all {known.population:,} of {known.day:%Y-%m-%d} are scored")
    share = percent(missing / known.population)
    said = f"{missing:,} of {known.population:,} of as_of {known.day:%Y-%m-%d} have no score ({share})"
    day = f"{unscored_day(known)}"
    command = f"baton backfill {day} {day}"
    return Finding(Cause.SCORING_INCOMPLETE, f"{known.product}/predictions", 0.95, (said,), command, known.day)


def unscored_day(known: Evidence) -> str:
    """The partition that ends at the judged day."""
    return f"{known.day - DAY:%Y-%m-%d}"


def train_serve_skew(known: Evidence) -> Said:
    """What was scored on the newest day is not what the same SQL gives for it."""
    days = [each for each in known.parity if each.n]
    if not days or days[-1].day < known.day:
        return None
    off = days[-1].n - days[-1].equal
    if not off:
        return Sound(f"all {days[-1].n:,} logged feature values are what the SQL gives again")
    if 0 < days[-1].n_rows <= days[-1].n_late:  # a row changes the features of one entity
        return Sound(
            f"{days[-1].n_rows:,} differ in {days[-1].feature}: {days[-1].n_late:,} rows of that day were loaded "
            "after it was scored"
        )
    first = days[-1]
    for each in reversed(days):
        if each.equal == each.n:
            break
        first = each
    said = (
        f"{off:,} of {days[-1].n:,} logged feature values of {known.day:%Y-%m-%d} ({percent(off / days[-1].n)}) are "
        f"not what the SQL gives for that day, most of them {days[-1].feature}; the SQL has not changed"
    )
    table = dotted(f"{known.product}/parity")
    command = baton_sql(f"from {table} where status = 'mismatch' order by window_end desc limit 20")
    return Finding(Cause.TRAIN_SERVE_SKEW, f"{known.product}/predictions", 0.85, (said,), command, first.day)


def concept_drift(known: Evidence) -> Said:
    """On the same matured rows the model ranks much worse than its scores promise, and than it did before."""
    recent, before = known.recent, known.before
    if recent is None or recent.auc is None or recent.auc_expected is None or recent.positives < FEWEST_POSITIVES:
        return None
    usual = recent.auc_expected
    if before is not None and before.auc is not None and before.positives >= FEWEST_POSITIVES:
        usual = min(usual, before.auc)
    promised = f"ROC AUC is {recent.auc:.2f}, and {recent.auc_expected:.2f} was promised"
    same = f"on the {recent.n:,} decisions of {_span(recent)} {promised}"
    if recent.p_auc > CHANCE or recent.auc > usual - LOST_AUC:
        return Sound(f"{same} (chance {recent.p_auc:.2g})")
    said = [f"{same}: chance explains that in {percent(recent.p_auc)} of cases"]
    if before is not None and before.auc is not None:
        said.append(f"before, on {before.n:,} decisions of {_span(before)}, it was {before.auc:.2f}")
    said.append(f"{recent.positives} came true where {number(recent.expected)} were expected")
    return _model(known, Cause.CONCEPT_DRIFT, 0.9, said, recent)


def scores_off(known: Evidence) -> Said:
    """The number of positives is not what the scores sum to, while the ranking holds: who moved, scores or outcomes?"""
    recent, before = known.recent, known.before
    if recent is None or recent.expected <= 0:
        return None
    ratio = (recent.positives + 0.5) / (recent.expected + 0.5)
    habit = (before.positives + 0.5) / (before.expected + 0.5) if before and before.expected else 1.0
    moved = ratio / habit
    enough = max(recent.positives, recent.expected) >= FEWEST_POSITIVES
    came = f"{recent.positives} of {recent.n:,} decisions of {_span(recent)} came true"
    same = f"{came}, the scores sum to {number(recent.expected)}"
    if not enough or recent.p_positives > CHANCE or 1 / TIMES < moved < TIMES:
        return Sound(f"{same} (chance {recent.p_positives:.2g})")
    rate = (recent.rate * recent.n + 0.5) / recent.n
    rate_before = (before.positives + 0.5) / before.n if before else rate
    score, score_before = recent.expected / recent.n, (before.expected / before.n if before else rate)
    outcomes_moved = max(rate / rate_before, rate_before / rate)
    scores_moved = max(score / score_before, score_before / score) if score_before else TIMES
    said = [f"{same}, {number(moved)} times the habit; the ranking holds (ROC AUC {_auc(recent)})"]
    said.append(
        f"share that came true: {percent(recent.rate)}, before {percent(before.rate if before else recent.rate)}"
    )
    said.append(f"mean score: {percent(score)}, before {percent(score_before)}")
    cause = Cause.PRIOR_SHIFT if outcomes_moved >= scores_moved else Cause.CALIBRATION_LOST
    return _model(known, cause, 0.85, said, recent)


def scores_jumped(known: Evidence) -> Said:
    """Scores jumped though neither features nor version did: what turns the model's output into a score has changed.

    Their median and what they sum to: where most scores are near zero the median moves by half its size while the sum,
    and so every decision, stays what it was.
    """
    table = known.scores
    score = next((c for c in table.values if c.name == "score"), None) if table else None
    if table is None or score is None:
        return None
    began = unusual.streak(score.middle, unusual.times_outside(JUMP_OF_MEDIAN))
    jumps = feature_jumps(known.features) if known.features else {}
    if began is None or jumps or _new_version(known):
        return Sound(f"the median score of {known.day:%Y-%m-%d} is usual") if score.middle[-1] is not None else None
    means, mean = unusual.sound_before(score.mean, began), score.mean[-1] if score.mean else None
    if means and mean is not None and not unusual.times_outside(JUMP_OF_MEAN)(mean, means):
        return Sound(
            f"the mean score is {mean:.3g}, before {min(means):.3g} to {max(means):.3g}: only the median moved"
        )
    sound, now = unusual.sound_before(score.middle, began), score.middle[-1] or 0.0
    meant = f"; the mean is {mean:.3g}, before {min(means):.3g} to {max(means):.3g}" if means and mean else ""
    said = (
        f"the median score is {now:.3g}, before {min(sound):.3g} to {max(sound):.3g}{meant}",
        f"none of {len(known.features.values) if known.features else 0} features jumped, and the version is the same",
    )
    asset = f"{known.product}/model"
    return Finding(Cause.CALIBRATION_LOST, asset, 0.85, said, _calibration(known), table.days[began])


def _new_version(known: Evidence) -> bool:
    """Whether another version scored within the days that are compared."""
    version = next((c for c in known.scores.values if c.name == "model_version"), None) if known.scores else None
    seen = [value for value in version.middle if value is not None] if version else []
    return bool(seen) and seen[-1] != seen[-2:][0]


def covariate_drift(known: Evidence) -> Said:
    """Features drift lastingly, and the scores firmly with them: the population is another one, decisions change.

    Far, or with harm: the model ranks worse, as its scores said it would (where they promised better it is concept
    drift). Else it is a season or the course of time: holidays move a week of activity by five times what is allowed,
    and what was trained on a younger company drifts more every month, while the ranking holds.
    """
    features = [alarm for alarm in known.drift if alarm.feature not in SCORES and alarm.method in DISTANCES]
    scores = [each for each in known.drift if each.feature in SCORES and each.method in DISTANCES and each.is_firm]
    names = sorted({alarm.feature for alarm in features})
    if not names or not scores:
        return None
    worst = max(features, key=_times)
    harm = _ranks_worse_as_promised(known)
    if _times(worst) < FAR and not harm:
        return Sound(f"the scores drift, and {_alarm(worst)}: not far, and the ranking is not known to be worse")
    said = [f"{_alarm(worst)}; {len(names)} features drift: {', '.join(names[:5])}"]
    said.append(f"{_alarm(scores[0])}: decisions change")
    if harm:
        said.append(harm)
    elif known.recent and known.recent.auc is not None:
        said.append(f"on the last matured rows ROC AUC is {_auc(known.recent)} ({known.recent.positives} came true)")
    table = dotted(f"{known.product}/drift")
    command = baton_sql(f"from {table} where is_alarm order by window_end desc, value desc limit 20")
    return Finding(Cause.COVARIATE_DRIFT, f"{known.product}/model", 0.75, tuple(said), command)


def _ranks_worse_as_promised(known: Evidence) -> str:
    """How much worse the newest matured rows are ranked, and were expected to be, than those before; '' if not."""
    recent, before = known.recent, known.before
    if recent is None or before is None or min(recent.positives, before.positives) < FEWEST_POSITIVES:
        return ""
    aucs = recent.auc, recent.auc_expected, before.auc
    if None in aucs or max(recent.auc or 0.0, recent.auc_expected or 0.0) > (before.auc or 0.0) - LOST_AUC:
        return ""
    return f"ROC AUC is {_auc(recent)}, {recent.auc_expected:.2f} was to be expected; before it was {_auc(before)}"


SCORES = ("score", "raw_score")
DISTANCES = ("psi", "jensen_shannon", "ks", "wasserstein", "chi_square", "l_infinity")


def _times(alarm: DriftAlarm) -> float:
    """How many times what is allowed."""
    return alarm.value / alarm.threshold if alarm.threshold else 0.0


def _alarm(alarm: DriftAlarm) -> str:
    return f"{alarm.method} of {alarm.feature} is {alarm.value:.2f}, allowed {alarm.threshold:.2f}"


def stale_model(known: Evidence) -> Said:
    """The champion knows no answer younger than twice its cadence."""
    champion = known.champion
    if champion is None:
        return None
    known_until = f"version {champion.version} knows answers until {champion.age_days:.0f} days ago"
    text = f"{known_until}, allowed are {champion.allowed_days:.0f}"
    if champion.age_days <= champion.allowed_days:
        return Sound(text)
    return Finding(Cause.STALE_MODEL, f"{known.product}/model", 0.95, (text,), "baton retrain")


def _model(known: Evidence, cause: Cause, confidence: float, said: list[str], recent: Matured) -> Finding:
    command = "baton retrain" if cause is Cause.CONCEPT_DRIFT else _calibration(known)
    return Finding(cause, f"{known.product}/model", confidence, tuple(said[:3]), command, recent.first)


def _calibration(known: Evidence) -> str:
    table = dotted(f"{known.product}/calibration")
    return baton_sql(f"from {table} order by window_end desc, bin limit 20")


def _span(stretch: Matured) -> str:
    first, last = f"{stretch.first:%Y-%m-%d}", f"{stretch.last:%Y-%m-%d}"
    return first if first == last else f"{first} to {last}"


def _auc(stretch: Matured) -> str:
    return "unknown" if stretch.auc is None else f"{stretch.auc:.2f}"
