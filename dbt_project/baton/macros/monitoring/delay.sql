{#
One row per (stratum, age): how long outcomes take to arrive. The curve F(age) = `share_seen` is what delay-corrected performance divides by.

product:   name of the exposure
decisions: output of `baton.decisions`; carries the columns of outcome.delay_by
outcomes:  output of `baton.outcomes`

Rows: per stratum the ages at which a positive was first seen, and horizon + grace; between two of them the curve is flat. Strata: `all`, and with outcome.delay_by each
combination of its columns as text, 'campaign=brand'. age = outcome_known_at - as_of, in whole seconds, rounded up to the grid: minutes, 5, 15 minutes, hours, 6 hours or days,
the finest that cuts horizon + grace into at most 1,500 pieces. At these ages the numbers are exact; a reader takes a decision at the last grid age it has reached.

age_seconds, age_hours:       the age
n_seen, share_seen:           positives seen by then, and their share of n_positives; `_low`/`_high` Wilson's 95 % interval
n_closed, n_positives:        decisions of closed cohorts; those of them that were known to be positive when they closed. The same on each row of a stratum, as is all below
n_known_late:                 positives that became known after their cohort had closed (a grace too short); they are in no curve
age_p50_hours, age_p99_hours: the age by which half, 99 % of the positives are seen
grace_p99_hours:              the shortest grace at which 99 % of the positives, those known late included, are known when the cohort closes: advice for outcome.grace
score_delay_correlation:      Spearman's rank correlation of score and age over the positives; delay-corrected performance is unbiased only where it is 0
status:                       `insufficient_data` below monitor.delay.min_positives; `score_correlates` where the correlation is at least 0.1 either way and larger than chance
                              (|r| sqrt(n - 1) > 3.29, 1 in 1,000); else `ok`

Closed cohorts only, as they were when they closed. Each was watched for all of horizon + grace, so no row is censored and the empirical distribution is Kaplan-Meier's. Open
cohorts are left out: their positives are the quick ones. With outcome.positive `absence` an answer is known at the end only: one step, and nothing to correct before it.
#}
{% macro delay(product, decisions, outcomes) %}
    {% do config(materialized='table') %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('delay', 'baton')(product, decisions, outcomes)) }}
{% endmacro %}

{% macro default__delay(product, decisions, outcomes) %}
{% set parameters = baton.product(product) %}
{% set grid, last = baton.delay_grid(parameters), baton.last_step(parameters) %}
{% set enough = parameters.monitor.delay.min_positives %}
with

own_strata as (
    select
        {{ baton.stratum(parameters, 'decisions') }} as stratum,
        decisions.score,
        outcomes.outcome_label as label,
        case
            when outcomes.outcome_label = 1 and outcomes.outcome_known_at <= outcomes.matures_at
                then {{ baton.seen_step(parameters, 'outcomes.as_of', 'outcomes.outcome_known_at') }}
        end as step,
        case
            when outcomes.outcome_label = 1
                then {{ dbt.datediff('outcomes.as_of', 'outcomes.outcome_known_at', 'second') | trim }} - {{ baton.duration_parts(parameters.outcome.horizon).seconds }}
        end as overdue_seconds
    from {{ decisions }} as decisions
    inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
),

cohorts as (
    select stratum, score, label, step, overdue_seconds
    from own_strata
    {%- if parameters.outcome.delay_by %}
    union all
    select 'all' as stratum, score, label, step, overdue_seconds
    from own_strata
    {%- endif %}
),

strata as (
    select stratum, count(label) as n_closed, count(step) as n_positives, count(overdue_seconds) - count(step) as n_known_late
    from cohorts
    group by stratum
),

{{ baton.delay_correlations() }},

