{# valid_to of what still holds. A value, not a null, so that one comparison decides whether a version is valid. #}
{% macro end_of_time() %}
    {{ return("timestamp '9999-12-31 00:00:00'") }}
{% endmacro %}
