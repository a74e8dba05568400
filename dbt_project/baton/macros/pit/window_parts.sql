{# Parts of `window_as_of` that its variants share. #}

{# A version's event lies in the trailing window and the version was the known one at baton_as_of. #}
{% macro is_in_window(length) -%}
versions.event_at > baton_as_of - {{ baton.interval(length) }}
        and versions.event_at <= baton_as_of
        and versions.valid_from <= baton_as_of
        and versions.valid_to > baton_as_of
{%- endmacro %}

{% macro aggregate_list(aggregates) -%}
{% for alias, aggregate in aggregates.items() %}{{ aggregate }} as {{ alias }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}

{# Every alias: from its window, or its value on no rows where the window held no event. #}
{% macro window_values(windows) -%}
{% for aggregates in windows.values() -%}
{% set outer = loop -%}
{% for alias in aggregates -%}
case when window_{{ outer.index }}.has_events = 1 then window_{{ outer.index }}.{{ alias }} else nothing.{{ alias }} end as {{ alias }}
{%- if not (loop.last and outer.last) %},
    {% endif -%}
{% endfor -%}
{% endfor %}
{%- endmacro %}

{# One row: what every aggregate gives on an empty table. #}
{% macro aggregates_of_nothing(versions, windows) -%}
{% set all = {} -%}
{% for aggregates in windows.values() %}{% do all.update(aggregates) %}{% endfor -%}
select {{ baton.aggregate_list(all) }} from {{ versions }} as versions where 1 = 0
{%- endmacro %}
