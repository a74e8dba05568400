{#
One row per decision_key: the one prediction per entity and period that counts (`decide.per`, `decide.policy`).

product:     name of the exposure
predictions: the append-only prediction log
scoring_set: (entity, as_of) with slices and amounts; none where the log carries them itself

Columns: decision_key, ENTITY, as_of, period, prediction_id, predicted_at, score, threshold, predicted_label (0/1), model_version,
is_holdout, the product's slices and amounts as of as_of, spec_hash, built_at.

Rules. Only role champion, and only usable rows: entity, as_of, predicted_at known and score in [0, 1], in time to be acted on: known_at is null
or at most a day after as_of (a missed day scored later is in the log but decided nothing). A prediction_id counts once, its first written row. `first` is the lowest (as_of, predicted_at, prediction_id) of the period; `latest` the highest.
Incremental: the keys whose decision a new row could move are decided again from the whole log, so an earlier day written later takes its place.
New rows: Baton writes batches with strictly increasing predicted_at, so with `train` they are those beyond the newest one decided here. A product
without `train` has a log from elsewhere, whose batches may come late: there every row that is no decision is compared with the decision of its period.
#}
{% macro decisions(product, predictions, scoring_set=none) %}
    {% do baton.keep_by_key(product, 'decision_key', 'decisions') %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('decisions', 'baton')(product, predictions, scoring_set, this if is_incremental() else none)) }}
{% endmacro %}

{# built: the table as it is, none to decide everything. #}
{% macro default__decisions(product, predictions, scoring_set, built) %}
{% set parameters = baton.product(product) %}
{% set carried = baton.carried_columns(parameters) %}
{% set order = 'as_of, predicted_at, prediction_id' if parameters.decide.policy == 'first' else 'as_of desc, predicted_at desc, prediction_id desc' %}
with

log as (
    select
        prediction_id, {{ parameters.entity }} as entity, as_of, predicted_at, cast(score as {{ baton.type_double() }}) as score, threshold,
        cast(predicted_label as integer) as predicted_label, model_version, is_holdout
        {%- if scoring_set is none %}{% for column in carried %}, {{ column }}{% endfor %}{% endif %}
    from {{ predictions }}
    where role = 'champion' and score >= 0 and score <= 1
        and {{ parameters.entity }} is not null and as_of is not null and predicted_at is not null
        and (known_at is null or known_at <= as_of + {{ baton.interval('1 day') }})
),

{% if built is none %}
shifts as (
    {{ baton.period_shifts(parameters, 'log') }}
),

candidates as (
    select log.*, {{ baton.period(parameters, 'log.as_of', 'shifts.shift') }} as period
    from log
    inner join shifts on log.entity = shifts.entity
),
{% else %}
{{ baton.decision_candidates(parameters, built) }},
{% endif %}

repeated_ids as (
    select prediction_id
    from log
    {%- if built is not none %}
    where prediction_id in (select prediction_id from candidates)
    {%- endif %}
    group by prediction_id
    having count(*) > 1
),

first_written as (
    select *
    from (
        select
            log.*,
            row_number() over (
                partition by prediction_id order by predicted_at, as_of, entity, score, threshold, predicted_label, model_version
            ) as writing
        from log
        where prediction_id in (select prediction_id from repeated_ids)
    ) as written
    where writing = 1
),

counted_once as (
    select candidates.*
    from candidates
    left join first_written on candidates.prediction_id = first_written.prediction_id
    where first_written.prediction_id is null
        or (
            candidates.entity = first_written.entity and candidates.as_of = first_written.as_of
            and candidates.predicted_at = first_written.predicted_at and candidates.score = first_written.score
        )
),

deciding_days as (
    select entity, period, {{ 'min' if parameters.decide.policy == 'first' else 'max' }}(as_of) as as_of
    from counted_once
    group by entity, period
),

decided as (
    select *
    from (
        select
            counted_once.*,
            row_number() over (partition by entity, period order by {{ order }}, threshold, predicted_label, model_version) as choice
        from (
            select counted_once.*
            from counted_once
            inner join deciding_days
                on counted_once.entity = deciding_days.entity and counted_once.period = deciding_days.period
                and counted_once.as_of = deciding_days.as_of
        ) as counted_once
    ) as ranked
    where choice = 1
)

select
    {{ dbt.hash(baton.quoted(product ~ '|') ~ " || cast(decided.entity as " ~ dbt.type_string() ~ ") || '|' || cast(decided.period as " ~ dbt.type_string() ~ ")") }} as decision_key,
    decided.entity as {{ parameters.entity }},
    decided.as_of,
    decided.period,
    decided.prediction_id,
    decided.predicted_at,
    decided.score,
    decided.threshold,
    coalesce(decided.predicted_label, case when decided.score >= decided.threshold then 1 when decided.score < decided.threshold then 0 end) as predicted_label,
    decided.model_version,
    decided.is_holdout,
    {%- for column in carried %}
    {{ 'decided' if scoring_set is none else 'scoring_set' }}.{{ column }},
    {%- endfor %}
    {{ baton.quoted(baton.spec_hash(product, 'decisions')) }} as spec_hash,
    {{ baton.built_at() }} as built_at
from decided
{%- if scoring_set is not none and carried %}
left join {{ scoring_set }} as scoring_set
    on decided.entity = scoring_set.{{ parameters.entity }} and decided.as_of = scoring_set.as_of
{%- endif %}
order by decided.as_of, decided.entity
{% endmacro %}

{# CTEs up to `candidates`: the whole log of exactly those keys whose decision a newly written row could move. #}
{% macro decision_candidates(parameters, built) %}
{% set first = parameters.decide.policy == 'first' %}
arrived as (
    select distinct log.entity, log.as_of
    from log
    {%- if parameters.train is not none %}
    where log.predicted_at > coalesce((select max(predicted_at) from {{ built }}), timestamp '0001-01-01 00:00:00')
    {%- else %}
    left join {{ built }} as decided
        on log.prediction_id = decided.prediction_id and log.entity = decided.{{ parameters.entity }} and log.as_of = decided.as_of
        and log.predicted_at = decided.predicted_at and log.score = decided.score
    where decided.prediction_id is null
    {%- endif %}
),

shifts as (
    {{ baton.period_shifts(parameters, 'arrived') }}
),

arrived_keys as (
    select arrived.entity, {{ baton.period(parameters, 'arrived.as_of', 'shifts.shift') }} as period, shifts.shift, min(arrived.as_of) as first_as_of, max(arrived.as_of) as last_as_of
    from arrived
    inner join shifts on arrived.entity = shifts.entity
    group by 1, 2, 3
),

movable as (
    select arrived_keys.*
    from arrived_keys
    left join {{ built }} as built on arrived_keys.entity = built.{{ parameters.entity }} and arrived_keys.period = built.period
    where built.decision_key is null
        or {{ 'arrived_keys.first_as_of <= built.as_of' if first else 'arrived_keys.last_as_of >= built.as_of' }}
),

candidates as (
    select log.*, movable.period
    from log
    inner join movable
        on log.entity = movable.entity and {{ baton.period(parameters, 'log.as_of', 'movable.shift') }} = movable.period
    {%- if parameters.decide.per != 'entity' %}
    {%- set span = baton.interval(parameters.decide.per) %}
    where log.as_of >= (select min(first_as_of) from movable) - {{ span }} and log.as_of <= (select max(last_as_of) from movable) + {{ span }}
    {%- endif %}
)
{%- endmacro %}
