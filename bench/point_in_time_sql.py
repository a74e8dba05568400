"""Data and hand-written SQL of `bench/point_in_time.py`: what one who knows DuckDB well writes for one project."""

START = "timestamp '2025-01-01'"
END_OF_TIME = "timestamp '9999-12-31'"
KNOWN = "and f.valid_from <= s.as_of and f.valid_to > s.as_of"
UNIFORM = (
    "create or replace macro uniform(i, salt) as ((hash(i * 4096 + salt) >> 11)::double + 0.5) / 9007199254740992.0"
)


def table(name: str, select: str) -> str:
    return f"create or replace table {name} as {select}"


def feature_tables(rows: int, spine: int) -> list[str]:
    """Statements that create log_0 .. log_4 and spine(label_id, entity_id, as_of)."""

    def moment(salt: int) -> str:
        return f"{START} + to_microseconds((uniform(i, {salt}) * 90 * 86400)::bigint * 1000000 + i % 1000000)"

    logs = [
        table(
            f"log_{k}",
            f"""
            select
                row_id, entity_id, event_at, x{k}, y{k}, false as is_deleted,
                event_at + to_seconds(case when late < 0.03 then (delay * 5 * 86400)::bigint else 0 end) as known_at
            from (
                select
                    i as row_id, (uniform(i, {100 + k}) * 100000)::bigint as entity_id, {moment(110 + k)} as event_at,
                    round(uniform(i, {120 + k}) * 100, 2) as x{k}, (uniform(i, {130 + k}) * 1000)::bigint as y{k},
                    uniform(i, {140 + k}) as late, uniform(i, {150 + k}) as delay
                from range({rows}) as r(i)
            )
            """,
        )
        for k in range(5)
    ]
    entity = "(uniform(i, 200) * 100000)::bigint as entity_id"
    labels = f"select i as label_id, {entity}, {moment(201)} as as_of from range({spine}) as r(i)"
    return [UNIFORM, *logs, table("spine", labels)]


def two_clock_intervals(k: int) -> str:
    """SCD2 on both clocks: keep what was the newest event when it became visible, until the next kept row."""
    order = "partition by entity_id order by visible_at, event_at, known_at, row_id"
    return f"""
    select entity_id, x{k}, y{k}, visible_at as valid_from,
        lead(visible_at, 1, {END_OF_TIME}) over ({order}) as valid_to
    from (
        select *, max(event_at) over ({order} rows unbounded preceding) as newest
        from (select *, greatest(event_at, known_at) as visible_at from log_{k})
        qualify event_at = newest
    )
    qualify valid_from < valid_to
    """


def one_clock_intervals(k: int) -> str:
    return f"""
    select entity_id, x{k}, y{k}, event_at as valid_from,
        lead(event_at, 1, {END_OF_TIME}) over (partition by entity_id order by event_at) as valid_to
    from log_{k} qualify valid_from < valid_to
    """


def interval_joins(prefix: str) -> str:
    values = ", ".join(f"f{k}.x{k}, f{k}.y{k}" for k in range(5))
    joins = " ".join(
        f"left join {prefix}_{k} f{k} on s.entity_id = f{k}.entity_id"
        f" and s.as_of >= f{k}.valid_from and s.as_of < f{k}.valid_to"
        for k in range(5)
    )
    return f"select s.*, {values} from spine s {joins}"


def asof_joins(prefix: str, column: str) -> str:
    values = ", ".join(f"f{k}.x{k}, f{k}.y{k}" for k in range(5))
    joins = " ".join(
        f"asof left join {prefix}_{k} f{k} on s.entity_id = f{k}.entity_id and s.as_of >= f{k}.{column}"
        for k in range(5)
    )
    return f"select s.*, {values} from spine s {joins}"


def trailing(events: str, known: str) -> str:
    """Sum and count over 30 days by a range join; label_id is unique here, so it may stand for the row."""
    return f"""
    select s.label_id, s.entity_id, s.as_of, sum(f.x0) as x_30d, count(f.x0) as n_30d
    from spine s left join {events} f
        on f.entity_id = s.entity_id and f.event_at <= s.as_of and f.event_at > s.as_of - interval 30 day {known}
    group by s.label_id, s.entity_id, s.as_of
    """


def demo_tables() -> list[str]:
    """usage_log: 5,000 accounts x 400 days, 4 % late, 2 % corrected later; demo_spine: 4,000 accounts x 120 days."""
    return [
        table(
            "usage_log",
            f"""
            with daily as (
                select
                    a * 1000 + d as i, 'acc-' || lpad(a::varchar, 5, '0') as account_id,
                    {START} + to_days(d::int) + interval 23 hour as event_at
                from range(5000) as accounts(a), range(400) as days(d)
            ),
            written as (
                select
                    i as row_id, account_id, 'use-' || i as usage_id, event_at, false as is_deleted,
                    event_at + to_hours(case when uniform(i, 1) < 0.04 then (uniform(i, 2) * 96)::int else 0 end)
                        as known_at,
                    (uniform(i, 3) * 50)::int as n_actions, (uniform(i, 4) * 9)::int as active_users
                from daily
            )
            select * from written
            union all
            select row_id + 10000000, account_id, usage_id, event_at, false, known_at + interval 36 hour,
                n_actions + row_id % 2, active_users
            from written where uniform(row_id, 5) < 0.02
            """,
        ),
        table(
            "demo_spine",
            f"""
            select 'acc-' || lpad(a::varchar, 5, '0') as account_id, {START} + to_days((400 - d)::int) as as_of
            from range(4000) as accounts(a), range(120) as days(d)
            """,
        ),
    ]


def demo_windows() -> str:
    """One range join per window, grouped by the spine's key."""
    parts = [
        f"""(
        select s.account_id, s.as_of, sum(n_actions) as actions_{days}d, count(f.account_id) as n_{days}d,
            max(event_at) as last_{days}d
        from demo_spine s left join usage_versions f
            on f.account_id = s.account_id and f.event_at <= s.as_of
            and f.event_at > s.as_of - interval {days} day {KNOWN}
        group by s.account_id, s.as_of
        ) w{days}"""
        for days in (7, 28, 90)
    ]
    return (
        f"select * from {parts[0]} join {parts[1]} using (account_id, as_of) join {parts[2]} using (account_id, as_of)"
    )
