{# The columns of performance, in order. #}
{% macro performance_columns() %}
    {% set columns = ['window_kind', 'window_end', 'slice_name', 'slice_value', 'model_version', 'basis', 'status'] %}
    {% do columns.extend(baton.performance_counts()) %}
    {% do columns.extend(['n_matured', 'coverage', 'share_restated', 'n_population', 'n_never_scored', 'share_never_scored', 'n_too_fresh', 'tp', 'fp', 'fn', 'tn']) %}
    {% for metric in baton.metric_names() %}
        {% do columns.append(metric) %}
        {% if metric in baton.interval_names() %}{% do columns.extend([metric ~ '_low', metric ~ '_high']) %}{% endif %}
    {% endfor %}
    {% do columns.extend(['roc_auc_method', 'n_value_missing', 'content', 'spec_hash', 'evaluated_at', 'built_at']) %}
    {{ return(columns) }}
{% endmacro %}

{# n and n per state. #}
{% macro performance_counts() %}
    {{ return(['n', 'n_pending', 'n_early_positive', 'n_positive', 'n_negative', 'n_late_positive', 'n_restated']) }}
{% endmacro %}

{# What is measured. The last three wait for calibration and are null until then. #}
{% macro metric_names() %}
    {{ return(['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy', 'roc_auc', 'average_precision', 'log_loss', 'brier',
        'value', 'value_per_decision', 'value_treat_all', 'value_treat_none', 'value_lift', 'brier_reliability', 'brier_resolution', 'ece']) }}
{% endmacro %}

{# What a floor may be put on, the same list as `ml.parameters.FLOOR_METRICS`: a metric that is always null can break no floor. #}
{% macro floor_metrics() %}
    {{ return(['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy', 'roc_auc', 'average_precision', 'log_loss', 'brier',
        'value', 'value_per_decision', 'value_lift']) }}
{% endmacro %}

{# Metrics with `_low` and `_high` beside them. #}
{% macro interval_names() %}
    {{ return(['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy', 'roc_auc', 'value', 'value_per_decision', 'value_lift']) }}
{% endmacro %}

{# Sums that cells carry and windows add up. Second moments of value make its interval; content is the checksum of the rows. #}
{% macro performance_sums() %}
    {{ return(baton.performance_counts() + ['n_matured', 'n_pos', 'n_neg', 'tp', 'fp', 'fn', 'tn', 'loss', 'brier_sum', 'value', 'value_all', 'value_none',
        'value_sq', 'lift_all_sq', 'lift_none_sq', 'n_value_missing', 'content', 'n_population', 'n_never_scored']) }}
{% endmacro %}

{# Of these sums, the ones that are no counts, with the digits after the point that they keep while they are added up. #}
{% macro performance_fractions() %}
    {{ return({'loss': 12, 'brier_sum': 12, 'value': 6, 'value_all': 6, 'value_none': 6, 'value_sq': 4, 'lift_all_sq': 4, 'lift_none_sq': 4}) }}
{% endmacro %}
