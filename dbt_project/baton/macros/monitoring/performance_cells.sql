{#
CTE `version_cells`: additive sums per (day, slice_name, slice_value, model_version), with `all` versions and the population. The rows are read once, into
cells of (day, version, all slices); every slice is a roll-up of those.
#}
{% macro performance_cells(parameters, decisions, population, slices) %}
{% set slice_names = baton.numbered('slice_', slices) %}
cells as (
    select
        day,
        version,
        {%- for slice in slice_names %}
        {{ slice }},
        {%- endfor %}
        {{ baton.fact_sums() }}
    from facts
    group by day, version {%- for slice in slice_names %}, {{ slice }}{% endfor %}
),

slice_cells as (
    select day, 'overall' as slice_name, 'all' as slice_value, version, {{ baton.summed(baton.performance_sums()) }}
    from cells
    group by day, version
    {%- for slice in slices %}
    union all
    select day, {{ baton.quoted(slice) }} as slice_name, slice_{{ loop.index }} as slice_value, version, {{ baton.summed(baton.performance_sums()) }}
    from cells
    group by day, slice_{{ loop.index }}, version
    {%- endfor %}
),

{% if population is not none %}
{{ baton.population_cells(parameters, decisions, population, slices) }},
{% endif %}

version_cells as (
    select day, slice_name, slice_value, version, {{ baton.performance_sums() | join(', ') }}
    from slice_cells
    union all
    select day, slice_name, slice_value, 'all' as version, {{ baton.summed(baton.performance_sums()) }}
    from slice_cells
    group by day, slice_name, slice_value
    {%- if population is not none %}
    union all
    select day, slice_name, slice_value, 'all' as version
        {%- for name in baton.performance_sums() %}, {{ name if name in ('n_population', 'n_never_scored') else '0' }} as {{ name }}{% endfor %}
    from population_cells
    {%- endif %}
)
{%- endmacro %}

{# The sums of a cell, over rows of `facts`. Matured means: the label is known and the cohort closed. #}
{% macro fact_sums() -%}
        count(*) as n,
        {%- for state in ['pending', 'early_positive', 'positive', 'negative', 'late_positive'] %}
        sum(case when state = '{{ state }}' then 1 else 0 end) as n_{{ state }},
        {%- endfor %}
        sum(case when is_restated then 1 else 0 end) as n_restated,
        count(label) as n_matured,
        sum(case when label = 1 then 1 else 0 end) as n_pos,
        sum(case when label = 0 then 1 else 0 end) as n_neg,
        sum(case when predicted_label = 1 and label = 1 then 1 else 0 end) as tp,
        sum(case when predicted_label = 1 and label = 0 then 1 else 0 end) as fp,
        sum(case when predicted_label = 0 and label = 1 then 1 else 0 end) as fn,
        sum(case when predicted_label = 0 and label = 0 then 1 else 0 end) as tn,
        {%- for name, amount in baton.fact_amounts().items() %}
        sum({{ baton.fixed('coalesce(' ~ amount ~ ', 0)', baton.performance_fractions()[name]) }}) as {{ name }},
        {%- endfor %}
        sum(case when label is not null and (worth is null or worth_all is null or worth_none is null) then 1 else 0 end) as n_value_missing,
        sum(content) as content,
        0 as n_population,
        0 as n_never_scored
{%- endmacro %}

{# The amounts of one row of `facts`; null counts as 0. Log loss clips as scikit-learn does, at the spacing of floating point numbers at 1. #}
{% macro fact_amounts() %}
    {% set tiny = '2.220446049250313e-16' %}
    {{ return({
        'loss': 'case when chance_of_label < ' ~ tiny ~ ' then -ln(' ~ tiny ~ ') else -ln(chance_of_label) end',
        'brier_sum': '(score - label) * (score - label)',
        'value': 'worth', 'value_all': 'worth_all', 'value_none': 'worth_none', 'value_sq': 'worth * worth',
        'lift_all_sq': '(worth - worth_all) * (worth - worth_all)', 'lift_none_sq': '(worth - worth_none) * (worth - worth_none)'
    }) }}
{% endmacro %}

{% macro summed(names) -%}
{% for name in names %}sum({{ name }}) as {{ name }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}

{# slice_1, slice_2, ...: internal names, so that no slice can collide with a column of ours. #}
{% macro numbered(prefix, names) %}
    {% set found = [] %}
    {% for name in names %}{% do found.append(prefix ~ loop.index) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}

{#
CTE `population_cells`: who should have a decision. A unit is an (entity, period), on the day it first stands in the population; it was never scored if no
decision of that period exists. Counting rows instead would call an entity unscored on each day that its decision was not made.
#}
{% macro population_cells(parameters, decisions, population, slices) %}
people as (
    select {{ parameters.entity }} as entity, as_of {%- for slice in slices %}, {{ slice }}{% endfor %}
    from {{ population }}
    where {{ parameters.entity }} is not null and as_of <= {{ baton.as_of() }}
),

people_shifts as (
    {{ baton.period_shifts(parameters, 'people') }}
),

units as (
    select people.entity, {{ baton.period(parameters, 'people.as_of', 'people_shifts.shift') }} as period, min(people.as_of) as as_of
    from people
    inner join people_shifts on people.entity = people_shifts.entity
    group by 1, 2
),

placed_units as (
    select
        {{ baton.day_of('units.as_of') }} as day,
        {%- for slice in slices %}
        coalesce(cast(people.{{ slice }} as {{ dbt.type_string() }}), '(none)') as slice_{{ loop.index }},
        {%- endfor %}
        case when decisions.decision_key is null then 1 else 0 end as is_never_scored
    from units
    inner join people on units.entity = people.entity and units.as_of = people.as_of
    left join {{ decisions }} as decisions on units.entity = decisions.{{ parameters.entity }} and units.period = decisions.period
),

population_cells as (
    select day, 'overall' as slice_name, 'all' as slice_value, count(*) as n_population, sum(is_never_scored) as n_never_scored
    from placed_units
    group by day
    {%- for slice in slices %}
    union all
    select day, {{ baton.quoted(slice) }} as slice_name, slice_{{ loop.index }} as slice_value, count(*) as n_population, sum(is_never_scored) as n_never_scored
    from placed_units
    group by day, slice_{{ loop.index }}
    {%- endfor %}
)
{%- endmacro %}
