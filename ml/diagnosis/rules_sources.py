"""Rules on what the sources delivered: each looks at every raw table the product reads, and names the first broken."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ml.clock import DAY
from ml.commands import baton_sql, dotted
from ml.diagnosis import unusual
from ml.diagnosis.evidence import ColumnDays, Evidence, Load, Source
from ml.diagnosis.finding import Finding, Said, Sound, number, on, percent
from ml.diagnosis.verdict import Cause
from ml.masking import masked, one_line
from ml.quoting import literal, quoted

FEWEST_LOADS = 3
CLOCK_TESTS = (unusual.above_all(0.05), unusual.beyond(1.0, 1.0), unusual.beyond(1.0, 2.0))
CLOCK_TEXTS = (
    "{asset}: {now:.0%} of the rows are dated after the run's clock, before {high:.0%} at most",
    "{asset}: the median event is at hour {now:.1f} UTC, before {low:.1f} to {high:.1f}",
    "{asset}: rows are written {now:.1f} h after the event, before {low:.1f} to {high:.1f} h",
)
FEWEST_ROWS = 5
CHANCE = 1e-5


def file_unreadable(known: Evidence) -> Said:
    """A landing file of which nothing could be loaded."""
    for source in known.sources:
        if source.loads and source.loads[-1].failed:
            load = source.loads[-1]
            return _finding(
                Cause.FILE_UNREADABLE, source, 0.95, (f"not loaded: {masked(load.failed)}",), load.day, _loads(source)
            )
    return Sound(f"every file of {len(known.sources)} sources could be read") if known.sources else None


def source_late(known: Evidence) -> Said:
    """No file came where one came every time; or the source's own promise of freshness is broken."""
    for source in known.sources:
        silent = _silent(source.loads)
        # A file that came and was rejected line by line leaves old rows too, and is not late.
        came = bool(source.loads) and source.loads[-1].files > 0 and source.loads[-1].rejected > source.loads[-1].rows
        promise = [
            error.message
            for error in known.errors
            if error.name == "data_is_fresh" and error.asset == source.table.asset and not came
        ]
        if silent or promise:
            cause = Cause.OUTCOMES_LATE if source.is_outcome else Cause.SOURCE_LATE
            said = []
            if silent:
                usual = len(source.loads) - len(silent)
                said.append(
                    f"{source.table.asset}: no file has come since {on(silent[0].day)}; each of the {usual} runs "
                    "before found one"
                )
            since = silent[0].day if silent else None
            return _finding(cause, source, 0.95 if silent else 0.9, (*said, *promise[:1]), since, _loads(source))
    told = [source for source in known.sources if source.loads]
    return Sound(f"a file came for each of {len(told)} sources") if told else None


def _silent(loads: tuple[Load, ...]) -> list[Load]:
    """The newest loads without a file, where those before them brought one nearly every time.

    An empty file is one too: of a small source nothing may have happened that day.
    """
    earlier = (None, *loads)
    came = [
        bool(load.files or load.failed or (before and load.empty > before.empty))
        for before, load in zip(earlier, loads, strict=False)
    ]
    n_before = max((position + 1 for position, found in enumerate(came) if found), default=0)
    regular = n_before >= FEWEST_LOADS and sum(came[:n_before]) >= 0.9 * n_before
    return list(loads[n_before:]) if regular else []


def schema_change(known: Evidence) -> Said:
    """Lines that no longer fit the declared columns, or a column that came under another name."""
    for source in known.sources:
        if not source.loads:
            continue
        load, earlier = source.loads[-1], source.loads[:-1]
        total = load.rows + load.rejected
        usual = max((each.rejected for each in earlier), default=0)
        emptied = [
            c.name for c in source.table.values if _nulls(c, source) is not None and (c.null_share[-1] or 0) > 0.95
        ]
        undeclared = load.undeclared and load.undeclared not in {each.undeclared for each in earlier}
        if load.rejected >= FEWEST_ROWS and load.rejected > 0.05 * total and load.rejected > 3 * usual:
            said = f"{load.rejected} of {total} lines do not fit the declared columns, usual is {usual} at most"
            extra = (f"columns nobody declared: {load.undeclared}",) if undeclared else ()
            first = (f"{source.table.asset}: {said}", *((load.reasons,) if load.reasons else ()), *extra)
            return _finding(Cause.SCHEMA_CHANGE, source, 0.95, first, load.day, _rejects(source))
        if undeclared and emptied:
            lost = f"{source.table.asset}: {', '.join(emptied)} came empty"
            said = f"{lost}, and {load.undeclared} came that nobody declared"
            return _finding(Cause.SCHEMA_CHANGE, source, 0.95, (said,), load.day, _loads(source))
    told = [source.loads[-1].rejected for source in known.sources if source.loads]
    return Sound(f"{sum(told)} lines of {len(told)} sources were rejected") if told else None


