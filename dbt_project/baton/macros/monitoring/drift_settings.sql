{# What `drift` reads: which columns are features, what is kept of the table, when a number counts as large. #}

{# Columns of the drift table, in order. #}
{% macro drift_columns() %}
    {{ return(['window_kind', 'window_end', 'feature', 'method', 'model_version', 'reference', 'n', 'n_entities', 'n_reference', 'value', 'threshold',
        'statistic', 'degrees_of_freedom', 'p_value', 'q_value', 'status', 'is_breach', 'n_breaches', 'n_consecutive', 'is_alarm', 'content',
        'predicted_at', 'spec_hash', 'evaluated_at', 'built_at']) }}
{% endmacro %}

{# Those that are computed once per window; the others follow from the windows before. #}
{% macro drift_kept_columns() %}
    {{ return(baton.unique_names(baton.drift_columns(), but=['n_breaches', 'n_consecutive', 'is_alarm'])) }}
{% endmacro %}

{# The features of the log: {name, kind: number, flag or category} per column. A column named `score` gives way to the model's score. #}
{% macro drift_features(features) %}
    {% set found = [] %}
    {% for column in (adapter.get_columns_in_relation(features) if features is not none else []) %}
        {% set type = column.dtype | upper %}
        {% if column.name not in ['prediction_id', 'score'] %}
            {% do found.append({'name': column.name, 'kind': baton.drift_kind(type)}) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}

{# How a column type is compared: numbers by distribution, everything that is neither number nor flag as text. #}
{% macro drift_kind(type) %}
    {% if type == 'BOOLEAN' %}{{ return('flag') }}{% endif %}
    {% set is_number = modules.re.match('^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|INT[248]?|FLOAT[48]?|REAL|DOUBLE( PRECISION)?|(DECIMAL|NUMERIC).*)$', type) %}
    {{ return('number' if is_number else 'category') }}
{% endmacro %}

{# The table as it is, if its rows can be taken over: it exists, has today's columns and nobody asked for a full refresh. #}
{% macro drift_reusable(relation) %}
    {% if flags.FULL_REFRESH %}{{ return(none) }}{% endif %}
    {% set existing = load_relation(relation) %}
    {% if existing is none or not existing.is_table %}{{ return(none) }}{% endif %}
    {% set found = adapter.get_columns_in_relation(existing) | map(attribute='name') | list %}
    {{ return(existing if found == baton.drift_columns() else none) }}
{% endmacro %}

{# Hash of what the numbers depend on; k and of are applied to the numbers at each run. The first number is the version of the definitions. #}
{% macro drift_spec_hash(parameters, reference_until, methods) %}
    {% set chosen = {} if methods | length == baton.drift_floors() | length else {'methods': methods | sort} %}
    {{ return(local_md5(tojson(dict(chosen, **{
        'definitions': 1, 'entity': parameters.entity, 'q': parameters.monitor.drift.q, 'windows': parameters.monitor.drift.windows,
        'min_n': parameters.monitor.min_n, 'reference_until': reference_until | string
    }), sort_keys=true))) }}
{% endmacro %}

{# The methods to compute: all, or those asked for. #}
{% macro drift_chosen(methods, product) %}
    {% set known = baton.drift_floors().keys() | list %}
    {% if methods is none %}{{ return(known) }}{% endif %}
    {% for method in methods if method not in known %}
        {{ exceptions.raise_compiler_error("drift of product " ~ product ~ ": methods has '" ~ method ~ "'; allowed are " ~ known | join(', ')) }}
    {% endfor %}
    {% if not methods %}{{ exceptions.raise_compiler_error("drift of product " ~ product ~ ": methods is empty; leave it out for all, or name some of " ~ known | join(', ')) }}{% endif %}
    {{ return(baton.unique_names(methods)) }}
{% endmacro %}

{# Whether a method is asked for that looks at the fine grid. #}
{% macro drift_is_fine(methods) %}{{ return('ks' in methods or 'wasserstein' in methods or 'range' in methods) }}{% endmacro %}

{# From which value on a method's number is large, whatever the sample size. #}
{% macro drift_floors() %}
    {{ return({'psi': 0.1, 'jensen_shannon': 0.1, 'chi_square': 0.1, 'ks': 0.1, 'wasserstein': 0.1, 'new_categories': 0.01,
        'vanished_categories': 0.01, 'null_share': 0.02, 'range': 0.01}) }}
{% endmacro %}

{# A number as double; NaN and infinities become null: nothing can be compared with them. #}
{% macro finite(expression) %}
    {% set number = "cast(" ~ expression ~ " as " ~ baton.type_double() ~ ")" %}
    {{ return("case when abs(" ~ number ~ ") <= 1.7976931348623157e308 then " ~ number ~ " end") }}
{% endmacro %}

{# The windows of drift: names as declared ('1d', '7d') to days. #}
{% macro drift_window_days(parameters) %}
    {% set found = {} %}
    {% for declared in parameters.monitor.drift.windows %}
        {% set days = baton.duration_parts(declared).seconds / 86400 %}
        {% if days != days | int or days == 0 %}
            {{ exceptions.raise_compiler_error("product " ~ parameters.name ~ ": monitor.drift.windows has '" ~ declared ~ "'; allowed are whole days or weeks: [1d, 7d]") }}
        {% endif %}
        {% do found.update({declared: days | int}) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}
