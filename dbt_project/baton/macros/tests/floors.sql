{# The floors of a product; `level` keeps those of one severity. Errors name product, floor and what is allowed. #}
{% macro floors(product, level=none) %}
    {% set monitor = baton.product(product).monitor %}
    {% set windows = baton.windows(monitor) %}
    {% set kept = [] %}
    {% for declared in monitor.floors %}
        {% set floor = dict(declared) %}
        {% do baton.refuse_unless_in(product, 'metric', floor.get('metric'), baton.floor_metrics()) %}
        {% if floor.metric in ['value', 'value_per_decision', 'value_lift'] and not baton.product(product).get('value') %}
            {{ exceptions.raise_compiler_error("product " ~ product ~ ", monitor.floors: metric is '" ~ floor.metric
                ~ "', but the product declares no value; declare its four cells, or put the floor on another metric") }}
        {% endif %}
        {% do baton.refuse_unless_in(product, 'basis', floor.basis, ['matured']) %}
        {% do baton.refuse_unless_in(product, 'severity', floor.severity, ['error', 'warn']) %}
        {% set days = baton.duration_parts(floor.get('window')).seconds / 86400 %}
        {% for name, n_days in windows.items() if n_days == days %}{% do floor.update(window=name, found=true) %}{% endfor %}
        {% if not floor.found %}
            {{ exceptions.raise_compiler_error("product " ~ product ~ ", monitor.floors: window of " ~ floor.metric ~ " is '" ~ floor.get('window')
                ~ "'; allowed is one of monitor.windows: " ~ windows | join(', ')) }}
        {% endif %}
        {% if floor.min_n is not integer or floor.min_n < 1 %}
            {{ exceptions.raise_compiler_error("product " ~ product ~ ", monitor.floors: min_n of " ~ floor.metric ~ " is '" ~ floor.min_n
                ~ "'; allowed is a whole number from 1") }}
        {% endif %}
        {% set bounds = [] %}
        {% if floor.at_least is not none %}{% do bounds.append('>= ' ~ floor.at_least) %}{% endif %}
        {% if floor.at_most is not none %}{% do bounds.append('<= ' ~ floor.at_most) %}{% endif %}
        {% if not bounds %}
            {{ exceptions.raise_compiler_error("product " ~ product ~ ", monitor.floors: " ~ floor.metric ~ " has no bound; give at_least, at_most or both") }}
        {% endif %}
        {% do floor.update(
            bound=bounds | join(' and '),
            kept=(floor.metric ~ ' ') ~ bounds | join(' and ' ~ floor.metric ~ ' '),
            interval=floor.metric in baton.interval_names()
        ) %}
        {% if level is none or floor.severity == level %}{% do kept.append(floor) %}{% endif %}
    {% endfor %}
    {{ return(kept) }}
{% endmacro %}

{# A compiler error unless a floor's field has one of the allowed values; what other versions judge is named as such. #}
{% macro refuse_unless_in(product, field, found, allowed) %}
    {% if found not in allowed %}
        {% set later = ['ece', 'brier_reliability', 'brier_resolution', 'coverage', 'delay_corrected', 'estimated'] %}
        {{ exceptions.raise_compiler_error("product " ~ product ~ ", monitor.floors: " ~ field ~ " is '" ~ found ~ "'; allowed is one of "
            ~ allowed | join(', ') ~ ('; ' ~ found ~ ' is not judged in this version' if found in later else '')) }}
    {% endif %}
{% endmacro %}

{# The reason columns of a floor's failing row. #}
{% macro floor_columns(floor) -%}
    {{ baton.quoted(floor.metric) }} as metric,
    {{ baton.quoted(floor.window) }} as window_kind,
    window_end,
    {{ baton.quoted(floor.basis) }} as basis,
    {{ floor.metric }} as value,
    {{ floor.metric ~ '_low' if floor.interval else 'cast(null as ' ~ baton.type_double() ~ ')' }} as value_low,
    {{ floor.metric ~ '_high' if floor.interval else 'cast(null as ' ~ baton.type_double() ~ ')' }} as value_high,
    n_matured,
    {{ baton.quoted(floor.bound) }} as bound
{%- endmacro %}

{# The row a floor is judged on: the newest window in which every decision has matured. #}
{% macro judged_window(model, floor) -%}
select judged.*
from {{ model }} as judged
inner join (
    select max(window_end) as window_end
    from {{ model }}
    where {{ baton.floor_scope(floor) }} and n > 0 and n_matured = n
) as newest on judged.window_end = newest.window_end
where {{ baton.floor_scope(floor) }}
{%- endmacro %}

{% macro floor_scope(floor) -%}
window_kind = {{ baton.quoted(floor.window) }} and basis = {{ baton.quoted(floor.basis) }}
    and slice_name = 'overall' and model_version = 'all'
{%- endmacro %}
