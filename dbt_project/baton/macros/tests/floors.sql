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
        {% do baton.refuse_unless_in(product, 'basis', floor.basis, baton.floor_bases()) %}
        {% do baton.refuse_unless_in(product, 'severity', floor.severity, ['error', 'warn']) %}
        {% for window in windows if baton.same_window(window.name, floor.get('window')) %}{% do floor.update(window=window.name, found=true) %}{% endfor %}
        {% if not floor.found %}
            {{ exceptions.raise_compiler_error("product " ~ product ~ ", monitor.floors: window of " ~ floor.metric ~ " is '" ~ floor.get('window')
                ~ "'; allowed is one of monitor.windows: " ~ windows | map(attribute='name') | join(', ')) }}
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
            interval=floor.metric in baton.interval_names(),
            rests_on='n' if floor.metric == 'coverage' or floor.basis == 'estimated' else ('n_matured' if floor.basis == 'matured' else 'n - coalesce(n_too_fresh, 0)'),
            of='matured decisions' if floor.basis == 'matured' and floor.metric != 'coverage' else 'decisions',
            newest='newest closed' if floor.basis == 'matured' and floor.metric != 'coverage' else 'newest'
        ) %}
        {% if level is none or floor.severity == level %}{% do kept.append(floor) %}{% endif %}
    {% endfor %}
    {{ return(kept) }}
{% endmacro %}

{# Bases a floor may name, the same list as `ml.parameters.BASES`. `naive` is kept to show a bias and judges nothing. #}
{% macro floor_bases() %}{{ return(['matured', 'delay_corrected', 'estimated']) }}{% endmacro %}

{# Whether two declared windows are one: '28d' is '4 weeks'. #}
{% macro same_window(a, b) %}
    {% if a == 'whole' or b == 'whole' %}{{ return(a == b) }}{% endif %}
    {{ return(baton.duration_parts(a).seconds == baton.duration_parts(b).seconds) }}
{% endmacro %}

{# A compiler error unless a floor's field has one of the allowed values. #}
{% macro refuse_unless_in(product, field, found, allowed) %}
    {% if found not in allowed %}
        {{ exceptions.raise_compiler_error("product " ~ product ~ ", monitor.floors: " ~ field ~ " is '" ~ found ~ "'; allowed is one of " ~ allowed | join(', ')
            ~ ('; naive takes what has not been seen for negative and is never judged' if found == 'naive' else '')) }}
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

{#
The row a floor is judged on: on basis matured the newest window in which every decision has matured, on the other bases, which need not wait, the newest window. Coverage is
judged on the newest window too: in a closed one it is 1.
#}
{% macro judged_window(model, floor) -%}
select judged.*
from {{ model }} as judged
inner join (
    select max(window_end) as window_end
    from {{ model }}
    where {{ baton.floor_scope(floor) }} and n > 0 {{ 'and n_matured = n' if floor.newest == 'newest closed' }}
) as newest on judged.window_end = newest.window_end
where {{ baton.floor_scope(floor) }}
{%- endmacro %}

{% macro floor_scope(floor) -%}
window_kind = {{ baton.quoted(floor.window) }} and basis = {{ baton.quoted(floor.basis) }}
    and slice_name = 'overall' and model_version = 'all'
{%- endmacro %}
