{# The metrics of a product, refused with what is allowed where they cannot be computed. The same rules as `ml.business_metrics`, and that a relation is at hand. #}
{% macro declared_metrics(product, relations) %}
    {% set metrics = baton.product(product).metrics %}
    {% for name, metric in metrics.items() %}
        {% set at = "product " ~ product ~ ", metrics." ~ name ~ ": " %}
        {% if not modules.re.match('^[a-z][a-z0-9_]{0,59}$', name) or name in baton.performance_columns() %}
            {{ exceptions.raise_compiler_error(at ~ "found this name; allowed is a name of small letters, digits and underscores that is no metric of performance") }}
        {% endif %}
        {% for field in metric if field not in ['model', 'at', 'kind', 'numerator', 'denominator', 'entity', 'slices', 'where'] %}
            {{ exceptions.raise_compiler_error(at ~ "no such field " ~ field ~ "; allowed is model, at, kind, numerator, denominator, entity, slices, where") }}
        {% endfor %}
        {% if metric.kind not in ['share', 'ratio', 'total'] %}
            {{ exceptions.raise_compiler_error(at ~ "kind is '" ~ metric.kind ~ "'; allowed is share or ratio or total") }}
        {% endif %}
        {% if metric.kind == 'total' and metric.denominator is not none %}
            {{ exceptions.raise_compiler_error(at ~ "denominator is '" ~ metric.denominator ~ "'; allowed is nothing: a total has no denominator") }}
        {% endif %}
        {% if not metric.numerator is string or (metric.kind != 'total' and not metric.denominator is string) %}
            {{ exceptions.raise_compiler_error(at ~ "numerator and denominator are SQL: allowed is a text such as \"outcome_label\" or \"1\"") }}
        {% endif %}
        {% if metric.get('model') not in relations %}
            {{ exceptions.raise_compiler_error(at ~ "model is '" ~ metric.get('model') ~ "', but the macro was given " ~ (relations | join(', ') or 'no relation')
                ~ "; add '" ~ metric.get('model') ~ "': ref('" ~ metric.get('model') ~ "') to its relations") }}
        {% endif %}
    {% endfor %}
    {{ return(metrics) }}
{% endmacro %}

{# [numerator, denominator, condition that a row counts] of one metric, as SQL over its model's columns. #}
{% macro metric_parts(metric) %}
    {% set float = baton.type_double() %}
    {% set a = "cast(" ~ metric.numerator ~ " as " ~ float ~ ")" %}
    {% set b = "cast(" ~ (metric.denominator or '1') ~ " as " ~ float ~ ")" %}
    {% set counted = "abs(" ~ a ~ ") <= 1e12 and abs(" ~ b ~ ") <= 1e12" %}
    {{ return([a, b, "(" ~ metric.where ~ ") and " ~ counted if metric.where else counted]) }}
{% endmacro %}

{# Declared windows: name to {n, unit} with unit hour or day, none for `whole`. #}
{% macro metric_windows(monitor) %}
    {% set found = {} %}
    {% for declared in monitor.windows %}
        {% if declared == 'whole' %}
            {% do found.update({declared: none}) %}
        {% else %}
            {% set seconds = baton.duration_parts(declared).seconds %}
            {% if seconds == 0 or seconds % 3600 %}
                {{ exceptions.raise_compiler_error("monitor.windows has '" ~ declared ~ "'; allowed are whole hours, days or weeks, and whole") }}
            {% endif %}
            {% do found.update({declared: {'n': seconds // 86400, 'unit': 'day'} if seconds % 86400 == 0 else {'n': seconds // 3600, 'unit': 'hour'}}) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}
