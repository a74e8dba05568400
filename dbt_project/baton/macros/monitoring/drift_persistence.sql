{#
A select of the whole table: rows computed now and rows that still hold, with what depends on the windows before: k of the last `of` windows of one version, and the alarm with
its hysteresis. drift: {k, of} of the product; built: the table as it is or none.
#}
{% macro drift_persistence(drift, built, spec_hash, origin) -%}
{% set key = 'partition by window_kind, feature, method, model_version order by window_end' %}
select
    counted.*,
    case when coalesce(last_alarm, timestamp '0001-01-01 00:00:00') > coalesce(last_calm, timestamp '0001-01-01 00:00:00') then true else false end as is_alarm
from (
    select
        counted.*,
        max(case when n_breaches >= {{ drift.k }} then window_end end) over ({{ key }} rows unbounded preceding) as last_alarm,
        max(case when n_breaches = 0 then window_end end) over ({{ key }} rows unbounded preceding) as last_calm
    from (
        select
            numbered.*,
            cast(sum(case when is_breach then 1 else 0 end) over ({{ key }} rows between {{ drift.of - 1 }} preceding and current row) as integer) as n_breaches,
            cast(place - coalesce(max(case when not is_breach then place end) over ({{ key }} rows unbounded preceding), 0) as integer) as n_consecutive
        from (
            select windows.*, row_number() over ({{ key }}) as place
            from (
                {{ baton.drift_rows(spec_hash, origin) }}
                {%- if built is not none %}
                union all
                select {% for column in baton.drift_kept_columns() %}built.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
                from {{ built }} as built
                where built.spec_hash = {{ baton.quoted(spec_hash) }}
                    and not exists (select 1 from targets where targets.window_kind = built.window_kind and targets.window_end = built.window_end)
                {%- endif %}
            ) as windows
        ) as numbered
    ) as counted
) as counted
{%- endmacro %}

{# The rows computed now, in the columns that are kept. #}
{% macro drift_rows(spec_hash, origin) -%}
{% set reference = {'table': "case when judged.feature = 'score' then 'held_out' else 'training' end", 'log': "'first_windows'"}.get(origin, 'cast(null as ' ~ dbt.type_string() ~ ')') %}
select
    targets.window_kind, targets.window_end, judged.feature, judged.method, targets.version as model_version, {{ reference }} as reference,
    cast(judged.n as bigint) as n, cast(judged.n_entities as bigint) as n_entities, cast(judged.n_reference as bigint) as n_reference,
    cast(judged.value as {{ baton.type_double() }}) as value, cast(judged.threshold as {{ baton.type_double() }}) as threshold,
    judged.statistic, cast(judged.degrees_of_freedom as integer) as degrees_of_freedom,
    judged.p_judged as p_value, cast(judged.q_value as {{ baton.type_double() }}) as q_value, judged.status, case when judged.is_large = 1 then true else false end as is_breach,
    targets.content, targets.predicted_at, {{ baton.quoted(spec_hash) }} as spec_hash, {{ baton.now() | trim }} as evaluated_at, {{ baton.built_at() }} as built_at
from judged
inner join targets on judged.target = targets.target
{%- endmacro %}
