{#
CTEs `gathered` (sums, ranks, repeats and calibration of a needed window side by side) and, through `performance_labelled`, the finished rows of a basis that rests on labels.

Every rate is a ratio of sums r = sum e / D. Its variance is that of statistics of clusters: sum over entities of (sum of residuals e - r d)^2 / D^2, here as
a quadratic form in the confusion counts (each entity once) plus the repeats' terms. The interval is Wilson's with the effective size r (1 - r) / variance: exactly Wilson where
every entity appears once, cluster-robust where not, and inside [0, 1] always. At r = 0 or 1 the effective size is the number of entities.
#}
{% macro performance_gathered() %}
gathered as (
    select
        needed.*,
        targets.method,
        needed.n_matured < needed.n as is_open,
        ranks.roc_auc, ranks.average_precision, ranks.ks, ranks.variance as rank_variance,
        ranks.naive_roc_auc, ranks.naive_average_precision, ranks.naive_ks, ranks.naive_variance as naive_rank_variance,
        ranks.expected_roc_auc, ranks.expected_average_precision, ranks.expected_ks, ranks.expected_variance,
        {%- for name in baton.repeat_terms() %}
        coalesce(repeats_matured.{{ name }}, 0) as {{ name }},
        coalesce(repeats_naive.{{ name }}, 0) as naive_{{ name }},
        {%- endfor %}
        {%- for name in ['ece', 'reliability', 'resolution'] %}
        calibrated.{{ name }}, calibrated.naive_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from needed
    left join targets
        on needed.window_kind = targets.window_kind and needed.tick = targets.tick and needed.slice_name = targets.slice_name
        and needed.slice_value = targets.slice_value and targets.rank_version = case when needed.n = needed.n_all then 'all' else needed.version end
    left join ranks on targets.target = ranks.target
    left join repeats as repeats_matured on targets.target = repeats_matured.target and repeats_matured.reading = 0
    left join repeats as repeats_naive on targets.target = repeats_naive.target and repeats_naive.reading = 1
    left join calibrated
        on needed.window_kind = calibrated.window_kind and needed.tick = calibrated.tick and needed.slice_name = calibrated.slice_name
        and needed.slice_value = calibrated.slice_value and needed.version = calibrated.version
)
{%- endmacro %}

{# One sum, rank or repeats' term of `gathered` on a basis: naive is the matured number where nothing is open. #}
{% macro read_on(basis, name, is_sum=false) %}
    {% if basis == 'matured' %}{{ return(name) }}{% endif %}
    {{ return(('naive_' ~ name if is_sum else 'case when is_open then naive_' ~ name ~ ' else ' ~ name ~ ' end') ~ ' as ' ~ name) }}
{% endmacro %}

{# CTEs up to `BASIS_rows`: basis `matured` (closed cohorts) or `naive` (all decisions, what has not been seen counts as negative). #}
{% macro performance_labelled(parameters, basis, population, spec_hash) %}
{% set float = baton.type_double() %}
{{ basis }}_sums as (
    select
        {{ baton.window_columns() | join(', ') }}, method,
        {%- for name in baton.label_sums() %}
        {{ baton.read_on(basis, name, true) }},
        {%- endfor %}
        {%- for name in ['roc_auc', 'average_precision', 'ks', 'rank_variance', 'ece', 'reliability', 'resolution'] + baton.repeat_terms() %}
        {{ baton.read_on(basis, name) }},
        {%- endfor %}
        cast({{ 'n_matured' if basis == 'matured' else 'n' }} as {{ float }}) as n_m,
        {{ 'tp + fp + fn + tn' if basis == 'matured' else 'naive_tp + naive_fp + naive_fn + naive_tn' }} as n_labelled
    from gathered
),

{{ basis }}_estimates as (
    select
        {{ basis }}_sums.*,
        (tp + tn) / cast(nullif(n_labelled, 0) as {{ float }}) as accuracy,
        tp / cast(nullif(tp + fp, 0) as {{ float }}) as precision,
        tp / cast(nullif(tp + fn, 0) as {{ float }}) as recall,
        tn / cast(nullif(fp + tn, 0) as {{ float }}) as specificity,
        2 * tp / cast(nullif(2 * tp + fp + fn, 0) as {{ float }}) as f1,
        case when value_all >= value_none then value - value_all else value - value_none end as lift,
        case when value_all >= value_none then lift_all_sq else lift_none_sq end as lift_sq,
        case when value_all >= value_none then x_lift_all else x_lift_none end as x_lift,
        case when value_all >= value_none then x_lift_all_n else x_lift_none_n end as x_lift_n
    from {{ basis }}_sums
),

{{ basis }}_spreads as (
    select
        {{ basis }}_estimates.*,
        (recall + specificity) / 2 as balanced_accuracy,
        {{ baton.rate_variance({'tp': '(1 - accuracy)', 'fp': '(-accuracy)', 'fn': '(-accuracy)', 'tn': '(1 - accuracy)'}, 'n_labelled') }} as accuracy_variance,
        {{ baton.rate_variance({'tp': '(1 - precision)', 'fp': '(-precision)'}, '(tp + fp)') }} as precision_variance,
        {{ baton.rate_variance({'tp': '(1 - recall)', 'fn': '(-recall)'}, '(tp + fn)') }} as recall_variance,
        {{ baton.rate_variance({'tp': '(2 - 2 * f1)', 'fp': '(-f1)', 'fn': '(-f1)'}, '(2 * tp + fp + fn)') }} as f1_variance,
        {{ baton.rate_variance({'tp': '((1 - recall) / (2e0 * (tp + fn)))', 'fn': '(-recall / (2e0 * (tp + fn)))', 'tn': '((1 - specificity) / (2e0 * (fp + tn)))',
            'fp': '(-specificity / (2e0 * (fp + tn)))'}, '1') }} as balanced_accuracy_variance,
        case when rank_variance + x_influence > 0 then rank_variance + x_influence else 0 * rank_variance end as roc_auc_variance,
        {%- for name, set in baton.denominators().items() %}
        {{ set | join(' + ') }} - again_{{ name }} as entities_{{ name }},
        {%- endfor %}
        {{ baton.mean_deviation('value', 'value_sq', 'x_worth', 'x_worth_n') }} as value_deviation,
        {{ baton.mean_deviation('lift', 'lift_sq', 'x_lift', 'x_lift_n') }} as lift_deviation
    from {{ basis }}_estimates
),

{{ basis }}_bounded as (
    select
        {{ basis }}_spreads.*,
        value / nullif(n_labelled, 0) as value_per_decision,
        {{ baton.effective_n('accuracy', 'entities_accuracy') }} as accuracy_n,
        {{ baton.effective_n('precision', 'entities_precision') }} as precision_n,
        {{ baton.effective_n('recall', 'entities_recall') }} as recall_n,
        {{ baton.effective_n('f1', 'entities_f1') }} as f1_n,
        {{ baton.effective_n('balanced_accuracy', baton.lesser('entities_recall', 'entities_specificity')) }} as balanced_accuracy_n,
        {{ baton.effective_n('roc_auc', baton.lesser('entities_recall', 'entities_specificity')) }} as roc_auc_n
    from {{ basis }}_spreads
),

{{ basis }}_rows as (
    {{ baton.performance_row(parameters, basis, population, spec_hash, {
        'average_precision': 'average_precision', 'ks': 'ks', 'log_loss': 'loss / nullif(n_m, 0)', 'brier': 'brier_sum / nullif(n_m, 0)',
        'brier_reliability': 'reliability', 'brier_resolution': 'resolution', 'ece': 'ece', 'share_restated': 'n_restated / cast(nullif(n_matured, 0) as ' ~ float ~ ')',
        'n_value_missing': 'n_value_missing'
    }) }}
    from {{ basis }}_bounded
)
{%- endmacro %}

{# What every basis takes over from `gathered` as it is. #}
{% macro window_columns() %}
    {{ return(['window_kind', 'window_end', 'tick', 'slice_name', 'slice_value', 'version'] + baton.performance_counts() + ['n_matured', 'n_population', 'n_never_scored', 'content']) }}
{% endmacro %}

{% macro lesser(a, b) %}{{ return("case when " ~ a ~ " < " ~ b ~ " then " ~ a ~ " else " ~ b ~ " end") }}{% endmacro %}
