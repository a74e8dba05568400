{#
CTE `metrics`: the finished rows. Stages: `gathered` (sums, ranks, repeats side by side), `estimates` (points), `spreads` (variances, entities behind each rate), `metrics`.

Every rate is a ratio of sums r = sum e / D. Its variance is that of statistics of clusters: sum over entities of (sum of residuals e - r d)^2 / D^2, here as
a quadratic form in the confusion counts (each entity once) plus the `repeats` terms. The interval is Wilson's with the effective size r (1 - r) / variance: exactly Wilson where
every entity appears once, cluster-robust where not, and inside [0, 1] always. At r = 0 or 1 the effective size is the number of entities.
#}
{% macro performance_metrics(parameters, population, spec_hash) %}
{% set float = baton.type_double() %}
{% set has_value = parameters.get('value') %}
gathered as (
    select
        needed.*,
        targets.method,
        ranks.roc_auc, ranks.average_precision, ranks.variance as rank_variance,
        cast(needed.n_matured as {{ float }}) as n_m,
        {%- for name in baton.repeat_terms() %}
        coalesce(repeats.{{ name }}, 0) as {{ name }},
        {%- endfor %}
        needed.tp + needed.fp + needed.fn + needed.tn as n_labelled
    from needed
    left join targets
        on needed.window_kind = targets.window_kind and needed.window_end = targets.window_end and needed.slice_name = targets.slice_name
        and needed.slice_value = targets.slice_value
        and targets.rank_version = case when needed.n_matured = needed.n_matured_all then 'all' else needed.version end
    left join ranks on targets.target = ranks.target
    left join repeats on targets.target = repeats.target
),

estimates as (
    select
        gathered.*,
        (tp + tn) / cast(nullif(n_labelled, 0) as {{ float }}) as accuracy,
        tp / cast(nullif(tp + fp, 0) as {{ float }}) as precision,
        tp / cast(nullif(tp + fn, 0) as {{ float }}) as recall,
        tn / cast(nullif(fp + tn, 0) as {{ float }}) as specificity,
        2 * tp / cast(nullif(2 * tp + fp + fn, 0) as {{ float }}) as f1,
        case when value_all >= value_none then value - value_all else value - value_none end as lift,
        case when value_all >= value_none then lift_all_sq else lift_none_sq end as lift_sq,
        case when value_all >= value_none then x_lift_all else x_lift_none end as x_lift,
        case when value_all >= value_none then x_lift_all_n else x_lift_none_n end as x_lift_n
    from gathered
),

spreads as (
    select
        estimates.*,
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
    from estimates
),

bounded as (
    select
        spreads.*,
        {{ baton.effective_n('accuracy', 'entities_accuracy') }} as accuracy_n,
        {{ baton.effective_n('precision', 'entities_precision') }} as precision_n,
        {{ baton.effective_n('recall', 'entities_recall') }} as recall_n,
        {{ baton.effective_n('f1', 'entities_f1') }} as f1_n,
        {{ baton.effective_n('balanced_accuracy', baton.lesser('entities_recall', 'entities_specificity')) }} as balanced_accuracy_n,
        {{ baton.effective_n('roc_auc', baton.lesser('entities_recall', 'entities_specificity')) }} as roc_auc_n
    from spreads
),

metrics as (
    select
        window_kind,
        window_end,
        slice_name,
        slice_value,
        version as model_version,
        'matured' as basis,
        case when n_matured >= {{ parameters.monitor.min_n }} then 'ok' else 'insufficient_data' end as status,
        {{ baton.performance_counts() | join(', ') }},
        n_matured,
        n_matured / cast(nullif(n, 0) as {{ float }}) as coverage,
        n_restated / nullif(n_m, 0) as share_restated,
        {%- if population is none %}
        cast(null as bigint) as n_population, cast(null as bigint) as n_never_scored, cast(null as {{ float }}) as share_never_scored,
        {%- else %}
        case when version = 'all' then n_population end as n_population,
        case when version = 'all' then n_never_scored end as n_never_scored,
        case when version = 'all' then n_never_scored / cast(nullif(n_population, 0) as {{ float }}) end as share_never_scored,
        {%- endif %}
        cast(null as bigint) as n_too_fresh,
        {%- for cell in ['tp', 'fp', 'fn', 'tn'] %}
        case when n_labelled > 0 or n_matured = 0 then cast({{ cell }} as {{ float }}) end as {{ cell }},
        {%- endfor %}
        {%- for rate in ['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy', 'roc_auc'] %}
        {{ rate }}, {{ baton.wilson(rate, rate ~ '_n', '-') }} as {{ rate }}_low, {{ baton.wilson(rate, rate ~ '_n', '+') }} as {{ rate }}_high,
        {%- endfor %}
        average_precision,
        loss / nullif(n_m, 0) as log_loss,
        brier_sum / nullif(n_m, 0) as brier,
        {{ baton.money('value', has_value) }} as value,
        {{ baton.money('value - 1.959963984540054 * value_deviation * n_labelled', has_value) }} as value_low,
        {{ baton.money('value + 1.959963984540054 * value_deviation * n_labelled', has_value) }} as value_high,
        {{ baton.money('value / n_labelled', has_value) }} as value_per_decision,
        {{ baton.money('value / n_labelled - 1.959963984540054 * value_deviation', has_value) }} as value_per_decision_low,
        {{ baton.money('value / n_labelled + 1.959963984540054 * value_deviation', has_value) }} as value_per_decision_high,
        {{ baton.money('value_all', has_value) }} as value_treat_all,
        {{ baton.money('value_none', has_value) }} as value_treat_none,
        {{ baton.money('lift', has_value) }} as value_lift,
        {{ baton.money('lift - 1.959963984540054 * lift_deviation * n_labelled', has_value) }} as value_lift_low,
        {{ baton.money('lift + 1.959963984540054 * lift_deviation * n_labelled', has_value) }} as value_lift_high,
        cast(null as {{ float }}) as brier_reliability, cast(null as {{ float }}) as brier_resolution, cast(null as {{ float }}) as ece,
        case when roc_auc is not null then method end as roc_auc_method,
        n_value_missing,
        content,
        {{ baton.quoted(spec_hash) }} as spec_hash,
        {{ baton.now() | trim }} as evaluated_at,
        {{ baton.built_at() }} as built_at
    from bounded
)
{%- endmacro %}

{# Money of matured decisions with a label on both sides; null where there are none or the product declares no value. #}
{% macro money(expression, has_value) %}
    {{ return("case when n_labelled > 0 then " ~ expression ~ " end" if has_value else "cast(null as " ~ baton.type_double() ~ ")") }}
{% endmacro %}

{% macro lesser(a, b) %}{{ return("case when " ~ a ~ " < " ~ b ~ " then " ~ a ~ " else " ~ b ~ " end") }}{% endmacro %}
