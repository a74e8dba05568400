{#
CTEs of additive sums per (tick, slice_name, slice_value, version), with `all` versions and the population. A tick is the number of the hour or day since 1970: `hour_cells`
where a window of hours is declared, `day_cells` up to as_of(now) always. Sums come in three readings (`performance_sums`): matured, naive, expected.
#}
{% macro performance_cells(parameters, hourly, decisions, population, units) %}
{% set slices = parameters.slices %}
{% set keys = 'slice_name, slice_value, version' %}
parts as (
    select
        {{ baton.hour_number('hour') }} as hour_tick, slice_name, slice_value, model_version as version, calibration_bin, part,
        {%- for name, expression in baton.hourly_reading().items() %}
        {{ expression }} as {{ name }},
        {%- endfor %}
        content
    from {{ hourly }}
    where kind in ('sums', 'expected') and hour <= {{ baton.this_hour() }}
),

hourly_cells as (
    select
        hour_tick, slice_name, slice_value, version, calibration_bin,
        {%- for name, expression in baton.readings().items() %}
        sum({{ expression }}) as {{ name }},
        {%- endfor %}
        0 as n_population, 0 as n_never_scored
    from parts
    group by 1, 2, 3, 4, 5
),

{% if population is not none %}
{{ baton.population_cells(parameters, decisions, population, slices) }},
{% endif %}

cells as (
    select hour_tick, {{ keys }}, {{ baton.summed(baton.performance_sums()) }}
    from hourly_cells
    group by hour_tick, {{ keys }}
    union all
    select hour_tick, slice_name, slice_value, 'all' as version, {{ baton.summed(baton.performance_sums()) }}
    from hourly_cells
    group by hour_tick, slice_name, slice_value
    {%- if population is not none %}
    union all
    select hour_tick, slice_name, slice_value, 'all' as version
        {%- for name in baton.performance_sums() %}, {{ name if name in ('n_population', 'n_never_scored') else '0' }} as {{ name }}{% endfor %}
    from population_cells
    {%- endif %}
)
{%- for unit in units %},

{{ unit }}_cells as (
    select {{ baton.tick(unit, 'hour_tick') }} as tick, {{ keys }}, {{ baton.summed(baton.performance_sums()) }}
    from cells
    {%- if unit == 'day' %}
    where hour_tick <= {{ baton.hour_number(baton.as_of()) }}
    {%- endif %}
    group by 1, 2, 3, 4
)
{%- endfor %}
{%- endmacro %}

{# The number of the hour itself, or of the day whose window holds it. #}
{% macro tick(unit, hour_tick) %}{{ return(hour_tick if unit == 'hour' else baton.day_number(hour_tick)) }}{% endmacro %}

{# The instant a tick ends at. #}
{% macro tick_end(unit, tick) %}{{ return(dbt.dateadd(unit, tick, "timestamp '1970-01-01 00:00:00'") | trim) }}{% endmacro %}

{#
CTE `population_cells`: who should have a decision. A unit is an (entity, period), in the hour it first stands in the population; it was never scored if no
decision of that period exists. Counting rows instead would call an entity unscored on each day that its decision was not made.
#}
{% macro population_cells(parameters, decisions, population, slices) %}
people as (
    select {{ parameters.entity }} as entity, as_of {%- for slice in slices %}, {{ slice }}{% endfor %}
    from {{ population }}
    where {{ parameters.entity }} is not null and {{ baton.hour_of('as_of') }} <= {{ baton.this_hour() }}
),

-- Who was decided at that very as_of needs no period computed: the decision has it.
decided_people as (
    select people.*, decisions.period as decided_period
    from people
    left join {{ decisions }} as decisions on people.entity = decisions.{{ parameters.entity }} and people.as_of = decisions.as_of
),

other_shifts as (
    {{ baton.period_shifts(parameters, '(select entity from decided_people where decided_period is null)') }}
),

placed_people as (
    select
        decided_people.*,
        case when decided_period is not null then decided_period else {{ baton.period(parameters, 'decided_people.as_of', 'other_shifts.shift') }} end as period
    from decided_people
    left join other_shifts on decided_people.entity = other_shifts.entity
),

decided_otherwise as (
    select distinct placed_people.entity, placed_people.period
    from placed_people
    inner join {{ decisions }} as decisions on placed_people.entity = decisions.{{ parameters.entity }} and placed_people.period = decisions.period
    where placed_people.decided_period is null
),

-- Most units stand in the population once; only of the others the first row must be looked for.
repeated_units as (
    select entity, period, min(as_of) as as_of
    from placed_people
    group by entity, period
    having count(*) > 1
),

placed_units as (
    select
        {{ baton.hour_number(baton.hour_of('units.as_of')) }} as hour_tick,
        {%- for slice in slices %}
        coalesce(cast(units.{{ slice }} as {{ dbt.type_string() }}), '(none)') as slice_{{ loop.index }},
        {%- endfor %}
        case when units.decided_period is null and decided_otherwise.entity is null then 1 else 0 end as is_never_scored
    from (
        select placed_people.*
        from placed_people
        left join repeated_units on placed_people.entity = repeated_units.entity and placed_people.period = repeated_units.period
        where repeated_units.entity is null or placed_people.as_of = repeated_units.as_of
    ) as units
    left join decided_otherwise on units.entity = decided_otherwise.entity and units.period = decided_otherwise.period
),

population_cells as (
    {%- for slice in [none] + slices %}
    {{ 'union all' if not loop.first }}
    select
        hour_tick, {{ baton.quoted(slice or 'overall') }} as slice_name, {{ baton.slice_column(slices, slice) }} as slice_value,
        count(*) as n_population, sum(is_never_scored) as n_never_scored
    from placed_units
    group by 1, 2, 3
    {%- endfor %}
)
{%- endmacro %}