def duplicate_load(known: Evidence) -> Said:
    """Rows that were delivered before came once more."""
    worst = 0.0
    for source in known.sources:
        table = source.table
        share = [a / n if n else None for a, n in zip(table.again, table.rows, strict=False)]
        began = unusual.streak(share, lambda value, sound: value > 3 * max(sound) + 0.05)
        worst = max(worst, (share[-1] or 0.0) if share else 0.0)
        counts = unusual.sound_before(table.again, began) if began is not None else []
        if began is not None and unusual.chance_of_more(table.again[-1], counts) < CHANCE:
            usual = max(unusual.sound_before(share, began))
            said = (
                f"{table.asset}: {table.again[-1]} of {table.rows[-1]} rows ({percent(share[-1] or 0)}) are exact "
                f"copies of earlier ones, usual is {percent(usual)} at most"
            )
            return _finding(Cause.DUPLICATE_LOAD, source, 0.95, (said,), table.days[began], _loads(source))
    return Sound(f"at most {percent(worst)} of a source's rows are copies") if known.sources else None


def source_volume(known: Evidence) -> Said:
    """Far fewer rows than on any day of four weeks. More rows, none of them twice, are growth."""
    for source in known.sources:
        table = source.table
        began = unusual.streak([float(n) for n in table.rows], unusual.far_below(0.5, 1e-5))
        if began is not None:
            sound = unusual.sound_before(table.rows, began)
            said = (
                f"{table.asset}: {table.rows[-1]:,} rows for {on(table.days[-1])}; the {len(sound)} days before "
                f"brought {min(sound):,} to {max(sound):,}"
            )
            return _finding(Cause.SOURCE_VOLUME, source, 0.9, (said,), table.days[began], _loads(source))
    largest = max((source.table.rows[-1] for source in known.sources if source.table.rows), default=None)
    return None if largest is None else Sound(f"volume is usual (the largest source brought {largest:,} rows)")


def clock_shift(known: Evidence) -> Said:
    """Events dated hours from where they always were, after now, or written long after they happened."""
    for source in known.sources:
        table = source.table
        enough = bool(table.rows) and table.rows[-1] >= 8
        ahead = [f / n if n else None for f, n in zip(table.future, table.rows, strict=False)]
        for values, test, what in zip((ahead, table.hour, table.lag_hours), CLOCK_TESTS, CLOCK_TEXTS, strict=True):
            began = unusual.streak(values, test) if enough else None
            if began is not None:
                sound = unusual.sound_before(values, began)
                told = {"now": values[-1] or 0.0, "low": min(sound), "high": max(sound)}
                said = (what.format(asset=table.asset, **told),)
                return _finding(Cause.CLOCK_SHIFT, source, 0.9, said, table.days[began], _hours(source))
    return Sound("events keep their usual hours") if known.sources else None


def null_spike(known: Evidence) -> Said:
    """A column is null far more often than on any day of four weeks."""
    worst = 0.0
    for source in known.sources:
        table = source.table
        for column in table.values:
            began, share = _nulls(column, source), column.null_share[-1] if column.null_share else None
            worst = max(worst, share or 0.0) if began is None else worst
            if began is not None and share is not None and share * table.rows[-1] >= FEWEST_ROWS:
                usual = max(unusual.sound_before(column.null_share, began))
                said = (
                    f"{table.asset}: {column.name} is null in {percent(share)} of {table.rows[-1]:,} rows, "
                    f"before in {percent(usual)} at most"
                )
                command = _nulls_by_day(source, column.name)
                return _finding(Cause.NULL_SPIKE, source, 0.95, (said,), table.days[began], command)
    return Sound(f"no column is null more often than before (at most {percent(worst)})") if known.sources else None


def _nulls(column: ColumnDays, source: Source) -> int | None:
    return unusual.streak(column.null_share, unusual.above_all(0.1)) if source.table.rows else None


