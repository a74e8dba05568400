{# The later of two non-null instants. Not `greatest`: engines differ in what it makes of a null. #}
{% macro later_of(a, b) %}
    {{ return('case when ' ~ a ~ ' >= ' ~ b ~ ' then ' ~ a ~ ' else ' ~ b ~ ' end') }}
{% endmacro %}
