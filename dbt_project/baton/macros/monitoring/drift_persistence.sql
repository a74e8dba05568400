{#
A select of the whole table: rows computed now and rows that still hold, with what depends on the windows before: k of the last `of` windows of one version, and the alarm with
its hysteresis. drift: {k, of} of the product; built: the table as it is or none.
#}
{% macro drift_persistence(drift, built, spec_hash, origin) -%}
{{ return(adapter.dispatch('drift_persistence', 'baton')(drift, baton.drift_all_rows(built, spec_hash, origin))) }}
{%- endmacro %}

{% macro default__drift_persistence(drift, rows) -%}
{{ baton.drift_memory(
    drift, 'select windows.*, row_number() over (order by ' ~ baton.drift_chain() ~ ') as place from (' ~ rows ~ ') as windows',
    'over (order by place rows unbounded preceding)', 'over (order by place)'
) }}
{%- endmacro %}

{# Sorted once; every window then runs along (an empty frame over a sorted subquery keeps its order: "Order Preservation"), a third of the CPU over years of windows. #}
{% macro duckdb__drift_persistence(drift, rows) -%}
{{ baton.drift_memory(
    drift, 'select in_order.*, row_number() over () as place from (select * from (' ~ rows ~ ') as windows order by ' ~ baton.drift_chain() ~ ') as in_order',
    'over (rows between unbounded preceding and current row)', 'over ()'
) }}
{%- endmacro %}

{# A chain is a feature and method of one version through the windows of a kind. #}
{% macro drift_chain() %}{{ return('window_kind, feature, method, model_version, window_end') }}{% endmacro %}

{#
All chains stand in one order and share their windows: a window function per chain costs DuckDB twice the time, most of it around the hundreds of partitions.
numbered: a select of rows with their `place` in that order; so_far, before: frames of it.
#}
{% macro drift_memory(drift, numbered, so_far, before) -%}
select
    counted.*, case when coalesce(last_alarm, 0) > coalesce(last_calm, 0) then true else false end as is_alarm
from (
    select
        counted.*, max(case when n_breaches >= {{ drift.k }} then place end) {{ so_far }} as last_alarm,
        max(case when n_breaches = 0 or (place_in_chain = 1 and n_breaches < {{ drift.k }}) then place end) {{ so_far }} as last_calm
    from (
        select
            placed.*,
            cast(breaches - case when place_in_chain > {{ drift.of }} then lag(breaches, {{ drift.of }}) {{ before }} else breaches_before end as integer) as n_breaches,
            cast(case when place - coalesce(last_quiet, 0) < place_in_chain then place - coalesce(last_quiet, 0) else place_in_chain end as integer) as n_consecutive
        from (
            select
                chained.*, place - max(case when is_first = 1 then place end) {{ so_far }} + 1 as place_in_chain,
                max(case when is_first = 1 then breaches - breach end) {{ so_far }} as breaches_before, max(case when breach = 0 then place end) {{ so_far }} as last_quiet
            from (
                select
                    numbered.*, sum(breach) {{ so_far }} as breaches,
                    case when window_kind = lag(window_kind) {{ before }} and feature = lag(feature) {{ before }} and method = lag(method) {{ before }}
                        and model_version = lag(model_version) {{ before }} then 0 else 1 end as is_first
                from (select numbered.*, case when is_breach then 1 else 0 end as breach from ({{ numbered }}) as numbered) as numbered
            ) as chained
        ) as placed
    ) as counted
) as counted
{%- endmacro %}

{# Rows computed now and, of the table as it is, those that still hold. #}
{% macro drift_all_rows(built, spec_hash, origin) -%}
    {{ baton.drift_rows(spec_hash, origin) }}
    {%- if built is not none %}
    union all
    select {% for column in baton.drift_kept_columns() %}built.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ built }} as built
    where built.spec_hash = {{ baton.quoted(spec_hash) }}
        and not exists (select 1 from targets where targets.window_kind = built.window_kind and targets.window_end = built.window_end)
    {%- endif %}
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
