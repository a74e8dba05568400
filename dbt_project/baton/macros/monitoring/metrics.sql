{#
One row per (window_kind, window_end, slice_name, slice_value, metric): business numbers that need no model, declared once in the exposure.

product:   name of the exposure; its `metrics` are what is computed
relations: the models the metrics name, as {'churn_training_set': ref('churn_training_set')}: dbt learns dependencies from arguments

    metrics:
      churn_rate: {model: churn_training_set, kind: share, numerator: outcome_label}
    model        a model listed in the exposure's depends_on
    at           column that places a row in a window; default as_of
    kind         share: numerator between 0 and denominator on every row; ratio (default): of two sums; total: a sum, no denominator
    numerator, denominator, where: SQL over the model's columns; denominator is 1 where it is not given
    entity, slices: default the product's

A window holds rows with at in (window_end - window, window_end]. Windows of days end at midnights, windows of hours at full hours, each only where it holds a row in its last day (hour);
`whole` ends at as_of(now). Rows after now, or after as_of(now) for windows of days, wait.

value:       sum(numerator) / sum(denominator), or sum(numerator) of a total; null where the denominator is 0
value_low, value_high: 95 %, cluster-robust: variance = sum over entities of (sum of numerator - value * denominator)^2 / (sum of denominator)^2. share: Wilson's at the effective size, as
             in performance; ratio: normal, with entities / (entities - 1); total: of the mean per row, times the rows
n, n_entities: rows with both numbers, entities behind them; n_missing: rows left out, a number being null, NaN, infinite or beyond 1e12
status:      ok, or insufficient_data below monitor.min_n rows
The same number in any other query: `baton.metric`.
#}
{% macro metrics(product, relations) %}
    {% do config(materialized='table') %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('metrics', 'baton')(product, relations)) }}
{% endmacro %}

{% macro default__metrics(product, relations) %}
{% set parameters = baton.product(product) %}
{% set metrics = baton.declared_metrics(product, relations) %}
{% set windows = baton.metric_windows(parameters.monitor) %}
{% set z = '1.959963984540054' %}
with

{{ baton.metric_cells(metrics, relations) }},

{{ baton.metric_ends(windows) }},

{{ baton.metric_moments(windows) }},

{{ baton.metric_spreads(metrics) }}

select
    window_kind,
    window_end,
    slice_name,
    slice_value,
    metric,
    case when n >= {{ parameters.monitor.min_n }} and value is not null then 'ok' else 'insufficient_data' end as status,
    n,
    n_entities,
    numerator,
    denominator,
    value,
    case kind
        when 'share' then case when value between 0 and 1 then {{ baton.wilson('value', 'size', '-') }} end
        else value - {{ z }} * sqrt(value_variance)
    end as value_low,
    case kind
        when 'share' then case when value between 0 and 1 then {{ baton.wilson('value', 'size', '+') }} end
        else value + {{ z }} * sqrt(value_variance)
    end as value_high,
    n_missing,
    {{ baton.quoted(local_md5(tojson([metrics, windows, parameters.monitor.min_n], sort_keys=true))) }} as spec_hash,
    {{ baton.now() | trim }} as evaluated_at,
    {{ baton.built_at() }} as built_at
from sized
order by metric, window_kind, window_end, slice_name, slice_value
{% endmacro %}

{#
One declared metric as an expression over rows of its model, for any other query: the number that checks and plots show, grouped as the query likes.

    select plan, {{ baton.metric('churn', 'churn_rate') }} as churn_rate from {{ ref('churn_training_set') }} group by plan
#}
{% macro metric(product, name) %}
    {% if not execute %}{{ return('null') }}{% endif %}
    {% set metrics = baton.product(product).metrics %}
    {% if name not in metrics %}
        {{ exceptions.raise_compiler_error("product " ~ product ~ " declares no metric '" ~ name ~ "'; allowed is one of " ~ metrics | join(', ')) }}
    {% endif %}
    {% set a, b, counted = baton.metric_parts(metrics[name]) %}
    {% set sums = [] %}
    {% for part in [a, b] %}{% do sums.append(baton.unfixed("sum(case when " ~ counted ~ " then " ~ baton.fixed(part, 6) ~ " end)", 6)) %}{% endfor %}
    {{ return(sums[0] if metrics[name].kind == 'total' else "(" ~ sums[0] ~ ") / nullif(" ~ sums[1] ~ ", 0)") }}
{% endmacro %}
