{# What `performance_hourly` adds up, over rows of `facts`. Names without a prefix are under the label (of an open decision: what has been seen); `expected_` under the score. #}

{# Counts: the condition a row must meet, none for every row. #}
{% macro hourly_conditions() %}
    {% set found = {'n': none} %}
    {% for state in ['pending', 'early_positive', 'positive', 'negative', 'late_positive'] %}{% do found.update({'n_' ~ state: "state = '" ~ state ~ "'"}) %}{% endfor %}
    {% do found.update({
        'n_restated': 'is_restated', 'n_pos': 'seen_label = 1', 'n_neg': 'seen_label = 0',
        'tp': 'predicted_label = 1 and seen_label = 1', 'fp': 'predicted_label = 1 and seen_label = 0',
        'fn': 'predicted_label = 0 and seen_label = 1', 'tn': 'predicted_label = 0 and seen_label = 0',
        'n_value_missing': 'predicted_label is not null and (worth is null or worth_all is null or worth_none is null)'
    }) %}
    {{ return(found) }}
{% endmacro %}

{% macro hourly_counts() %}{{ return(baton.hourly_conditions().keys() | list) }}{% endmacro %}

{#
Amounts of one row; null counts as 0. Log loss clips as scikit-learn does, at the spacing of floating point numbers at 1. Under the score p a row is positive with
probability p: expected_1 and expected_0 are p of the rows predicted 1 and 0, spread_ are variances p (1 - p) times what hangs on the label, squared.
#}
{% macro hourly_amounts() %}
    {% set p = 'score * (1 - score)' %}
    {% set treated = '(coalesce(worth_if_1, 0) - coalesce(worth_if_0, 0))' %}
    {{ return({
        'score_sum': 'score', 'loss': baton.surprise('chance_of_label'), 'brier_sum': '(score - seen_label) * (score - seen_label)',
        'value': 'worth', 'value_all': 'worth_all', 'value_none': 'worth_none', 'value_sq': 'worth * worth',
        'lift_all_sq': '(worth - worth_all) * (worth - worth_all)', 'lift_none_sq': '(worth - worth_none) * (worth - worth_none)',
        'expected_1': 'case predicted_label when 1 then score end', 'expected_0': 'case predicted_label when 0 then score end',
        'spread_1': 'case predicted_label when 1 then ' ~ p ~ ' end', 'spread_0': 'case predicted_label when 0 then ' ~ p ~ ' end',
        'expected_loss': 'score * (' ~ baton.surprise('score') ~ ') + (1 - score) * (' ~ baton.surprise('(1 - score)') ~ ')', 'expected_brier': p,
        'expected_value': baton.expected_worth('worth_if_1', 'worth_if_0'), 'expected_value_all': baton.of_decided(baton.expected_worth('worth_tp', 'worth_fp')),
        'expected_value_none': baton.of_decided(baton.expected_worth('worth_fn', 'worth_tn')),
        'spread_value': p ~ ' * ' ~ treated ~ ' * ' ~ treated,
        'spread_lift_all': baton.of_decided(baton.spread_of_lift(p, treated, '(coalesce(worth_tp, 0) - coalesce(worth_fp, 0))')),
        'spread_lift_none': baton.of_decided(baton.spread_of_lift(p, treated, '(coalesce(worth_fn, 0) - coalesce(worth_tn, 0))'))
    }) }}
{% endmacro %}

{% macro hourly_fractions() %}{{ return(baton.hourly_amounts().keys() | list) }}{% endmacro %}

{% macro surprise(chance) %}
    {% set tiny = '2.220446049250313e-16' %}
    {{ return('case when ' ~ chance ~ ' < ' ~ tiny ~ ' then -ln(' ~ tiny ~ ') else -ln(' ~ chance ~ ') end') }}
{% endmacro %}

{# A missing amount counts as 0. #}
{% macro expected_worth(if_1, if_0) %}
    {{ return('score * coalesce(' ~ if_1 ~ ', 0) + (1 - score) * coalesce(' ~ if_0 ~ ', 0)') }}
{% endmacro %}

{% macro spread_of_lift(p, treated, other) %}{{ return(p ~ ' * (' ~ treated ~ ' - ' ~ other ~ ') * (' ~ treated ~ ' - ' ~ other ~ ')') }}{% endmacro %}

{# Null, which counts as 0, where nothing was decided. #}
{% macro of_decided(amount) %}{{ return('case when predicted_label is not null then ' ~ amount ~ ' end') }}{% endmacro %}

{# The columns of performance_hourly, in order. #}
{% macro hourly_columns() %}
    {{ return(['hour', 'slice_name', 'slice_value', 'model_version', 'kind', 'part', 'calibration_bin', 'score_bin'] + baton.hourly_counts() + baton.hourly_fractions()
        + ['expected', 'content', 'spec_hash', 'built_at', 'batch', 'outcomes_batch', 'counted_until']) }}
{% endmacro %}

{# Digits after the point that sums keep: fractions of one row, and money. #}
{% macro performance_fractions() %}
    {% set digits = {} %}
    {% for name in baton.hourly_amounts() %}
        {% do digits.update({name: 4 if name.endswith('_sq') or name in ['spread_value', 'spread_lift_all', 'spread_lift_none'] else 6 if 'value' in name else 12}) %}
    {% endfor %}
    {{ return(digits) }}
{% endmacro %}

{# Digits of `expected` in the score histogram: a bigint holds nine thousand million rows of them. #}
{% macro score_digits() %}{{ return(9) }}{% endmacro %}
