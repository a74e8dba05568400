{#
The select list of `performance_columns()` on one basis. The from clause must give the columns of `window_columns`, tp, fp, fn, tn, every rate with its `_n`, value,
value_all, value_none, lift, value_deviation, lift_deviation, n_labelled and method. own: expressions of what bases compute differently; errors: of the `_error` columns.
#}
{% macro performance_row(parameters, basis, population, spec_hash, own, errors={}) -%}
    {% set float = baton.type_double() -%}
    {% set has_value = parameters.get('value') -%}
    {% set judged_n = 'n_matured' if basis == 'matured' else 'n' -%}
    select
        window_kind,
        window_end,
        slice_name,
        slice_value,
        version as model_version,
        {{ baton.quoted(basis) }} as basis,
        case when {{ judged_n }} >= {{ parameters.monitor.min_n }} then 'ok' else 'insufficient_data' end as status,
        {{ baton.performance_counts() | join(', ') }},
        n_matured,
        n_matured / cast(nullif(n, 0) as {{ float }}) as coverage,
        {{ own.share_restated }} as share_restated,
        {%- if population is none %}
        cast(null as bigint) as n_population, cast(null as bigint) as n_never_scored, cast(null as {{ float }}) as share_never_scored,
        {%- else %}
        case when version = 'all' then n_population end as n_population,
        case when version = 'all' then n_never_scored end as n_never_scored,
        case when version = 'all' then n_never_scored / cast(nullif(n_population, 0) as {{ float }}) end as share_never_scored,
        {%- endif %}
        cast(null as bigint) as n_too_fresh,
        {%- for cell in ['tp', 'fp', 'fn', 'tn'] %}
        case when n_labelled > 0 or {{ judged_n }} = 0 then cast({{ cell }} as {{ float }}) end as {{ cell }},
        {%- endfor %}
        {%- for rate in ['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy', 'roc_auc'] %}
        {{ rate }}, {{ baton.wilson(rate, rate ~ '_n', '-') }} as {{ rate }}_low, {{ baton.wilson(rate, rate ~ '_n', '+') }} as {{ rate }}_high,
        {%- endfor %}
        {{ own.average_precision }} as average_precision,
        {{ own.ks }} as ks,
        {{ own.log_loss }} as log_loss,
        {{ own.brier }} as brier,
        {{ baton.money('value', has_value) }} as value,
        {{ baton.money('value - 1.959963984540054 * value_deviation * n_labelled', has_value) }} as value_low,
        {{ baton.money('value + 1.959963984540054 * value_deviation * n_labelled', has_value) }} as value_high,
        {{ baton.money('value_per_decision', has_value) }} as value_per_decision,
        {{ baton.money('value_per_decision - 1.959963984540054 * value_deviation', has_value) }} as value_per_decision_low,
        {{ baton.money('value_per_decision + 1.959963984540054 * value_deviation', has_value) }} as value_per_decision_high,
        {{ baton.money('value_all', has_value) }} as value_treat_all,
        {{ baton.money('value_none', has_value) }} as value_treat_none,
        {{ baton.money('lift', has_value) }} as value_lift,
        {{ baton.money('lift - 1.959963984540054 * lift_deviation * n_labelled', has_value) }} as value_lift_low,
        {{ baton.money('lift + 1.959963984540054 * lift_deviation * n_labelled', has_value) }} as value_lift_high,
        {%- for name in ['brier_reliability', 'brier_resolution', 'ece'] %}
        {{ own.get(name, 'cast(null as ' ~ float ~ ')') }} as {{ name }},
        {%- endfor %}
        {%- for name in baton.error_names() %}
        {{ errors.get(name, 'cast(null as ' ~ float ~ ')') }} as {{ name }}_error,
        {%- endfor %}
        case when roc_auc is not null then method end as roc_auc_method,
        {{ own.n_value_missing }} as n_value_missing,
        content,
        {{ baton.quoted(spec_hash) }} as spec_hash,
        {{ baton.now() | trim }} as evaluated_at,
        {{ baton.built_at() }} as built_at
{%- endmacro %}

{# Money of decisions with a label on both sides; null where there are none or the product declares no value. #}
{% macro money(expression, has_value) %}
    {{ return("case when n_labelled > 0 then " ~ expression ~ " end" if has_value else "cast(null as " ~ baton.type_double() ~ ")") }}
{% endmacro %}
