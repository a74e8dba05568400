{#
CTEs `signed_outcomes` and `changed_decisions`: what a refresh adds to the hours (sign 1; is_new 1 where the decision was not counted before) and takes off them (sign -1, with the
state as it was counted), and the decisions these are of (perhaps a few more; they are joined by key).

Changed are decisions whose outcome was written since. A decision was counted before if its outcome had an earlier row and its hour had ended by then; hours that ended since
then bring theirs in. since: {outcomes_batch, counted_until} of the last refresh, as expressions.
#}
{% macro hourly_changes(parameters, decisions, outcomes, since) %}
{% set kept = 'decision_key, entity_hash, as_of' %}
changed_outcomes as (
    select {{ kept }}, state, is_restated, outcome_label, previous_batch, previous_state, previous_is_restated
    from {{ outcomes }}
    where batch > {{ since.outcomes_batch }}
),

signed_outcomes as (
    select
        {{ kept }}, state, is_restated, outcome_label, 1 as sign,
        case when previous_batch is not null and as_of <= {{ since.counted_until }} then 0 else 1 end as is_new
    from changed_outcomes
    where as_of <= {{ baton.this_hour() }}
    union all
    select {{ kept }}, state, is_restated, outcome_label, 1 as sign, 1 as is_new
    from {{ outcomes }}
    where batch <= {{ since.outcomes_batch }} and as_of > {{ since.counted_until }} and as_of <= {{ baton.this_hour() }}
    union all
    select
        {{ kept }}, previous_state, previous_is_restated,
        case when previous_state = 'positive' then 1 when previous_state in ('negative', 'late_positive') then 0 end, -1 as sign, 0 as is_new
    from changed_outcomes
    where previous_batch is not null and as_of <= {{ since.counted_until }}
),

changed_decisions as (
    select *
    from {{ decisions }}
    where as_of in (select as_of from signed_outcomes) and entity_hash in (select entity_hash from signed_outcomes)
)
{%- endmacro %}

{# CTE `touched_hours`: hours whose decisions or outcomes are not those the table was built from (all_hours: every hour), as they are and as they were. #}
{% macro touched_hours(parameters, decisions, outcomes, built, all_hours=false) %}
current_hours as (
    select hour, count(*) as n, sum(content) as content
    from (
        select {{ baton.hour_of('decisions.as_of') }} as hour, {{ baton.fact_checksum(parameters) }} as content
        from {{ decisions }} as decisions
        inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
        where {{ baton.hour_of('decisions.as_of') }} <= {{ baton.this_hour() }}
    ) as checked
    group by hour
),

built_hours as (
    select hour, sum(n) as n, sum(content) as content
    from {{ built }}
    where kind = 'sums' and slice_name = 'overall'
    group by hour
),

touched_hours as (
    select coalesce(current_hours.hour, built_hours.hour) as hour
    from current_hours
    full outer join built_hours on current_hours.hour = built_hours.hour
    {%- if not all_hours %}
    where current_hours.hour is null or built_hours.hour is null or current_hours.n <> built_hours.n or current_hours.content <> built_hours.content
    {%- endif %}
)
{%- endmacro %}

{#
What a refresh of performance_hourly starts from: that of `run_of`, outcomes_batch (how far it reads, as an expression), since (how far the last one had read, or none where
hours must be compared) and all_hours (whether later batches have outgrown the first).
#}
{% macro hourly_run(product, outcomes) %}
    {% set run = baton.run_of(product, 'performance_hourly', ['outcomes_batch', 'counted_until']) %}
    {% do run.update(outcomes_batch=baton.newest_batch(outcomes), since=none, all_hours=false) %}
    {% if run.built is not none %}
        {% set found = baton.only_row(baton.hourly_read_until(outcomes, run.built, run.batch - 1)) %}
        {% do run.update(all_hours=found.is_outgrown | int == 1) %}
        {% if found.can_resume | int == 1 and not run.all_hours %}
            {% do run.update(since={'outcomes_batch': found.outcomes_batch | int, 'counted_until': "timestamp '" ~ found.counted_until ~ "'"}) %}
        {% endif %}
    {% endif %}
    {{ return(run) }}
{% endmacro %}

{#
One row: how far the newest batch of performance_hourly had read; can_resume: 1 if every outcome written since says what was counted for it (it was written once since, and
its decision did not move); is_outgrown: 1 if later batches hold more rows than the first. newest: the newest batch of performance_hourly, a number where it is known.
#}
{% macro hourly_read_until(outcomes, built, newest=none) %}
{% set newest = newest or baton.newest_batch(built) %}
select
    newest.outcomes_batch,
    cast(newest.counted_until as {{ dbt.type_string() }}) as counted_until,
    case
        when newest.counted_until <= {{ baton.this_hour() }} and written.lowest <= newest.outcomes_batch and newest.outcomes_batch <= written.highest
            and twice.n = 0 then 1
        else 0
    end as can_resume,
    case when 2 * added.n > stored.n then 1 else 0 end as is_outgrown
from (
    select max(outcomes_batch) as outcomes_batch, max(counted_until) as counted_until
    from {{ built }}
    where batch = {{ newest }}
) as newest
cross join (select {{ baton.oldest_batch(outcomes) }} as lowest, {{ baton.newest_batch(outcomes) }} as highest) as written
cross join (
    select count(*) as n
    from {{ outcomes }}
    where batch > (select max(outcomes_batch) from {{ built }} where batch = {{ newest }})
        and (previous_batch > (select max(outcomes_batch) from {{ built }} where batch = {{ newest }}) or previous_as_of is not null)
) as twice
cross join (select count(*) as n from {{ built }} where batch > {{ baton.oldest_batch(built) }}) as added
cross join (select count(*) as n from {{ built }}) as stored
{% endmacro %}
