{# Column names in their order, each once, without those in `but`. One name may stand for a list of one. #}
{% macro unique_names(names, but=[]) %}
    {% set kept = [] %}
    {% for name in ([names] if names is string else names) if name not in kept and name not in but %}
        {% do kept.append(name) %}
    {% endfor %}
    {{ return(kept) }}
{% endmacro %}
