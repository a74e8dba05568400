{# 64-bit floating point. dbt.type_float() is 32 bits on DuckDB, and sums of that lose the seventh digit. #}
{% macro type_double() %}{{ return(adapter.dispatch('type_double', 'baton')()) }}{% endmacro %}

{% macro default__type_double() %}{{ return('double') }}{% endmacro %}
