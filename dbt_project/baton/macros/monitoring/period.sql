{#
Periods of decisions. The period of an entity starts at an offset drawn from its key, so that decisions spread over the days instead of
bunching on one: period = floor((units since 1970 - shift) / n), with `decide.per` = n units (days, hours or minutes). `per: entity` is period 0 for ever.
#}

{# A select of column entity and its shift. entities: relation or parenthesised select with column entity. #}
{% macro period_shifts(parameters, entities) %}
    {% set per = parameters.decide.per %}
    {% set shift = '0' if per == 'entity' else baton.bucket('entity', baton.duration_parts(per).n, 'period|' ~ parameters.name) %}
    {{ return("select entity, " ~ shift ~ " as shift from (select distinct entity from " ~ entities ~ ") as entities") }}
{% endmacro %}

{# The period of as_of as a bigint expression; as_of and shift are column names. #}
{% macro period(parameters, as_of, shift) %}
    {% set per = parameters.decide.per %}
    {% if per == 'entity' %}{{ return("cast(0 as bigint)") }}{% endif %}
    {% set parts = baton.duration_parts(per) %}
    {% set units = dbt.datediff("timestamp '1970-01-01 00:00:00'", as_of, parts.unit) | trim %}
    {{ return("cast(floor((" ~ units ~ " - " ~ shift ~ ") / cast(" ~ parts.n ~ " as " ~ baton.type_double() ~ ")) as bigint)") }}
{% endmacro %}
