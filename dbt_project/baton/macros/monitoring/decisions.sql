{#
One row per decision_key: the one prediction per entity and period that counts (`decide.per`, `decide.policy`).

product:     name of the exposure
predictions: the append-only prediction log
scoring_set: (entity, as_of) with slices and amounts; none where the log carries them itself

Columns: decision_key, ENTITY, as_of, period, prediction_id, predicted_at, score, threshold, predicted_label (0/1), model_version,
is_holdout, the product's slices and amounts as of as_of, spec_hash, built_at, batch (number of the run of this table that wrote the row) and
is_moved (1 where it took the place of another decision of its period); entity_hash, a number to find an entity by.

Rules. Only role champion, and only usable rows: entity, as_of, predicted_at known and score in [0, 1], in time to be acted on: known_at is null
or at most a day after as_of (a missed day scored later is in the log but decided nothing). A prediction_id counts once, its first written row. `first` is the lowest (as_of, predicted_at, prediction_id) of the period; `latest` the highest.
Incremental: see `decisions_candidates`; an earlier day written later takes its place. Of a log from elsewhere, what is corrected in the log is corrected here, and what left it leaves.
#}
{% macro decisions(product, predictions, scoring_set=none) %}
    {% do baton.keep_changes(product, 'decisions') %}
    {% do config(post_hook="{{ baton.forget_gone_of('" ~ product ~ "', 'decisions') }}") %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set run = baton.decisions_run(product, predictions) %}
    {{ return(adapter.dispatch('decisions', 'baton')(product, predictions, scoring_set, run.built, run.batch, run.first_as_of)) }}
{% endmacro %}

{# built: the table as it is, none to decide everything; batch: the number of this run; first_as_of: see `new_candidates`. #}
{% macro default__decisions(product, predictions, scoring_set, built, batch=1, first_as_of=none) %}
{% set parameters = baton.product(product) %}
{% set carried = baton.carried_columns(parameters) %}
{% set order = 'as_of, predicted_at, prediction_id' if parameters.decide.policy == 'first' else 'as_of desc, predicted_at desc, prediction_id desc' %}
{% set columns = baton.decided_columns() + (carried if scoring_set is none else []) %}
{# Rows of one prediction_id may differ in anything: without an order of all, a rebuild could choose another one. #}
{% set ties = baton.unique_names(columns, but=['prediction_id', 'entity', 'as_of', 'predicted_at', 'score']) %}
{% set log = baton.usable_log(parameters, predictions, carried if scoring_set is none else []) %}
with

{% if built is none %}
log as (
    {{ log }}
),

{{ baton.all_candidates(parameters, columns) }},
{% elif parameters.train is not none %}
{{ baton.new_candidates(parameters, columns, built, log, first_as_of) }},
{% else %}
log as (
    {{ log }}
),

{{ baton.moved_candidates(parameters, columns, built) }},
{% endif %}

contested as (
    select entity, period
    from candidates
    group by entity, period
    having count(*) > 1
),

decided as (
    select candidates.*
    from candidates
    left join contested on candidates.entity = contested.entity and candidates.period = contested.period
    where contested.entity is null
    union all
    select {{ columns | join(', ') }}, period, is_moved, is_standing
    from (
        select
            candidates.*,
            row_number() over (partition by candidates.entity, candidates.period order by {{ order }}, {{ ties | join(', ') }}) as choice
        from candidates
        inner join contested on candidates.entity = contested.entity and candidates.period = contested.period
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
    {{ baton.decided_label('decided') }} as predicted_label,
    decided.model_version,
    decided.is_holdout,
    {%- for column in carried %}
    {{ 'decided' if scoring_set is none else 'scoring_set' }}.{{ column }},
    {%- endfor %}
    {{ baton.quoted(baton.spec_hash(product, 'decisions')) }} as spec_hash,
    {{ baton.built_at() }} as built_at,
    cast({{ batch }} as bigint) as batch,
    {{ baton.entity_hash('decided.entity') }} as entity_hash,
    decided.is_moved
from decided
{%- if scoring_set is not none and carried %}
left join {{ scoring_set }} as scoring_set
    on decided.entity = scoring_set.{{ parameters.entity }} and decided.as_of = scoring_set.as_of
{%- endif %}
where decided.is_standing = 0
order by decided.as_of, decided.entity
{% endmacro %}

{# What a candidate has from the log, beside the carried columns of a log without a scoring set. #}
{% macro decided_columns() %}
    {{ return(['prediction_id', 'entity', 'as_of', 'predicted_at', 'score', 'threshold', 'predicted_label', 'model_version', 'is_holdout']) }}
{% endmacro %}

{# The label of a row of the log: the one that it says, else the one that follows from its threshold. #}
{% macro decided_label(row) %}
    {{ return('coalesce(' ~ row ~ '.predicted_label, case when ' ~ row ~ '.score >= ' ~ row ~ '.threshold then 1 when ' ~ row ~ '.score < ' ~ row ~ '.threshold then 0 end)') }}
{% endmacro %}

{# The rows of the log that may decide, with the entity as `entity`. Ends in a where clause. #}
{% macro usable_log(parameters, predictions, carried) -%}
select
        prediction_id, {{ parameters.entity }} as entity, as_of, predicted_at, cast(score as {{ baton.type_double() }}) as score, threshold,
        cast(predicted_label as integer) as predicted_label, model_version, is_holdout
        {%- for column in carried %}, {{ column }}{% endfor %}
    from {{ predictions }}
    where role = 'champion' and score >= 0 and score <= 1
        and {{ parameters.entity }} is not null and as_of is not null and predicted_at is not null
        and (known_at is null or known_at <= as_of + {{ baton.interval('1 day') }})
{%- endmacro %}

{# Post-hook of a log from elsewhere: a run writes of what is gone a row without predicted_at (decisions) or state (outcomes). It took the place of what stood there, and goes too. #}
{% macro forget_gone_of(product, table) %}
    {% if not execute or not is_incremental() or baton.product(product).train is not none %}{{ return('') }}{% endif %}
    {{ return(baton.forget_gone(this, table)) }}
{% endmacro %}

{% macro forget_gone(relation, table) %}
    {{ return('delete from ' ~ relation ~ ' where ' ~ {'decisions': 'predicted_at', 'outcomes': 'state'}[table] ~ ' is null') }}
{% endmacro %}
