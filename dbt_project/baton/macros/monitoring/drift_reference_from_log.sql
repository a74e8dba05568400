{#
The CTEs of `drift_reference` from the predictions up to a day, for a product that Baton does not train; all of one version, 0. Without a day they are empty.
Edges: deciles, linear between neighbours as numpy.quantile.
#}
{% macro drift_reference_from_log(until, features, columns, edges) -%}
{% set texts = columns | selectattr('kind', 'eq', 'category') | list %}
reference_scored as (
    select prediction_id, day, version, score as f0
    from log
    where {{ "day <= timestamp '" ~ until ~ "'" if until is not none else '1 = 0' }}
),

reference_base as (
    select
        scored.day, scored.version
        {%- for column in columns[1:] %},
        {{ baton.drift_value('features.' ~ baton.quoted_name(column.name), column.kind) }} as f{{ loop.index }}
        {%- endfor %}
    from reference_scored as scored
    {%- if columns | length > 1 %}
    inner join {{ features }} as features on scored.prediction_id = features.prediction_id
    {%- endif %}
),

scale_ends as (
    {%- for column in columns %}
    {{ 'union all' if not loop.first }}
    {{ baton.drift_scale(column, 'f' ~ loop.index0, 'reference_scored' if loop.first else 'reference_base', edges) }}
    {%- endfor %}
),

scales as (
    select scale_ends.*, {{ baton.drift_width('scale_ends') }} as width
    from scale_ends
),

{{ baton.drift_number_cells(baton.drift_numbers(columns), 'log', edges, of='reference_') }},

reference_counts as (
    {%- for column in texts %}
    {%- set category = 'f' ~ columns.index(column) %}
    {{ 'union all' if not loop.first }}
    select
        {{ baton.quoted(column.name) }} as feature, version, {{ category }} as category, count(*) as n,
        row_number() over (order by case when {{ category }} is null then 1 else 0 end, count(*) desc, {{ category }}) - 1 as place
    from reference_base
    group by version, {{ category }}
    {%- else %}
    select cast(null as {{ dbt.type_string() }}) as feature, version, cast(null as {{ dbt.type_string() }}) as category, 0 as n, 0 as place
    from reference_scored
    where 1 = 0
    {%- endfor %}
),

reference_bins as (
    select version, kinds.feature, bin, sum(n) as n, 0 as n_once
    from reference_number_cells
    inner join kinds on reference_number_cells.number = kinds.number
    group by version, kinds.feature, bin
    union all
    select version, feature, case when category is null then -1 else place end, sum(n), sum(case when n = 1 and category is not null then 1 else 0 end)
    from reference_counts
    group by 1, 2, 3
),

reference_codes as (
    select
        version, kinds.feature, case when code < 0 then -1 when code > 4095 then 4096 else code end as code, sum(n) as n,
        sum(offsets) / (1048576.0e0 * sum(n)) as place
    from reference_number_cells
    inner join kinds on reference_number_cells.number = kinds.number
    where code is not null
    group by 1, 2, 3
),

reference_categories as (
    select version, feature, category, place as bin
    from reference_counts
    where category is not null
)
{%- endmacro %}

{# The scale of one feature; of a category only that it is there. #}
{% macro drift_scale(column, x, relation, edges) %}
{% set float = baton.type_double() %}
{% set is_number = column.kind != 'category' %}
select
    version, {{ baton.quoted(column.name) }} as feature
    {%- for name, share in {'low': 0.0005, 'high': 0.9995, 'lowest': 0, 'highest': 1}.items() %},
    {{ 'percentile_cont(' ~ share ~ ') within group (order by ' ~ x ~ ')' if is_number else 'cast(null as ' ~ float ~ ')' }} as {{ name }}
    {%- endfor %},
    {{ 'stddev_pop(case when abs(' ~ x ~ ') <= 1e150 then ' ~ x ~ ' end)' if is_number else 'cast(null as ' ~ float ~ ')' }} as deviation
    {%- for place in range(1, edges + 1) %},
    {{ 'percentile_cont(' ~ place / 10 ~ ') within group (order by ' ~ x ~ ')' if is_number and place < 10 else 'cast(null as ' ~ float ~ ')' }} as e{{ place }}
    {%- endfor %}
from {{ relation }}
group by version
{%- endmacro %}
