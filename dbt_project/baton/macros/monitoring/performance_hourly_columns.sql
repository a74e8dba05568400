{# What `performance_hourly` adds up, over rows of `facts`, and how it is read. Names without a prefix are under the label (of an open decision: what has been seen); `expected_` under the score. #}

{# Counts of kind `sums`: the condition a row must meet, none for every row. #}
{% macro hourly_conditions() %}
    {{ return({
        'n': none, 'n_late_positive': "state = 'late_positive'", 'n_restated': 'is_restated',
        'n_value_missing': 'predicted_label is not null and (worth is null or ' ~ baton.worth_other() ~ ' is null)'
    }) }}
{% endmacro %}

{#
Amounts of one row of kind `sums`, which its label decides; null counts as 0. Log loss clips as scikit-learn does, at the spacing of floating point numbers at 1. _other is money
had the decision been the other one; lift_sq the squared difference of the two.
#}
{% macro hourly_amounts() %}
    {{ return({
        'score_sum': 'score', 'loss': baton.surprise('chance_of_label'), 'brier_sum': '(score - seen_label) * (score - seen_label)',
        'value': 'worth', 'value_other': baton.worth_other(), 'value_sq': 'worth * worth',
        'lift_sq': '(worth - ' ~ baton.worth_other() ~ ') * (worth - ' ~ baton.worth_other() ~ ')'
    }) }}
{% endmacro %}

{#
Amounts of one row of kind `expected`, which its score alone decides: under the score p a row is positive with probability p. spread_ are variances p (1 - p) times what hangs on
the label, squared.
#}
{% macro hourly_expected_amounts() %}
    {% set p = 'score * (1 - score)' %}
    {% set treated = '(coalesce(worth_if_1, 0) - coalesce(worth_if_0, 0))' %}
    {% set other_if_1 = 'case predicted_label when 1 then worth_fn when 0 then worth_tp end' %}
    {% set other_if_0 = 'case predicted_label when 1 then worth_tn when 0 then worth_fp end' %}
    {{ return({
        'spread': p, 'expected_loss': 'score * (' ~ baton.surprise('score') ~ ') + (1 - score) * (' ~ baton.surprise('(1 - score)') ~ ')',
        'expected_value': baton.expected_worth('worth_if_1', 'worth_if_0'), 'expected_value_other': baton.expected_worth(other_if_1, other_if_0),
        'spread_value': p ~ ' * ' ~ treated ~ ' * ' ~ treated,
        'spread_lift': baton.spread_of_lift(p, treated, '(coalesce(' ~ other_if_1 ~ ', 0) - coalesce(' ~ other_if_0 ~ ', 0))')
    }) }}
{% endmacro %}

{# Money under what has been seen, had the decision been the other one. #}
{% macro worth_other() %}{{ return('case predicted_label when 1 then worth_none when 0 then worth_all end') }}{% endmacro %}

{% macro hourly_stored_fractions() %}{{ return((baton.hourly_amounts().keys() | list) + (baton.hourly_expected_amounts().keys() | list)) }}{% endmacro %}

{#
How rows of kinds `sums` and `expected` are read: name to the expression of one row. A row of `sums` is of one cell of the confusion matrix, so its counts and money are read off
its labels; states follow from part and label.
#}
{% macro hourly_reading() %}
    {% set found = {'n': "case kind when 'sums' then n else 0 end"} %}
    {% do found.update({
        'n_pending': baton.counted_where("part = 'open' and seen_label = 0"), 'n_early_positive': baton.counted_where("part = 'open' and seen_label = 1"),
        'n_positive': baton.counted_where("part = 'matured' and seen_label = 1"), 'n_negative': "case when part = 'matured' and seen_label = 0 then n - n_late_positive else 0 end",
        'n_late_positive': 'n_late_positive', 'n_restated': 'n_restated', 'n_pos': baton.counted_where('seen_label = 1'), 'n_neg': baton.counted_where('seen_label = 0'),
        'tp': baton.counted_where('predicted_label = 1 and seen_label = 1'), 'fp': baton.counted_where('predicted_label = 1 and seen_label = 0'),
        'fn': baton.counted_where('predicted_label = 0 and seen_label = 1'), 'tn': baton.counted_where('predicted_label = 0 and seen_label = 0'),
        'n_value_missing': 'n_value_missing', 'score_sum': 'score_sum', 'loss': 'loss', 'brier_sum': 'brier_sum',
        'value': 'value', 'value_all': baton.by_action('value', 'value_other'), 'value_none': baton.by_action('value_other', 'value'),
        'value_sq': 'value_sq', 'lift_all_sq': baton.by_action('0', 'lift_sq'), 'lift_none_sq': baton.by_action('lift_sq', '0'),
        'expected_1': baton.by_action('score_sum', '0'), 'expected_0': baton.by_action('0', 'score_sum'),
        'spread_1': baton.by_action('spread', '0'), 'spread_0': baton.by_action('0', 'spread'), 'expected_loss': 'expected_loss', 'expected_brier': 'spread',
        'expected_value': 'expected_value', 'expected_value_all': baton.by_action('expected_value', 'expected_value_other'),
        'expected_value_none': baton.by_action('expected_value_other', 'expected_value'),
        'spread_value': 'spread_value', 'spread_lift_all': baton.by_action('0', 'spread_lift'), 'spread_lift_none': baton.by_action('spread_lift', '0')
    }) %}
    {{ return(found) }}
{% endmacro %}

{% macro counted_where(condition) %}{{ return('case when ' ~ condition ~ ' then n else 0 end') }}{% endmacro %}

{% macro by_action(if_1, if_0) %}{{ return('case predicted_label when 1 then ' ~ if_1 ~ ' when 0 then ' ~ if_0 ~ ' else 0 end') }}{% endmacro %}

{# Of what is read, what is no count. #}
{% macro hourly_fractions() %}
    {% set found = [] %}
    {% for name in baton.hourly_reading() if name != 'n' and name[:2] != 'n_' and name not in ('tp', 'fp', 'fn', 'tn') %}{% do found.append(name) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}

{% macro surprise(chance) %}
    {% set tiny = '2.220446049250313e-16' %}
    {{ return('case when ' ~ chance ~ ' < ' ~ tiny ~ ' then -ln(' ~ tiny ~ ') else -ln(' ~ chance ~ ') end') }}
{% endmacro %}

{# A missing amount counts as 0. #}
{% macro expected_worth(if_1, if_0) %}
    {{ return('score * coalesce(' ~ if_1 ~ ', 0) + (1 - score) * coalesce(' ~ if_0 ~ ', 0)') }}
{% endmacro %}

{% macro spread_of_lift(p, treated, other) %}{{ return(p ~ ' * (' ~ treated ~ ' - ' ~ other ~ ') * (' ~ treated ~ ' - ' ~ other ~ ')') }}{% endmacro %}

{# The columns of performance_hourly, in order. #}
{% macro hourly_columns() %}
    {{ return(baton.hourly_keys() + baton.hourly_stored_counts() + baton.hourly_stored_fractions()
        + ['expected', 'content', 'spec_hash', 'built_at', 'batch', 'outcomes_batch', 'counted_until']) }}
{% endmacro %}

{% macro hourly_keys() %}
    {{ return(['hour', 'slice_name', 'slice_value', 'model_version', 'kind', 'part', 'calibration_bin', 'predicted_label', 'seen_label', 'score_bin']) }}
{% endmacro %}

{% macro hourly_stored_counts() %}{{ return(['n', 'n_pos', 'n_late_positive', 'n_restated', 'n_value_missing']) }}{% endmacro %}

{# Digits after the point that sums keep, stored or read: fractions of one row, and money. #}
{% macro performance_fractions() %}
    {% set digits = {} %}
    {% for name in baton.hourly_stored_fractions() + baton.hourly_fractions() %}
        {% do digits.update({name: 4 if name.endswith('_sq') or name.startswith('spread_value') or name.startswith('spread_lift') else 6 if 'value' in name else 12}) %}
    {% endfor %}
    {{ return(digits) }}
{% endmacro %}

{# Digits of `expected` in the score histogram: a bigint holds nine thousand million rows of them. #}
{% macro score_digits() %}{{ return(9) }}{% endmacro %}
