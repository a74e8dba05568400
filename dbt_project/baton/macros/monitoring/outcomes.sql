{#
One row per decision_key: what is known at now about the outcome of each decision.

product:   name of the exposure
decisions: output of `baton.decisions`
events:    the outcome model in the form of `baton.event_versions`: the entity, event_at, valid_from, valid_to; with `arrived`, a refresh reads what arrived only

Columns: decision_key, ENTITY, as_of, state, outcome_at, outcome_known_at, matures_at, outcome_label (0/1; null until matured), is_restated,
restated_at, spec_hash, evaluated_at (the now it was last changed at), built_at; for the next refresh: batch (number of the run of this table that wrote the row),
decisions_batch and events_arrived (how far that run had read), previous_batch, previous_state, previous_is_restated (of the row it replaced, null if it is the first)
and previous_as_of (of the decision before, where the decision itself was replaced); entity_hash, a number to find an entity by.

An outcome counts if an event valid at now lies in (as_of, as_of + horizon]. Matured: now >= matures_at = as_of + horizon + grace.
With outcome.positive `absence` the answers are the other way round: no event in the horizon is `positive` (outcome_at is the end of
the horizon), any event is `negative`, and a decision stays `pending` until it matures, because absence is known at the end only.
state:            before maturity `early_positive` if an outcome is seen, else `pending`; after it `positive`, else `late_positive` if an event came after
                  the horizon, at most another horizon later (label 0), else `negative`
outcome_at:       the earliest event the state rests on
outcome_known_at: since when the answer "positive" has been known without a break; for late_positive since when the event has been
is_restated:      the label known at maturity is not the label known now; restated_at is when it changed. A retraction restates as well.
Incremental: only rows that differ are written. Which decisions are looked at: see `touched_cohorts`. Where decisions are gone, every row is: see `outcomes_run`.
#}
{% macro outcomes(product, decisions, events) %}
    {% do baton.keep_changes(product, 'outcomes') %}
    {% do config(post_hook="{{ baton.forget_gone_of('" ~ product ~ "', 'outcomes') }}") %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set run = baton.outcomes_run(product, decisions, events) %}
    {{ return(adapter.dispatch('outcomes', 'baton')(product, decisions, events, run.built, run)) }}
{% endmacro %}

{# built: the table as it is, none to return every row; run: what `outcomes_run` says, none outside of a table that is refreshed. #}
{% macro default__outcomes(product, decisions, events, built, run=none) %}
{% set parameters = baton.product(product) %}
{% set entity = parameters.entity %}
{% set absence = baton.absence_is_positive(parameters) %}
{% set now = baton.now() | trim %}
{% set run = run or {'batch': 1, 'decisions_batch': 'null', 'events_arrived': 'null', 'since': none} %}
{% set since = run.since if built is not none else none %}
{% set has_gone = run.get('has_gone', false) if built is not none else false %}
{% set compared = ['state', 'outcome_at', 'outcome_known_at', 'matures_at', 'is_restated', 'restated_at'] %}
{% set horizon = baton.interval(parameters.outcome.horizon) %}
with

{% if since is none -%}
cohorts as (
    select
        decision_key,
        {{ entity }} as entity,
        as_of,
        as_of + {{ horizon }} as horizon_end,
        as_of + {{ horizon }} + {{ baton.interval(parameters.outcome.grace) }} as matures_at
        {%- if built is not none %}, batch as decided_in{% endif %}
    from {{ decisions }}
),
{% else %}
{{ baton.touched_cohorts(parameters, decisions, events, built, since) }},
{% endif %}

seen as (
    select {{ entity }} as entity, event_at, valid_from, valid_to
    from {{ events }}
    where valid_from <= {{ now }} and valid_from < valid_to
    {%- if since is not none %}
        and {{ entity }} in (select entity from cohorts)
        and event_at > {{ since.decided_from }}
    {%- endif %}
),

within_horizon as (
    select
        cohorts.decision_key, cohorts.matures_at, seen.event_at, seen.valid_from, seen.valid_to,
        max(seen.valid_to) over (
            partition by cohorts.decision_key order by seen.valid_from, seen.valid_to rows between unbounded preceding and 1 preceding
        ) as covered_until
    from cohorts
    inner join seen
        on cohorts.entity = seen.entity and seen.event_at > cohorts.as_of and seen.event_at <= cohorts.horizon_end
),

answers as (
    select
        decision_key,
        max(case when valid_to > {{ now }} then 1 else 0 end) as is_positive,
        max(case when valid_from <= matures_at and valid_to > matures_at then 1 else 0 end) as was_positive,
        min(case when valid_to > {{ now }} then event_at end) as outcome_at,
        max(case when covered_until is null or covered_until < valid_from then valid_from end) as positive_since,
        max(valid_to) as negative_since
    from within_horizon
    group by decision_key
),

{% if not absence -%}
after_horizon as (
    select cohorts.decision_key, min(seen.event_at) as outcome_at, min(seen.valid_from) as outcome_known_at
    from cohorts
    inner join seen
        on cohorts.entity = seen.entity and seen.event_at > cohorts.horizon_end and seen.event_at <= cohorts.horizon_end + {{ horizon }}
    where seen.valid_to > {{ now }} and cohorts.matures_at <= {{ now }}
    group by cohorts.decision_key
),

{% endif -%}
states as (
    select
        cohorts.*,
        {%- if absence %}
        case
            when cohorts.matures_at > {{ now }} then 'pending'
            when answers.is_positive = 1 then 'negative'
            else 'positive'
        end as state,
        case when cohorts.matures_at <= {{ now }} and coalesce(answers.is_positive, 0) = 0 then cohorts.horizon_end end as outcome_at,
        case
            when cohorts.matures_at <= {{ now }} and coalesce(answers.is_positive, 0) = 0
                then {{ baton.later_of('cohorts.matures_at', 'coalesce(answers.negative_since, cohorts.matures_at)') }}
        end as outcome_known_at,
        {%- else %}
        case
            when cohorts.matures_at > {{ now }} then case when answers.is_positive = 1 then 'early_positive' else 'pending' end
            when answers.is_positive = 1 then 'positive'
            when after_horizon.decision_key is not null then 'late_positive'
            else 'negative'
        end as state,
        case when answers.is_positive = 1 then answers.outcome_at else after_horizon.outcome_at end as outcome_at,
        case when answers.is_positive = 1 then answers.positive_since else after_horizon.outcome_known_at end as outcome_known_at,
        {%- endif %}
        cohorts.matures_at <= {{ now }} and coalesce(answers.is_positive <> answers.was_positive, false) as is_restated,
        case when answers.is_positive = 1 then answers.positive_since else answers.negative_since end as changed_at
    from cohorts
    left join answers on cohorts.decision_key = answers.decision_key
    {%- if not absence %}
    left join after_horizon on cohorts.decision_key = after_horizon.decision_key
    {%- endif %}
),

current_outcomes as (
    select
        decision_key,
        entity as {{ entity }},
        as_of,
        state,
        outcome_at,
        outcome_known_at,
        matures_at,
        case when state = 'positive' then 1 when state in ('negative', 'late_positive') then 0 end as outcome_label,
        is_restated,
        case when is_restated then changed_at end as restated_at,
        {{ baton.quoted(baton.spec_hash(product, 'outcomes')) }} as spec_hash,
        {{ now }} as evaluated_at,
        {{ baton.built_at() }} as built_at,
        cast({{ run.batch }} as bigint) as batch,
        cast({{ run.decisions_batch }} as bigint) as decisions_batch,
        cast({{ run.events_arrived }} as bigint) as events_arrived,
        {{ baton.entity_hash('entity') }} as entity_hash
        {%- if built is not none %},
        decided_in
        {%- endif %}
    from states
    {%- if has_gone %}
    union all
    {# A row without state takes the place of an outcome without a decision; a post-hook deletes it. #}
    select
        built.decision_key, built.{{ entity }}, built.as_of, cast(null as {{ dbt.type_string() }}), built.outcome_at, built.outcome_known_at, built.matures_at,
        built.outcome_label, built.is_restated, built.restated_at, built.spec_hash, built.evaluated_at, built.built_at, cast({{ run.batch }} as bigint),
        built.decisions_batch, built.events_arrived, built.entity_hash, built.decisions_batch
    from {{ built }} as built
    left join {{ decisions }} as decisions on built.decision_key = decisions.decision_key
    where decisions.decision_key is null
    {%- endif %}
)

select
    {{ baton.outcome_columns(entity) | join(', ') }},
    {%- if built is none %}
    cast(null as bigint) as previous_batch,
    cast(null as timestamp) as previous_as_of,
    cast(null as {{ dbt.type_string() }}) as previous_state,
    cast(null as boolean) as previous_is_restated
from current_outcomes
    {%- else %}
    built.batch as previous_batch,
    case when current_outcomes.decided_in > built.decisions_batch then built.as_of end as previous_as_of,
    built.state as previous_state,
    built.is_restated as previous_is_restated
from current_outcomes
left join {{ built if since is none else 'standing' }} as built on current_outcomes.decision_key = built.decision_key
    {%- if not has_gone %}
where built.decision_key is null
    or current_outcomes.decided_in > built.decisions_batch
    {%- for column in compared %}
    or current_outcomes.{{ column }} is distinct from built.{{ column }}
    {%- endfor %}
    {%- endif %}
    {%- endif %}
order by current_outcomes.as_of, current_outcomes.{{ entity }}
{% endmacro %}

{# The columns of outcomes that do not speak of the row before, qualified. #}
{% macro outcome_columns(entity) %}
    {{ return(baton.prefixed('current_outcomes.', ['decision_key', entity, 'as_of', 'state', 'outcome_at', 'outcome_known_at', 'matures_at', 'outcome_label',
        'is_restated', 'restated_at', 'spec_hash', 'evaluated_at', 'built_at', 'batch', 'decisions_batch', 'events_arrived', 'entity_hash'])) }}
{% endmacro %}
