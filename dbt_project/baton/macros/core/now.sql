{# The run's one clock as a timestamp literal: var `now`, else BATON_NOW, else when dbt started (UTC). #}
{% macro now() -%}
timestamp '{{ var("now", none) or env_var("BATON_NOW", "") or run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}'
{%- endmacro %}
