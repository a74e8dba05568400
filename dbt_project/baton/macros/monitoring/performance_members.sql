{#
CTE `members`: the decisions of the windows to compute (all, where every window is: a condition that keeps every row makes the engine expect few), and macro `target_members`, which joins them to targets: one row per target and decision in it.
#}
{% macro performance_members(parameters, decisions, outcomes, built=none) %}
{{ baton.performance_facts(parameters, decisions, outcomes,
    'tick_of_hour > (select after_hour from scope) and tick_of_hour <= (select last_hour from scope)' if built is not none else none) }},

members as (
    select
        entity, version, {% for _ in parameters.slices %}slice_{{ loop.index }}, {% endfor %}score, predicted_label, label, seen_label, worth, worth_all, worth_none,
        tick_of_hour as hour_tick, {{ baton.day_number('tick_of_hour') }} as day_tick
    from facts
)
{%- endmacro %}

{#
A select of entity, `tick`, columns and gap: hours to the nearest other decision of the entity, null if none. tick: hour of a decision. On DuckDB one sorted pass, half the CPU
of a window per entity. (Order over a sorted subquery: as in `running_sums`.)
#}
{% macro nearest_decisions(source, tick, columns=[]) %}{{ return(adapter.dispatch('nearest_decisions', 'baton')(source, tick, columns)) }}{% endmacro %}

{% macro default__nearest_decisions(source, tick, columns) -%}
{% set window = "over (partition by entity order by " ~ tick ~ ")" %}
select
    entity, {{ ([tick] + columns) | join(', ') }},
    {{ baton.nearer(tick ~ ' - lag(' ~ tick ~ ') ' ~ window, 'lead(' ~ tick ~ ') ' ~ window ~ ' - ' ~ tick) }} as gap
from {{ source }}
{%- endmacro %}

{% macro duckdb__nearest_decisions(source, tick, columns) -%}
{% set names = ([tick] + columns) | join(', ') %}
select
    entity, {{ names }},
    {{ baton.nearer('case when entity_before = entity then ' ~ tick ~ ' - tick_before end', 'case when entity_after = entity then tick_after - ' ~ tick ~ ' end') }} as gap
from (
    select
        entity, {{ names }}, lag(entity) over () as entity_before, lag({{ tick }}) over () as tick_before, lead(entity) over () as entity_after, lead({{ tick }}) over () as tick_after
    from (select entity, {{ names }} from {{ source }} order by entity, {{ tick }}) as sorted_decisions
) as beside
{%- endmacro %}

{# The smaller of two gaps; one may be null. #}
{% macro nearer(before, after) %}
    {{ return("case when coalesce(" ~ after ~ ", 1000000000) < coalesce(" ~ before ~ ", 1000000000) then " ~ after ~ " else " ~ before ~ " end") }}
{% endmacro %}

{# columns: what to select from members and (as targets) the target's window; where: which rows. #}
{% macro target_members(slices, windows, columns, where) %}
{% set units = baton.unique_names(windows | map(attribute='unit') | list) %}
{% for slice in [none] + slices %}
{% for unit in units %}
    {{ 'union all' if not (loop.first and slice is none) }}
    select {{ columns }}
    from {{ 'targets' if unit == 'whole' else 'target_ticks' }} as targets
    inner join members
        on targets.slice_value = {{ "'all'" if slice is none else 'members.' ~ baton.slice_column(slices, slice) }}
        {%- if unit != 'whole' %}
        and targets.tick = members.{{ unit }}_tick
        {%- endif %}
        and (targets.rank_version = 'all' or targets.rank_version = members.version)
    where targets.slice_name = {{ baton.quoted(slice or 'overall') }} and {{ where }}
        {%- if unit == 'whole' %}
        and targets.window_hours = 1000000000 and members.hour_tick <= {{ baton.hour_number(baton.as_of()) }}
        {%- else %}
        and targets.unit = '{{ unit }}'
        {%- endif %}
{%- endfor %}
{%- endfor %}
{%- endmacro %}
