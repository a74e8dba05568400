{# A declared duration ('30 days', '6 hours', '28d') as an ANSI interval literal. Weeks become days: ANSI has no week. #}
{% macro interval(duration) %}
    {{ return(adapter.dispatch('interval', 'baton')(duration)) }}
{% endmacro %}

{% macro default__interval(duration) %}
    {% set parts = baton.duration_parts(duration) %}
    {{ return("interval '" ~ parts.n ~ "' " ~ parts.unit) }}
{% endmacro %}
