{#
CTEs `standing` (rows of outcomes as they are) and `cohorts` (decisions to look at): all whose outcome may be another one than at the last refresh.

A decision is touched if it is new or was replaced since, if an event of its entity that could count for it arrived since, or began or ceased to be known between the last
now and this now, or if its cohort closed between them. Nothing else of an outcome depends on now. An event counts for decisions up to two horizons before it: within
the horizon, and as `late_positive`.

since: {decisions_batch, events_arrived, now} up to which the last refresh had read, and {events_from, events_until}: the first and last event_at of what arrived
       since, and {decided_from}: the first as_of that can be touched; as expressions. Literals: with a subquery in their place an engine does not know how little it will find.
#}
{% macro touched_cohorts(parameters, decisions, events, built, since) %}
{% set entity = parameters.entity %}
{% set now = baton.now() | trim %}
{% set horizon = baton.interval(parameters.outcome.horizon) %}
{% set kept = ['decision_key', 'as_of', 'state', 'outcome_at', 'outcome_known_at', 'matures_at', 'is_restated', 'restated_at', 'batch', 'decisions_batch'] %}
fresh_decisions as (
    select decision_key, {{ entity }} as entity, as_of, is_moved, batch
    from {{ decisions }}
    where batch > {{ since.decisions_batch }}
),

fresh_events as (
    {{ baton.fresh_events(entity, events, since.events_arrived, since.now) }}
),

standing as (
    select {{ entity }} as entity, {{ kept | join(', ') }}
    from {{ built }}
    where as_of >= {{ since.events_from }} - {{ horizon }} - {{ horizon }} and as_of < {{ since.events_until }}
        and entity_hash in (select {{ baton.entity_hash('entity') }} from fresh_events)
    union
    select {{ entity }} as entity, {{ kept | join(', ') }}
    from {{ built }}
    where matures_at > {{ since.now }} and matures_at <= {{ now }}
    union
    select {{ entity }} as entity, {{ kept | join(', ') }}
    from {{ built }}
    where decision_key in (select decision_key from fresh_decisions where is_moved = 1)
    {%- if parameters.decide.per != 'entity' %}
    {%- set span = baton.interval(parameters.decide.per) %}
        and as_of >= (select min(as_of) from fresh_decisions where is_moved = 1) - {{ span }}
        and as_of <= (select max(as_of) from fresh_decisions where is_moved = 1) + {{ span }}
    {%- endif %}
),

cohorts as (
    select
        decision_key,
        entity,
        as_of,
        as_of + {{ horizon }} as horizon_end,
        as_of + {{ horizon }} + {{ baton.interval(parameters.outcome.grace) }} as matures_at,
        decided_in
    from (
        select decision_key, entity, as_of, batch as decided_in
        from fresh_decisions
        union all
        select standing.decision_key, standing.entity, standing.as_of, 0 as decided_in
        from standing
        left join fresh_decisions on standing.decision_key = fresh_decisions.decision_key
        where fresh_decisions.decision_key is null
    ) as touched
)
{%- endmacro %}

{#
What a refresh of outcomes starts from: that of `run_of`, how far it reads (decisions_batch, events_arrived, as expressions), and `since`: how far the last one had read,
or none where every decision must be compared: events do not say when they arrived, the clock goes back, or what was read was built anew since. has_gone: there are outcomes
whose decision is gone, as it can be with a log from elsewhere. Then every outcome is written again, so that performance_hourly finds a table that was built anew and compares its hours.
#}
{% macro outcomes_run(product, decisions, events) %}
    {% set run = baton.run_of(product, 'outcomes', ['decisions_batch', 'events_arrived', 'previous_batch', 'entity_hash']) %}
    {% set arrived = baton.has_columns(events, ['arrived']) %}
    {% do run.update(decisions_batch=baton.newest_batch(decisions), events_arrived='(select coalesce(max(arrived), 0) from ' ~ events ~ ')' if arrived else 'null', since=none) %}
    {% if run.built is not none and baton.product(product).train is none %}
        {% do run.update(has_gone=baton.only_row(baton.outcomes_without_decision(decisions, run.built)).n | int > 0) %}
    {% endif %}
    {% if run.built is not none and arrived and not run.get('has_gone') %}
        {% set found = baton.only_row(baton.outcomes_read_until(product, decisions, events, run.built, run.batch - 1)) %}
        {% if found.can_resume | int == 1 %}
            {% do run.update(since={
                'decisions_batch': found.decisions_batch | int, 'events_arrived': found.events_arrived | int, 'now': "timestamp '" ~ found.evaluated_at ~ "'",
                'events_from': "timestamp '" ~ found.events_from ~ "'", 'decided_from': "timestamp '" ~ found.decided_from ~ "'", 'events_until': "timestamp '" ~ found.events_until ~ "'"
            }) %}
        {% endif %}
    {% endif %}
    {{ return(run) }}
{% endmacro %}

{% macro outcomes_without_decision(decisions, built) %}
select count(*) as n
from {{ built }} as built
left join {{ decisions }} as decisions on built.decision_key = decisions.decision_key
where decisions.decision_key is null
{% endmacro %}

{# Entity and event_at of events that arrived after an arrival, or began or ceased to be known after an instant and by now. #}
{% macro fresh_events(entity, events, arrived, known) %}
    {%- set now = baton.now() | trim %}
    {%- for what in ['arrived > ' ~ arrived, 'valid_from > ' ~ known ~ ' and valid_from <= ' ~ now, 'valid_to > ' ~ known ~ ' and valid_to <= ' ~ now] %}
    {{ 'union' if not loop.first }}
    select {{ entity }} as entity, event_at from {{ events }} where {{ what }}
    {%- endfor %}
{%- endmacro %}

{#
One row: how far the newest batch of outcomes had read, when the events happened that came after (from now on and until the year 1 where none did), decided_from: the first
as_of that can be touched, and can_resume: 1 if what came after it is all that is new. newest: that batch, a number where it is known.
#}
{% macro outcomes_read_until(product, decisions, events, built, newest=none) %}
{% set parameters = baton.product(product) %}
{% set horizon = baton.interval(parameters.outcome.horizon) %}
with newest as (
    select max(decisions_batch) as decisions_batch, max(events_arrived) as events_arrived, max(evaluated_at) as evaluated_at
    from {{ built }}
    where batch = {{ newest or baton.newest_batch(built) }}
),

happened as (
    select min(event_at) as first_at, max(event_at) as last_at
    from ({{ baton.fresh_events(parameters.entity, events, '(select events_arrived from newest)', '(select evaluated_at from newest)') }}) as fresh
),

-- the first as_of that can be touched: of new decisions, of decisions an event counts for, of cohorts that closed
touchable as (
    select min(as_of) as as_of from {{ decisions }} where batch > (select decisions_batch from newest)
    union all
    select first_at - {{ horizon }} - {{ horizon }} from happened
    union all
    select evaluated_at - {{ horizon }} - {{ baton.interval(parameters.outcome.grace) }} from newest
)

select
    newest.decisions_batch,
    newest.events_arrived,
    cast(decided.first_at as {{ dbt.type_string() }}) as decided_from,
    cast(coalesce(happened.first_at, {{ baton.now() | trim }}) as {{ dbt.type_string() }}) as events_from,
    cast(coalesce(happened.last_at, timestamp '0001-01-01 00:00:00') as {{ dbt.type_string() }}) as events_until,
    cast(newest.evaluated_at as {{ dbt.type_string() }}) as evaluated_at,
    case
        when newest.evaluated_at <= {{ baton.now() | trim }} and batches.lowest <= newest.decisions_batch and newest.decisions_batch <= batches.highest
            and newest.events_arrived <= arrivals.highest then 1
        else 0
    end as can_resume
from newest
cross join happened
cross join (select min(as_of) as first_at from touchable) as decided
cross join (select {{ baton.oldest_batch(decisions) }} as lowest, {{ baton.newest_batch(decisions) }} as highest) as batches
cross join (select coalesce(max(arrived), 0) as highest from {{ events }}) as arrivals
{% endmacro %}
