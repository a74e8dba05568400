{# The path is the name: model churn_performance in folder churn/ is relation churn.performance. #}
{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or target.schema }}{% endmacro %}

{% macro generate_alias_name(custom_alias_name=none, node=none) %}
    {%- if custom_alias_name -%}{{ custom_alias_name }}
    {%- else -%}{{ node.name | replace((node.config.schema or '') ~ '_', '', 1) }}
    {%- endif -%}
{% endmacro %}
