{# CTE `windows`: cells rolled up to every window they lie in, typed; n_matured_all is the count over all versions of the same window and slice. #}
{% macro performance_windows(windows) %}
{% set fractions = baton.performance_fractions() %}
days as (
    select as_of as day
    from ({{ baton.day_series('(select min(day) from version_cells)', baton.as_of()) }}) as series
),

window_days as (
    {%- for name, n_days in windows.items() %}
    {{ 'union all' if not loop.first }}
    select {{ baton.quoted(name) }} as window_kind, {{ n_days }} as window_length, day as window_end, day - {{ baton.interval(n_days ~ ' days') }} as window_start
    from days
    {%- endfor %}
),

rolled as (
    select
        window_days.window_kind, window_days.window_length, window_days.window_end, window_days.window_start,
        version_cells.slice_name, version_cells.slice_value, version_cells.version,
        {{ baton.summed(baton.performance_sums()) }}
    from window_days
    inner join version_cells on version_cells.day > window_days.window_start and version_cells.day <= window_days.window_end
    group by 1, 2, 3, 4, 5, 6, 7
),

windows as (
    select
        rolled.window_kind, rolled.window_length, rolled.window_end, rolled.window_start, rolled.slice_name, rolled.slice_value, rolled.version,
        {%- for name in baton.performance_sums() %}
        {{ baton.unfixed('rolled.' ~ name, fractions[name]) if name in fractions else 'cast(rolled.' ~ name ~ ' as bigint)' }} as {{ name }},
        {%- endfor %}
        max(case when version = 'all' then n_matured end) over (partition by window_kind, window_end, slice_name, slice_value) as n_matured_all
    from rolled
)
{%- endmacro %}
