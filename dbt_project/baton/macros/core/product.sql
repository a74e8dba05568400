{# Parameters of one product, from its exposure, every default filled in. The only macro that reads the graph: unit tests override it. #}
{% macro product(name) %}
    {% if not execute %}{{ return({}) }}{% endif %}
    {% for exposure in graph.exposures.values() if exposure.name == name %}
        {% set spec = (exposure.config.meta or exposure.meta or {}).get('product') %}
        {% if spec %}{{ return(baton.with_defaults(spec, name)) }}{% endif %}
    {% endfor %}
    {{ exceptions.raise_compiler_error(
        "No exposure named '" ~ name ~ "' with config.meta.product. Products are declared as exposures of type ml; found: "
        ~ (graph.exposures.values() | map(attribute='name') | join(', '))) }}
{% endmacro %}
