{# The instant the daily run predicts for: the last midnight before now. #}
{% macro as_of() -%}
date_trunc('day', {{ baton.now() }})
{%- endmacro %}
