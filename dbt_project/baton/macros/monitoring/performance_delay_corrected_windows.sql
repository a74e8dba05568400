{# Windows in hours by name; none for `whole`. Those of whole days end at midnights, the others at every full hour. #}
{% macro corrected_window_hours(parameters) %}
    {% set hours = {} %}
    {% for window in baton.windows(parameters.monitor) %}
        {% do hours.update({window.name: none if window.unit == 'whole' else window.length * (24 if window.unit == 'day' else 1)}) %}
    {% endfor %}
    {{ return(hours) }}
{% endmacro %}

{# Seconds of the longest window; none if one holds all history. #}
{% macro longest_window(parameters) %}
    {% set hours = baton.corrected_window_hours(parameters).values() | list %}
    {{ return(none if none in hours else 3600 * (hours | max)) }}
{% endmacro %}

{#
CTE `windows`: (window_kind, window_hours, window_start, window_end), those that may hold open decisions and one window's length more; `rolled_steps`: cells rolled up to
them per (stratum, step).
#}
{% macro corrected_windows(parameters) %}
{% set now, open_for = baton.now() | trim, baton.open_seconds(parameters) %}
windows as (
    {%- for name, hours in baton.corrected_window_hours(parameters).items() %}
    {{ 'union all' if not loop.first }}
    {%- if hours is none %}
    select {{ baton.quoted(name) }} as window_kind, 1000000000 as window_hours, timestamp '0001-01-01 00:00:00' as window_start, {{ baton.as_of() }} as window_end
    {%- else %}
    {%- set reach = baton.interval((open_for + 3600 * hours) // 60 ~ ' minutes') %}
    select {{ baton.quoted(name) }} as window_kind, {{ hours }} as window_hours, ends.window_end - {{ baton.interval(hours ~ ' hours') }} as window_start, ends.window_end
    from (
        {{ baton.window_ends(now ~ ' - ' ~ reach, by_hour=hours % 24 > 0) | indent(8) }}
    ) as ends
    where ends.window_end > {{ now }} - {{ reach }} and ends.window_end <= {{ now }}
    {%- endif %}
    {%- endfor %}
),

rolled_steps as (
    select
        windows.window_kind, windows.window_end, windows.window_hours, version_cells.slice_name, version_cells.slice_value, version_cells.version,
        version_cells.stratum, version_cells.step,
        min(version_cells.share) as share,
        min(version_cells.n_positives) as n_positives,
        {{ baton.summed(baton.corrected_sums().keys() | list) }}
    from windows
    inner join version_cells on version_cells.hour > windows.window_start and version_cells.hour <= windows.window_end
    group by 1, 2, 3, 4, 5, 6, 7, 8
),

rolled as (
    select window_kind, window_end, window_hours, slice_name, slice_value, version, {{ baton.summed(baton.corrected_sums().keys() | list) }}
    from rolled_steps
    group by 1, 2, 3, 4, 5, 6
)
{%- endmacro %}

{# Midnights, or full hours, from the day of `first` to now: a select of column window_end. #}
{% macro window_ends(first, by_hour) -%}
{% set days = baton.day_series("date_trunc('day', " ~ first ~ ")", baton.as_of()) -%}
{% if not by_hour -%}
select as_of as window_end from ({{ days }}) as days
{%- else -%}
select {{ dbt.dateadd('hour', 'hours.n', 'days.as_of') | trim }} as window_end
from ({{ days }}) as days
cross join ({% for n in range(24) %}select {{ n }} as n{{ ' union all ' if not loop.last }}{% endfor %}) as hours
{%- endif %}
{%- endmacro %}