def category_renamed(known: Evidence) -> Said:
    """Values that four weeks never had, in the place of ones they always had."""
    for source in known.sources:
        table = source.table
        for column in (each for each in table.values if each.kind == "category"):
            days = [shares or None for shares in column.shares]
            began = unusual.streak(days, lambda today, sound: _new_share(today, sound) >= 0.1)
            if began is None or not days[-1]:
                continue
            sound = unusual.sound_before(days, began)
            seen = {value for shares in sound for value in shares}
            if sum(table.rows[:began]) < 50 or _new_share(days[-1], sound) * table.rows[-1] < 3:
                continue
            new = sorted(((share, value) for value, share in days[-1].items() if value not in seen), reverse=True)
            usual = {value: sum(shares.get(value, 0) for shares in sound) / len(sound) for value in seen}
            gone = [value for value, share in sorted(usual.items()) if share >= 0.05 and value not in days[-1]]
            said = [
                f"{table.asset}: {column.name} is '{one_line(new[0][1])}' in {percent(new[0][0])} of "
                f"{table.rows[-1]:,} rows, a value that the {len(sound)} days before never had"
            ]
            said += [f"'{one_line(value)}' is gone; it was {percent(usual[value])} of the rows" for value in gone[:1]]
            confidence = 0.95 if gone else 0.8
            command = _values_by_day(source, column.name)
            return _finding(Cause.CATEGORY_RENAMED, source, confidence, tuple(said), table.days[began], command)
    return Sound("no source has a value that it never had") if known.sources else None


def _new_share(today: Mapping[str, float], sound: Sequence[Mapping[str, float]]) -> float:
    seen = {value for shares in sound for value in shares}
    return float(sum(share for value, share in today.items() if value not in seen))


def unit_change(known: Evidence) -> Said:
    """The median of a number is several times beyond everything of four weeks: cents for dollars."""
    for source in known.sources:
        table = source.table
        for column in (each for each in table.values if each.kind == "number"):
            began = unusual.streak(column.middle, unusual.times_outside(3.0))
            if began is None or table.rows[-1] < FEWEST_ROWS:
                continue
            sound, now = unusual.sound_before(column.middle, began), column.middle[-1] or 0.0
            usual = sorted(sound)[len(sound) // 2]
            times = f"{number(now / usual)} times" if usual else "far from"
            said = (
                f"{table.asset}: median {column.name} is {number(now)}, {times} the usual {number(usual)} "
                f"(four weeks: {number(min(sound))} to {number(max(sound))}), {table.rows[-1]:,} rows"
            )
            command = _median(source, column.name)
            return _finding(Cause.UNIT_CHANGE, source, 0.9, (said,), table.days[began], command)
    return Sound("no number of a source left three times its range of four weeks") if known.sources else None


def _finding(
    cause: Cause, source: Source, confidence: float, said: tuple[str, ...], since: datetime | None, command: str
) -> Finding:
    """since: the midnight that ends the first bad day; the fault began when that day did."""
    return Finding(cause, source.table.asset, confidence, said, command, since - DAY if since else None)


def _loads(source: Source) -> str:
    where = f"asset = {literal(source.table.asset)}"
    return baton_sql(f"select * from ops.loads where {where} order by as_of desc limit 14")


def _rejects(source: Source) -> str:
    where = f"source_table = {literal(source.table.asset.replace('/', '.'))}"
    counted = f"select reason, file, count(*) from raw.rejects where {where}"
    return baton_sql(f"{counted} group by all order by file desc")


def _nulls_by_day(source: Source, column: str) -> str:
    return _by_day(source, f"round(avg(({quoted(column)} is null)::int), 3)")


def _values_by_day(source: Source, column: str) -> str:
    """Names no value: what a supplier sent does not belong into a command, and the old value is seen beside the new."""
    asked = f"select {quoted(source.known_at)}::date, {quoted(column)}, count(*) from {dotted(source.table.asset)}"
    return baton_sql(f"{asked} group by all order by 1 desc, 3 desc limit 40")


def _median(source: Source, column: str) -> str:
    return _by_day(source, f"median({quoted(column)})")


def _hours(source: Source) -> str:
    return _by_day(source, "median(hour(event_at)), max(event_at)")


def _by_day(source: Source, asked: str) -> str:
    day = f"{quoted(source.known_at)}::date"
    table = dotted(source.table.asset)
    return baton_sql(f"select {day}, count(*), {asked} from {table} group by 1 order by 1 desc limit 14")
