{#
CTEs up to `estimated_rows`: what the scores say about decisions whose outcome is still open (CBPE, NannyML), over all decisions of the window. With score p as probability and
y the predicted label: tp = sum of p where y = 1, fp = sum of 1 - p where y = 1, fn = sum of p where y = 0, tn = sum of 1 - p where y = 0; every rate, AUC and value follows from these.

Valid while the scores mean what they say: it sees a changed population, and is blind to a changed relation of features and outcome. So each row carries its own error,
estimate less matured number, once every decision of the window has matured. Calibration is what is assumed here: ece, reliability and resolution are null.

The interval is of the number that will be realised if labels are drawn by the scores: variance sum p (1 - p) d^2 with d the derivative of the metric by the label, then Wilson's
at the effective size as on the other bases. Outcomes of one entity are taken as one: the variance is multiplied by (sum over entities of rows^2) / rows.
#}
{% macro performance_estimated(parameters, population, spec_hash) %}
{% set float = baton.type_double() %}
estimated_sums as (
    select
        {{ baton.window_columns() | join(', ') }}, method,
        n_pos, tp as matured_tp, tn as matured_tn, tp + fp + fn + tn as matured_labelled, value as matured_value, roc_auc as matured_roc_auc,
        is_open, naive_n_value_missing as n_value_missing,
        expected_roc_auc as roc_auc, expected_average_precision as average_precision, expected_ks as ks, expected_variance,
        expected_1 as tp, n_said - expected_1 as fp, expected_0 as fn, n_unsaid - expected_0 as tn, n_said, n_unsaid, n_said + n_unsaid as n_labelled,
        spread_1, spread_0, expected_loss, expected_brier,
        expected_value as value, expected_value_all as value_all, expected_value_none as value_none, spread_value, spread_lift_all, spread_lift_none,
        1 + {{ baton.per_row('case when is_open then naive_x_n_n else x_n_n end', 'n_said + n_unsaid') }} as clustering
    from gathered
),

estimated_estimates as (
    select
        estimated_sums.*,
        (tp + tn) / nullif(n_labelled, 0) as accuracy,
        tp / nullif(n_said, 0) as precision,
        tp / nullif(tp + fn, 0) as recall,
        tn / nullif(fp + tn, 0) as specificity,
        2 * tp / nullif(n_said + tp + fn, 0) as f1,
        value / nullif(n_labelled, 0) as value_per_decision,
        case when value_all >= value_none then value - value_all else value - value_none end as lift,
        case when value_all >= value_none then spread_lift_all else spread_lift_none end as spread_lift
    from estimated_sums
),

estimated_spreads as (
    select
        estimated_estimates.*,
        (recall + specificity) / 2 as balanced_accuracy,
        {{ baton.drawn_variance('1', '(-1)', 'n_labelled') }} as accuracy_variance,
        {{ baton.drawn_variance('1', '0', 'n_said') }} as precision_variance,
        {{ baton.drawn_variance('(1 - recall)', '(-recall)', '(tp + fn)') }} as recall_variance,
        {{ baton.drawn_variance('(2 - f1)', '(-f1)', '(n_said + tp + fn)') }} as f1_variance,
        {{ baton.drawn_variance('((1 - recall) / nullif(2 * (tp + fn), 0) + specificity / nullif(2 * (fp + tn), 0))',
            '(-recall / nullif(2 * (tp + fn), 0) - (1 - specificity) / nullif(2 * (fp + tn), 0))', '1') }} as balanced_accuracy_variance,
        clustering * expected_variance as roc_auc_variance,
        sqrt(clustering * spread_value) / nullif(n_labelled, 0) as value_deviation,
        sqrt(clustering * spread_lift) / nullif(n_labelled, 0) as lift_deviation
    from estimated_estimates
),

estimated_bounded as (
    select
        estimated_spreads.*,
        {%- for rate, size in {'accuracy': 'n_labelled', 'precision': 'n_said', 'recall': '(tp + fn)', 'f1': '(n_said + tp + fn)', 'balanced_accuracy': 'n_labelled', 'roc_auc': 'n'}.items() %}
        {{ baton.effective_n(rate, size ~ ' / clustering') }} as {{ rate }}_n{{ ',' if not loop.last }}
        {%- endfor %}
    from estimated_spreads
),

estimated_rows as (
    {{ baton.performance_row(parameters, 'estimated', population, spec_hash, {
        'average_precision': 'average_precision', 'ks': 'ks', 'log_loss': 'expected_loss / nullif(n, 0)', 'brier': 'expected_brier / nullif(n, 0)',
        'share_restated': 'n_restated / cast(nullif(n_matured, 0) as ' ~ float ~ ')', 'n_value_missing': 'n_value_missing'
    }, {
        'accuracy': 'case when not is_open then accuracy - (matured_tp + matured_tn) / cast(nullif(matured_labelled, 0) as ' ~ float ~ ') end',
        'roc_auc': 'case when not is_open then roc_auc - matured_roc_auc end',
        'value_per_decision': baton.money('case when not is_open then value_per_decision - matured_value / nullif(matured_labelled, 0) end', parameters.get('value'))
    }) }}
    from estimated_bounded
)
{%- endmacro %}

{# Variance of a ratio whose labels are drawn by the scores: derivative of the numerator by the label of a row predicted 1 and 0, over a denominator. #}
{% macro drawn_variance(if_1, if_0, denominator) %}
    {{ return("clustering * (" ~ if_1 ~ " * " ~ if_1 ~ " * spread_1 + " ~ if_0 ~ " * " ~ if_0 ~ " * spread_0) / nullif(1e0 * " ~ denominator ~ " * " ~ denominator ~ ", 0)") }}
{% endmacro %}

{% macro per_row(expression, n) %}{{ return("cast(" ~ expression ~ " as " ~ baton.type_double() ~ ") / nullif(" ~ n ~ ", 0)") }}{% endmacro %}
