{#
The rows of `performance` with basis `delay_corrected`: how good the decisions of a window were, its open decisions included, before their outcomes are all known.

product:   name of the exposure
decisions: output of `baton.decisions`
outcomes:  output of `baton.outcomes`
delay:     output of `baton.delay`

A complete select with the columns and the grain of `baton.performance_columns`. Windows as in performance, those with window_end > now - horizon - grace - window: older ones hold closed
cohorts only and stand there as `matured`. `whole` is one window over all decisions.

Estimator (Horvitz-Thompson). F(a) is the share of the positives seen at age a = now - as_of, from `delay`, per stratum of outcome.delay_by; F = 1 for closed cohorts. A seen positive
weighs w = 1 / F(a), everything else 0. TP = sum of w over label 1, FN = over label 0, FP = n(label 1) - TP, TN = n(label 0) - FN; money, log loss and Brier are sums over
both answers with weights w and 1 - w. Decisions with F(a) < monitor.delay.min_share (0.05) leave the estimate and are counted in n_too_fresh, as are those of a stratum without a
curve; nobody stands in for them, so where strata differ both in what is too fresh and in how good they are, the estimate is that of the decisions in it. A decision counts at the last grid age it has reached, its outcome as seen only if it was by then: then F is exact. Counts are unbiased where delay does not depend on the
score within a stratum (`delay.status` says where it does); they are not whole, and fp or tn may fall below 0 in a small window. Rates are kept within [0, 1].

Interval, 95 %, from the weights: residual e = a + b w of each decision, variance = sum over entities of (sum of e)^2 / D^2. It holds the chance of being seen and of the
outcome, and repeated entities. The uncertainty of F itself is added: with d(a) = sum of b / F(a)^2 over the positives seen at age a,
sum of d(a) d(a') cov(F(a), F(a')), cov = F(min)(1 - F(max)) / n_positives. Rates: Wilson's at effective size r (1 - r) / variance; at r = 0 or 1 the size is the number of entities
times the mean share seen. Money: normal. A window of closed cohorts has the numbers and intervals of basis `matured`.

Null here: roc_auc, average_precision, ks (no interval of theirs was found sound enough to print), calibration, population. n, n per state, coverage count all decisions of the window;
status is `ok` from monitor.min_n decisions in the estimate. Every row depends on now, so all are computed each time; a table that keeps rows of earlier runs deletes those of this
basis that are not of this now (evaluated_at), else it differs from a rebuild. Work grows with the decisions of the last horizon + grace + two windows, not with history.
#}
{% macro performance_delay_corrected(product, decisions, outcomes, delay) %}
    {{ return(adapter.dispatch('performance_delay_corrected', 'baton')(product, decisions, outcomes, delay)) }}
{% endmacro %}

{% macro default__performance_delay_corrected(product, decisions, outcomes, delay) %}
{% set parameters = baton.product(product) %}
with

{{ baton.corrected_facts(parameters, decisions, outcomes, delay) }},

{{ baton.corrected_cells(parameters.slices) }},

{{ baton.corrected_windows(parameters) }},

{{ baton.corrected_curve_terms() }},

{{ baton.corrected_repeats(parameters) }},

{{ baton.corrected_metrics(parameters) }}

select
    {%- set computed = baton.corrected_columns(product, parameters) %}
    {%- for column in baton.performance_columns() %}
    {{ computed.get(column, column if column in baton.corrected_names() else 'null') }} as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from metrics
{% endmacro %}

{# Columns that CTE `metrics` has under their own name; what is neither here nor in `corrected_columns` is null on this basis. #}
{% macro corrected_names() %}
    {% set names = ['window_kind', 'window_end', 'slice_name', 'slice_value', 'model_version', 'n_matured', 'n_too_fresh', 'n_value_missing', 'content', 'log_loss', 'brier'] %}
    {% for rate in baton.corrected_rates() %}{% do names.extend([rate, rate ~ '_low', rate ~ '_high']) %}{% endfor %}
    {{ return(names + baton.performance_counts()) }}
{% endmacro %}

{# The other columns as expressions over `metrics`. #}
{% macro corrected_columns(product, parameters) %}
    {% set float, z = baton.type_double(), '1.959963984540054' %}
    {% set columns = {
        'basis': "'delay_corrected'",
        'status': "case when n - n_too_fresh >= " ~ parameters.monitor.min_n ~ " then 'ok' else 'insufficient_data' end",
        'coverage': 'n_matured / cast(n as ' ~ float ~ ')',
        'share_restated': 'n_restated / cast(nullif(n_matured, 0) as ' ~ float ~ ')',
        'spec_hash': baton.quoted(baton.spec_hash(product, 'performance')),
        'evaluated_at': baton.now() | trim,
        'built_at': baton.built_at()
    } %}
    {% for cell, count in {'tp': 't1', 'fp': 'n1 - t1', 'fn': 't0', 'tn': 'n0 - t0'}.items() %}
        {% do columns.update({cell: 'case when n_labelled > 0 or n = n_too_fresh then ' ~ count ~ ' end'}) %}
    {% endfor %}
    {% set money = {'value': ['value', 'value', 'n_labelled'], 'value_per_decision': ['value / n_labelled', 'value', '1'], 'value_lift': ['lift', 'lift', 'n_labelled']} %}
    {% for name, parts in money.items() %}
        {% set half = z ~ ' * ' ~ parts[1] ~ '_deviation * ' ~ parts[2] %}
        {% do columns.update({name: parts[0], name ~ '_low': parts[0] ~ ' - ' ~ half, name ~ '_high': parts[0] ~ ' + ' ~ half}) %}
    {% endfor %}
    {% do columns.update(value_treat_all='value_all', value_treat_none='value_none') %}
    {% for name in columns if name.startswith('value') %}
        {% do columns.update({name: 'case when n_labelled > 0 then ' ~ columns[name] ~ ' end' if parameters.get('value') else 'cast(null as ' ~ float ~ ')'}) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}
