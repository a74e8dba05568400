{#
One row per (window_kind, window_end): does acting help? Acted decisions against held-out ones.

product:   name of the exposure
decisions: output of `baton.decisions`
outcomes:  output of `baton.outcomes`

The comparable groups are the decisions the model would act on, predicted_label 1: `acted` where the entity is not held out, `held_out` where `product.holdout`
drew it and it was left alone. Only closed cohorts enter. Windows hold decisions by as_of: (window_end - window, window_end], ending at every midnight from the first
flagged decision to as_of(now); `whole` ends once, at as_of(now). Windows of hours are left out: a holdout of a few percent says nothing within an hour.

n_acted, n_held_out:                      flagged decisions, open ones too; n_*_matured of them closed; n_*_entities entities behind the closed ones
outcome_rate_acted, outcome_rate_held_out share of closed decisions with the outcome, `_low`/`_high` Wilson at the effective size as in performance
outcome_rate_difference                   acted less held out; where the outcome is a loss (churn), a negative number is what acting prevents
value_per_decision_acted                  money by the product's cells for what was done: tp, fp for acted
value_per_decision_held_out               the same for leaving alone, which is what was done there: fn, tn
value_per_decision_difference             what acting earned per flagged decision, by what happened
value_promised                            mean over held-out decisions of cell(acted) - cell(left alone): what the cells promise acting is worth, on outcomes that no
                                          action has touched
status                                    `ok`, or `insufficient_data` below monitor.min_n closed decisions in either arm

Which money to read. Cells that price what happened (tp = cost of the call and of the loss after all) are right in value_per_decision_difference. Cells that price
what would have happened (tp = saved, because it would have left) undercount success there, since a saved customer counts as fp: read value_promised and the
difference of the outcome rate. What else acting touches: docs/decisions/0010-no-second-metric-engine.md.

Intervals, 95 %. Rates: Newcombe 1998, method 10, from the two Wilson intervals, with the correlation term of his paired form where an entity stands in both arms. Money:
normal; variances are sums over entities of (sum of residuals)^2 / n^2, times entities / (entities - 1), less twice the covariance of the arms. No number is ever NaN or infinite.
#}
{% macro holdout(product, decisions, outcomes) %}
    {% do config(materialized='table') %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('holdout', 'baton')(product, decisions, outcomes)) }}
{% endmacro %}

{% macro default__holdout(product, decisions, outcomes) %}
{% set parameters = baton.product(product) %}
{% set has_value = parameters.get('value') %}
{% set lengths = baton.window_lengths(parameters.monitor) %}
with

joined as (
    select
        decisions.{{ parameters.entity }} as entity,
        {{ baton.day_of('decisions.as_of') }} as day,
        case when decisions.is_holdout then 'h' else 'a' end as arm,
        outcomes.outcome_label as label,
        {{ baton.cell_value(parameters, 'tp') }} as worth_tp,
        {{ baton.cell_value(parameters, 'fp') }} as worth_fp,
        {{ baton.cell_value(parameters, 'fn') }} as worth_fn,
        {{ baton.cell_value(parameters, 'tn') }} as worth_tn
    from {{ decisions }} as decisions
    inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
    where decisions.predicted_label = 1 and decisions.as_of <= {{ baton.as_of() }}
),

flagged as (
    select
        entity, day, arm, label,
        coalesce(case label when 1 then worth_tp when 0 then worth_fp end, 0) as worth_acting,
        coalesce(case label when 1 then worth_fn when 0 then worth_tn end, 0) as worth_leaving
    from joined
),

{{ baton.holdout_entities(lengths) }},

{{ baton.holdout_moments() }},

{{ baton.holdout_spreads() }},

compared as (
    select
        spreads.*,
        {%- for arm in ['a', 'h'] %}
        {{ baton.wilson('rate_' ~ arm, 'size_' ~ arm, '-') }} as rate_{{ arm }}_low,
        {{ baton.wilson('rate_' ~ arm, 'size_' ~ arm, '+') }} as rate_{{ arm }}_high,
        {%- endfor %}
        case when rate_variance_a > 0 and rate_variance_h > 0 then rate_covariance / sqrt(rate_variance_a * rate_variance_h) else 0 end as correlation,
        sqrt(case when money_variance_a + money_variance_h - 2 * money_covariance > 0 then money_variance_a + money_variance_h - 2 * money_covariance else 0 end)
            + 0 * money_variance_a + 0 * money_variance_h as money_deviation
    from spreads
)

select
    window_kind,
    window_end,
    case when n_matured_a >= {{ parameters.monitor.min_n }} and n_matured_h >= {{ parameters.monitor.min_n }} then 'ok' else 'insufficient_data' end as status,
    {%- for arm, name in {'a': 'acted', 'h': 'held_out'}.items() %}
    n_{{ arm }} as n_{{ name }},
    n_matured_{{ arm }} as n_{{ name }}_matured,
    n_entities_{{ arm }} as n_{{ name }}_entities,
    {%- endfor %}
    {%- for arm, name in {'a': 'acted', 'h': 'held_out'}.items() %}
    rate_{{ arm }} as outcome_rate_{{ name }},
    rate_{{ arm }}_low as outcome_rate_{{ name }}_low,
    rate_{{ arm }}_high as outcome_rate_{{ name }}_high,
    {%- endfor %}
    rate_a - rate_h as outcome_rate_difference,
    rate_a - rate_h - {{ baton.newcombe('rate_a - rate_a_low', 'rate_h_high - rate_h') }} as outcome_rate_difference_low,
    rate_a - rate_h + {{ baton.newcombe('rate_a_high - rate_a', 'rate_h - rate_h_low') }} as outcome_rate_difference_high,
    {%- set z = '1.959963984540054' %}
    {{ baton.if_declared('money_a', has_value) }} as value_per_decision_acted,
    {{ baton.if_declared('money_h', has_value) }} as value_per_decision_held_out,
    {{ baton.if_declared('money_a - money_h', has_value) }} as value_per_decision_difference,
    {{ baton.if_declared('money_a - money_h - ' ~ z ~ ' * money_deviation', has_value) }} as value_per_decision_difference_low,
    {{ baton.if_declared('money_a - money_h + ' ~ z ~ ' * money_deviation', has_value) }} as value_per_decision_difference_high,
    {{ baton.if_declared('promised', has_value) }} as value_promised,
    {{ baton.if_declared('promised - ' ~ z ~ ' * sqrt(promised_variance)', has_value) }} as value_promised_low,
    {{ baton.if_declared('promised + ' ~ z ~ ' * sqrt(promised_variance)', has_value) }} as value_promised_high,
    {{ baton.quoted(baton.table_hash(product, [lengths, parameters.monitor.min_n])) }} as spec_hash,
    {{ baton.now() | trim }} as evaluated_at,
    {{ baton.built_at() }} as built_at
from compared
order by window_kind, window_end
{% endmacro %}

{# An amount of money, null where the product declares no value. #}
{% macro if_declared(expression, has_value) %}
    {{ return(expression if has_value else "cast(null as " ~ baton.type_double() ~ ")") }}
{% endmacro %}

{# Half of Newcombe's interval from the distances of the two rates to their Wilson bounds; `correlation` is a column in [-1, 1]. #}
{% macro newcombe(first, second) %}
    {% set square = "(" ~ first ~ ") * (" ~ first ~ ") - 2 * correlation * (" ~ first ~ ") * (" ~ second ~ ") + (" ~ second ~ ") * (" ~ second ~ ")" %}
    {{ return("sqrt(case when " ~ square ~ " < 0 then 0 else " ~ square ~ " end)") }}
{% endmacro %}
