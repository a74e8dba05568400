{#
CTE `candidates` of `decisions`: rows of the log that compete for a decision, with period, is_moved (1 where the table has a decision of that
entity and period) and is_standing (1 on that decision itself, which is not written again if it wins).

`all_candidates`:   the whole log, for a table that is built from nothing.
`new_candidates`:   for products with `train`. Baton writes batches with strictly increasing predicted_at, so rows beyond the newest one decided here
                    are new, and of all rows before them only the standing decisions can still win.
`moved_candidates`: for a log from elsewhere, whose batches may come late and whose rows may be corrected or leave: every row that is no decision is
                    compared with the decision of its period, every decision with its row, and keys that could move are decided again from the whole log.
#}
{% macro all_candidates(parameters, columns) %}
{{ baton.counted_once('log') }},

shifts as (
    {{ baton.period_shifts(parameters, 'counted_once') }}
),

candidates as (
    select
        {{ baton.prefixed('counted_once.', columns) | join(', ') }},
        {{ baton.period(parameters, 'counted_once.as_of', 'shifts.shift') }} as period, 0 as is_moved, 0 as is_standing
    from counted_once
    inner join shifts on counted_once.entity = shifts.entity
)
{%- endmacro %}

{#
log:         the select of `usable_log`, read twice with conditions of its own: as one CTE the whole log would be read
first_as_of: an instant up to the first as_of of the new rows; a literal tells the engine how little it will find (a tenth of the CPU on 10 million decisions)
#}
{% macro new_candidates(parameters, columns, built, log, first_as_of=none) %}
{% set standing = {'entity': parameters.entity} %}
decided_until as (
    select coalesce(max(predicted_at), timestamp '0001-01-01 00:00:00') as predicted_at from {{ built }}
),

written_since as (
    {{ log }}
        and predicted_at > (select predicted_at from decided_until)
),

written_before as (
    select distinct prediction_id
    from (
    {{ log }}
        and predicted_at <= (select predicted_at from decided_until)
    ) as before
    where prediction_id in (select prediction_id from written_since)
),

arrived as (
    select written_since.*
    from written_since
    left join written_before on written_since.prediction_id = written_before.prediction_id
    where written_before.prediction_id is null
),

{{ baton.counted_once('arrived') }},

shifts as (
    {{ baton.period_shifts(parameters, 'counted_once') }}
),

placed as (
    select counted_once.*, {{ baton.period(parameters, 'counted_once.as_of', 'shifts.shift') }} as period
    from counted_once
    inner join shifts on counted_once.entity = shifts.entity
),

-- Found by numbers alone, so that the wide rows are read only where one is found. Rows of other periods may be among them: they stand against nobody.
reached as (
    select distinct entity_hash, as_of
    from {{ built }}
    where entity_hash in (select {{ baton.entity_hash('entity') }} from placed)
    {%- if parameters.decide.per != 'entity' %}
    {%- set span = baton.interval(parameters.decide.per) %}
        and as_of >= {{ first_as_of or '(select min(as_of) from placed)' }} - {{ span }}
    {%- endif %}
),

standing as (
    select {% for column in columns %}built.{{ standing.get(column, column) }} as {{ column }}, {% endfor %}built.period
    from {{ built }} as built
    inner join reached on built.as_of = reached.as_of and built.entity_hash = reached.entity_hash
),

candidates as (
    select
        {{ baton.prefixed('placed.', columns) | join(', ') }}, placed.period,
        case when standing.entity is null then 0 else 1 end as is_moved, 0 as is_standing
    from placed
    left join standing on placed.entity = standing.entity and placed.period = standing.period
    union all
    select {{ columns | join(', ') }}, period, 1 as is_moved, 1 as is_standing
    from standing
)
{%- endmacro %}

{#
A decision is questioned where the log has another row under its prediction_id, or none any more. A log that begins after a decision says nothing of it: whoever keeps his
log for some days only has not taken back what was decided before. What is questioned is decided again; where nothing is left to decide, a row without predicted_at says so.
#}
{% macro moved_candidates(parameters, columns, built) %}
{% set first = parameters.decide.policy == 'first' %}
standing as (
    select {% for column in columns %}{{ {'entity': parameters.entity}.get(column, column) }} as {{ column }}, {% endfor %}period
    from {{ built }}
),

arrived as (
    select log.entity, log.as_of, standing.entity as standing_entity, standing.period as standing_period, standing.as_of as standing_as_of
    from log
    left join standing on log.prediction_id = standing.prediction_id
    where standing.prediction_id is null or not ({{ baton.decided_alike('log.', 'standing.', columns) }})
),

questioned as (
    select standing_entity as entity, standing_period as period, standing_as_of as as_of
    from arrived
    where standing_entity is not null
    union
    select standing.entity, standing.period, standing.as_of
    from standing
    left join log on standing.prediction_id = log.prediction_id
    where log.prediction_id is null and standing.as_of >= (select min(as_of) from log)
),

shifts as (
    {{ baton.period_shifts(parameters, '(select entity from arrived union select entity from questioned)') }}
),

reached_keys as (
    select entity, period, shift, min(as_of) as first_as_of, max(as_of) as last_as_of, max(is_questioned) as is_questioned
    from (
        select arrived.entity, {{ baton.period(parameters, 'arrived.as_of', 'shifts.shift') }} as period, shifts.shift, arrived.as_of, 0 as is_questioned
        from arrived
        inner join shifts on arrived.entity = shifts.entity
        union all
        select questioned.entity, questioned.period, shifts.shift, questioned.as_of, 1 as is_questioned
        from questioned
        inner join shifts on questioned.entity = shifts.entity
    ) as reached
    group by entity, period, shift
),

movable as (
    select
        reached_keys.*, case when standing.entity is null then 0 else 1 end as is_moved
        {%- for column in columns %}, standing.{{ column }} as was_{{ column }}{% endfor %}
    from reached_keys
    left join standing on reached_keys.entity = standing.entity and reached_keys.period = standing.period
    where standing.entity is null or reached_keys.is_questioned = 1
        or {{ 'reached_keys.first_as_of <= standing.as_of' if first else 'reached_keys.last_as_of >= standing.as_of' }}
),

movable_log as (
    select
        log.*, movable.period, movable.is_moved,
        case when movable.is_moved = 1 and {{ baton.decided_alike('log.', 'movable.was_', columns) }} then 1 else 0 end as is_standing
    from log
    inner join movable
        on log.entity = movable.entity and {{ baton.period(parameters, 'log.as_of', 'movable.shift') }} = movable.period
    {%- if parameters.decide.per != 'entity' %}
    {%- set span = baton.interval(parameters.decide.per) %}
    where log.as_of >= (select min(first_as_of) from movable) - {{ span }} and log.as_of <= (select max(last_as_of) from movable) + {{ span }}
    {%- endif %}
),

{{ baton.counted_once('movable_log', within='log') }},

candidates as (
    select {{ columns | join(', ') }}, period, is_moved, is_standing
    from counted_once
    union all
    select
        {%- for column in columns %}
        {{ 'cast(null as timestamp)' if column == 'predicted_at' else 'movable.was_' ~ column }} as {{ column }},
        {%- endfor %}
        movable.period, 1 as is_moved, 0 as is_standing
    from movable
    left join counted_once on movable.entity = counted_once.entity and movable.period = counted_once.period
    where movable.is_moved = 1 and counted_once.entity is null
)
{%- endmacro %}

{# Whether a row of the log says all that a decision says. The label is compared as it was decided: it may come from the threshold. #}
{% macro decided_alike(row, decision, columns) %}
    {% set found = [] %}
    {% for column in columns %}
        {% set said = baton.decided_label(row | trim('.')) if column == 'predicted_label' else row ~ column %}
        {% do found.append(said ~ ' is not distinct from ' ~ decision ~ column) %}
    {% endfor %}
    {{ return(found | join(' and ')) }}
{% endmacro %}

{# CTE `counted_once`: `rows` without those whose prediction_id has an earlier row in `within` (the same rows, unless it is named). #}
{% macro counted_once(rows, within=none) %}
repeated_ids as (
    select prediction_id
    from {{ within or rows }}
    {%- if within is not none %}
    where prediction_id in (select prediction_id from {{ rows }})
    {%- endif %}
    group by prediction_id
    having count(*) > 1
),

first_written as (
    select *
    from (
        select
            prediction_id, entity, as_of, predicted_at, score,
            row_number() over (
                partition by prediction_id order by predicted_at, as_of, entity, score, threshold, predicted_label, model_version
            ) as writing
        from {{ within or rows }}
        where prediction_id in (select prediction_id from repeated_ids)
    ) as written
    where writing = 1
),

counted_once as (
    select {{ rows }}.*
    from {{ rows }}
    left join first_written on {{ rows }}.prediction_id = first_written.prediction_id
    where first_written.prediction_id is null
        or (
            {{ rows }}.entity = first_written.entity and {{ rows }}.as_of = first_written.as_of
            and {{ rows }}.predicted_at = first_written.predicted_at and {{ rows }}.score = first_written.score
        )
)
{%- endmacro %}

{# What `decisions` starts from: that of `run_of`, and first_as_of of what was written to the log since, or none. #}
{% macro decisions_run(product, predictions) %}
    {% set run = baton.run_of(product, 'decisions', ['entity_hash']) %}
    {% do run.update(first_as_of=none) %}
    {% if run.built is not none and baton.product(product).train is not none %}
        {% set found = baton.only_row(baton.log_written_from(predictions, run.built)) %}
        {% if found.first_as_of is not none %}{% do run.update(first_as_of="timestamp '" ~ found.first_as_of ~ "'") %}{% endif %}
    {% endif %}
    {{ return(run) }}
{% endmacro %}

{% macro log_written_from(predictions, built) %}
select cast(min(as_of) as {{ dbt.type_string() }}) as first_as_of
from {{ predictions }}
where predicted_at > (select coalesce(max(predicted_at), timestamp '0001-01-01 00:00:00') from {{ built }})
{% endmacro %}