overdue as (
    select stratum, min(overdue_seconds) as grace_p99_seconds
    from (
        select
            stratum,
            overdue_seconds,
            row_number() over (partition by stratum order by overdue_seconds) as place,
            count(*) over (partition by stratum) as n
        from cohorts
        where overdue_seconds is not null
    ) as placed
    where 100 * place >= 99 * n
    group by stratum
),

points as (
    select stratum, step, sum(n) as n
    from (
        select stratum, step, count(*) as n
        from cohorts
        where step is not null
        group by stratum, step
        union all
        select stratum, {{ last }} as step, 0 as n
        from strata
    ) as counted
    group by stratum, step
),

curves as (
    select
        points.stratum,
        points.step,
        cast(sum(points.n) over (partition by points.stratum order by points.step rows between unbounded preceding and current row) as bigint) as n_seen,
        strata.n_closed,
        strata.n_positives,
        strata.n_known_late
    from points
    inner join strata on points.stratum = strata.stratum
),

shares as (
    select curves.*, n_seen / cast(nullif(n_positives, 0) as {{ baton.type_double() }}) as share_seen
    from curves
),

quantiles as (
    select
        stratum,
        min(case when 2 * n_seen >= n_positives then step end) as p50_step,
        min(case when 100 * n_seen >= 99 * n_positives then step end) as p99_step
    from curves
    where n_positives > 0
    group by stratum
)

select
    shares.stratum,
    {{ grid }} * shares.step as age_seconds,
    {{ grid }} * shares.step / 3600e0 as age_hours,
    shares.n_seen,
    shares.share_seen,
    {{ baton.wilson('shares.share_seen', 'shares.n_positives', '-') }} as share_seen_low,
    {{ baton.wilson('shares.share_seen', 'shares.n_positives', '+') }} as share_seen_high,
    shares.n_closed,
    shares.n_positives,
    shares.n_known_late,
    {{ grid }} * quantiles.p50_step / 3600e0 as age_p50_hours,
    {{ grid }} * quantiles.p99_step / 3600e0 as age_p99_hours,
    case when overdue.grace_p99_seconds < 0 then 0 else overdue.grace_p99_seconds / 3600e0 end as grace_p99_hours,
    correlations.correlation as score_delay_correlation,
    case
        when shares.n_positives < {{ enough }} then 'insufficient_data'
        when abs(correlations.correlation) >= 0.1 and abs(correlations.correlation) * sqrt(shares.n_positives - 1e0) > 3.29 then 'score_correlates'
        else 'ok'
    end as status,
    {{ baton.quoted(baton.spec_hash(product, 'delay')) }} as spec_hash,
    {{ baton.now() | trim }} as evaluated_at,
    {{ baton.built_at() }} as built_at
from shares
left join quantiles on shares.stratum = quantiles.stratum
left join overdue on shares.stratum = overdue.stratum
left join correlations on shares.stratum = correlations.stratum
order by shares.stratum, shares.step
{% endmacro %}

{# CTE `correlations`: Spearman's rho per stratum, ties at their mean rank. Ranks are doubled and centred, so that they are whole numbers and sums of them exact. #}
{% macro delay_correlations() %}
{% set by_score = "partition by stratum, score" %}
ranked as (
    select
        stratum,
        cast(2 * rank() over (partition by stratum order by score) + count(*) over (partition by stratum, score)
            - count(*) over (partition by stratum) - 2 as decimal(38, 0)) as score_rank,
        cast(2 * rank() over (partition by stratum order by step) + count(*) over (partition by stratum, step)
            - count(*) over (partition by stratum) - 2 as decimal(38, 0)) as step_rank
    from cohorts
    where step is not null
),

correlations as (
    select
        stratum,
        cast(sum(score_rank * step_rank) as {{ baton.type_double() }})
            / nullif(sqrt(cast(sum(score_rank * score_rank) as {{ baton.type_double() }})) * sqrt(cast(sum(step_rank * step_rank) as {{ baton.type_double() }})), 0) as correlation
    from ranked
    group by stratum
)
{%- endmacro %}
