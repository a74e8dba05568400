{# Whether the positive answer of a product is that no event came (outcome.positive: absence). parameters: of baton.product(). #}
{% macro absence_is_positive(parameters) %}
    {{ return(parameters.outcome.positive == 'absence') }}
{% endmacro %}
