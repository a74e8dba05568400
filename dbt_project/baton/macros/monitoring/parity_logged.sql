{#
CTEs of `parity` up to `logged`: one row per champion prediction of the last `days` days with value_1, value_2, ... as they were scored, uses_1, ... (1 where
its version reads the feature) and has_features. `baton_days` holds their instants; the replay reads it.
The ids bound the scan of the feature log: they are ordered by time, so an engine that keeps ranges per block reads only the last ones.
#}
{% macro parity_logged(product, predictions, features, reference, days, compared) %}
{% set entity = baton.product(product).entity %}
scored as (
    select distinct prediction_id, {{ entity }} as entity, as_of, model_version
    from {{ predictions }}
    where role = 'champion' and {{ entity }} is not null
        and as_of > {{ baton.as_of() }} - {{ baton.interval(days ~ ' days') }} and as_of <= {{ baton.now() | trim }}
),

baton_days as (
    select distinct as_of from scored
),

scored_values as (
    select distinct prediction_id {%- for feature in compared %}, {{ baton.quoted_column(feature.name) }} as value_{{ loop.index }}{% endfor %}
    from {{ features }}
    where prediction_id >= (select min(prediction_id) from scored) and prediction_id <= (select max(prediction_id) from scored)
),

{% if reference is not none -%}
used as (
    select
        version
        {%- for feature in compared %},
        max(case when feature = {{ baton.quoted(feature.name) }} then 1 else 0 end) as uses_{{ loop.index }}
        {%- endfor %}
    from {{ reference }}
    where product = {{ baton.quoted(product) }}
    group by version
),

{% endif -%}
logged as (
    select
        scored.entity, scored.as_of, {{ baton.day_of('scored.as_of') }} as window_end, 1 as is_logged,
        case when scored_values.prediction_id is null then 0 else 1 end as has_features
        {%- for feature in compared %},
        scored_values.value_{{ loop.index }},
        {{ '1' if reference is none else 'coalesce(used.uses_' ~ loop.index ~ ', 1)' }} as uses_{{ loop.index }}
        {%- endfor %}
    from scored
    left join scored_values on scored.prediction_id = scored_values.prediction_id
    {%- if reference is not none %}
    left join used on scored.model_version = used.version
    {%- endif %}
)
{%- endmacro %}
