{# The columns of performance, in order. #}
{% macro performance_columns() %}
    {% set columns = ['window_kind', 'window_end', 'slice_name', 'slice_value', 'model_version', 'basis', 'status'] %}
    {% do columns.extend(baton.performance_counts()) %}
    {% do columns.extend(['n_matured', 'coverage', 'share_restated', 'n_population', 'n_never_scored', 'share_never_scored', 'n_too_fresh', 'tp', 'fp', 'fn', 'tn']) %}
    {% for metric in baton.metric_names() %}
        {% do columns.append(metric) %}
        {% if metric in baton.interval_names() %}{% do columns.extend([metric ~ '_low', metric ~ '_high']) %}{% endif %}
    {% endfor %}
    {% for metric in baton.error_names() %}{% do columns.append(metric ~ '_error') %}{% endfor %}
    {% do columns.extend(['roc_auc_method', 'n_value_missing', 'content', 'spec_hash', 'evaluated_at', 'built_at']) %}
    {{ return(columns) }}
{% endmacro %}

{# n and n per state. #}
{% macro performance_counts() %}
    {{ return(['n', 'n_pending', 'n_early_positive', 'n_positive', 'n_negative', 'n_late_positive', 'n_restated']) }}
{% endmacro %}

{# What is measured. #}
{% macro metric_names() %}
    {{ return(['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy', 'roc_auc', 'average_precision', 'ks', 'log_loss', 'brier',
        'value', 'value_per_decision', 'value_treat_all', 'value_treat_none', 'value_lift', 'brier_reliability', 'brier_resolution', 'ece']) }}
{% endmacro %}

{# What a floor may be put on, the same list as `ml.parameters.FLOOR_METRICS`. #}
{% macro floor_metrics() %}
    {{ return(['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy', 'roc_auc', 'average_precision', 'ks', 'log_loss', 'brier',
        'value', 'value_per_decision', 'value_lift', 'ece', 'coverage']) }}
{% endmacro %}

{# Metrics with `_low` and `_high` beside them. #}
{% macro interval_names() %}
    {{ return(['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy', 'roc_auc', 'value', 'value_per_decision', 'value_lift']) }}
{% endmacro %}

{# Metrics whose estimate is held against what came of it: `_error` = estimate - matured, on basis `estimated` once every decision of the window is matured. #}
{% macro error_names() %}{{ return(['accuracy', 'roc_auc', 'value_per_decision']) }}{% endmacro %}

{# Sums under a label: each in two readings, plain over matured decisions and `naive_` over all. #}
{% macro label_sums() %}
    {{ return(['n_pos', 'n_neg', 'tp', 'fp', 'fn', 'tn', 'n_value_missing', 'loss', 'brier_sum', 'value', 'value_all', 'value_none', 'value_sq', 'lift_all_sq', 'lift_none_sq']) }}
{% endmacro %}

{# Sums under the score, over all decisions. #}
{% macro expected_sums() %}
    {% set found = [] %}
    {% for name in baton.hourly_fractions() if name.startswith('expected_') or name.startswith('spread_') %}{% do found.append(name) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}

{# How the sums of windows are read off the rows of performance_hourly: name to the expression that is summed. #}
{% macro readings() %}
    {% set found = {} %}
    {% for name in baton.performance_counts() %}{% do found.update({name: name}) %}{% endfor %}
    {% do found.update({'n_matured': "case when part = 'matured' then n else 0 end"}) %}
    {% for name in baton.label_sums() %}
        {% do found.update({name: "case when part = 'matured' then " ~ name ~ " else 0 end", 'naive_' ~ name: name}) %}
    {% endfor %}
    {% do found.update({'score_sum': "case when part = 'matured' then score_sum else 0 end", 'naive_score_sum': 'score_sum', 'n_said': 'tp + fp', 'n_unsaid': 'fn + tn'}) %}
    {% for name in baton.expected_sums() + ['content'] %}{% do found.update({name: name}) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}

{# Sums that cells carry and windows add up; content is the checksum of the rows. #}
{% macro performance_sums() %}{{ return((baton.readings().keys() | list) + ['n_population', 'n_never_scored']) }}{% endmacro %}

{# Of these sums, the ones that are no counts, with the digits after the point that they keep while they are added up. #}
{% macro reading_digits() %}
    {% set digits = {} %}
    {% for name, kept in baton.performance_fractions().items() %}{% do digits.update({name: kept, 'naive_' ~ name: kept}) %}{% endfor %}
    {{ return(digits) }}
{% endmacro %}
