{# What the monitoring macros read from a product; its defaults are filled in by `baton.product`. #}

{#
The windows of performance, `monitor.windows`, in order: {name: as declared, unit: hour, day or whole, length: in units}. Allowed are full hours ('1h'), whole days ('1d', '4w')
and `whole`, the history so far.
#}
{% macro windows(monitor) %}
    {% set found = [] %}
    {% for declared in monitor.windows %}
        {% if declared == 'whole' %}
            {% do found.append({'name': declared, 'unit': 'whole', 'length': 0}) %}
        {% else %}
            {% set seconds = baton.duration_parts(declared).seconds %}
            {% if seconds == 0 or seconds % 3600 %}
                {{ exceptions.raise_compiler_error("monitor.windows has '" ~ declared ~ "'; allowed are full hours, whole days or weeks, and whole: [3h, 1d, 28d, whole]") }}
            {% endif %}
            {% set unit = 'hour' if seconds % 86400 else 'day' %}
            {% do found.append({'name': declared, 'unit': unit, 'length': seconds // (3600 if unit == 'hour' else 86400)}) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}

{# Columns that the product's value cells name, each once. #}
{% macro amounts(parameters) %}
    {% set named = [] %}
    {% for cell in ['tp', 'fp', 'fn', 'tn'] %}
        {% set amount = (parameters.get('value') or {}).get(cell) %}
        {% if amount is string %}{% do named.append(amount) %}{% endif %}
    {% endfor %}
    {{ return(baton.unique_names(named)) }}
{% endmacro %}

{# Slices, amounts and strata of the reporting delay: the columns a decision takes over from the scoring set. Refuses names that a decision has itself. #}
{% macro carried_columns(parameters) %}
    {% set own = ['decision_key', 'as_of', 'period', 'prediction_id', 'predicted_at', 'score', 'threshold', 'predicted_label',
        'model_version', 'is_holdout', 'spec_hash', 'built_at', 'batch', 'is_moved', 'entity_hash', 'entity', 'overall', 'all', parameters.entity] %}
    {% set carried = baton.unique_names(parameters.slices + baton.amounts(parameters) + parameters.outcome.delay_by) %}
    {% for name in carried if name in own %}
        {{ exceptions.raise_compiler_error("product " ~ parameters.name ~ ": '" ~ name
            ~ "' is a slice, an amount or in outcome.delay_by, but decisions have a column of that name; rename the column in the scoring set") }}
    {% endfor %}
    {{ return(carried) }}
{% endmacro %}

{#
Hash of the parameters a monitoring table is computed with; another hash means another meaning of its rows, so history is rebuilt.
Floors and training parameters are left out: they change no number. The number is the version of these macros' definitions.
#}
{% macro spec_hash(product, table) %}
    {% set parameters = baton.product(product) %}
    {% set used = {'definitions': 3, 'entity': parameters.entity, 'decide': parameters.decide, 'slices': parameters.slices,
        'value': parameters.get('value')} %}
    {% if table != 'decisions' %}{% do used.update(outcome=parameters.outcome) %}{% endif %}
    {% if parameters.outcome.delay_by %}{% do used.update(delay_by=parameters.outcome.delay_by) %}{% endif %}
    {% if table.startswith('performance') or table == 'calibration' %}{% do used.update(definitions=5) %}{% endif %}
    {% if table == 'performance_hourly' %}{% do used.update(definitions=6) %}{% endif %}
    {% if table in ('performance', 'calibration') %}{% do used.update(windows=baton.windows(parameters.monitor), min_n=parameters.monitor.min_n) %}{% endif %}
    {{ return(local_md5(tojson(used, sort_keys=true))) }}
{% endmacro %}

{# Wall clock for the volatile column built_at; nothing is decided by it. #}
{% macro built_at() %}
    {{ return("cast(" ~ dbt.current_timestamp() ~ " as timestamp)") }}
{% endmacro %}
