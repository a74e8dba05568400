{#
The champion keeps its promise: what a version does on decisions is not worse than what it did on its test rows, less a margin. On `performance`.

product:  name of the exposure
versions: the record of versions with the metrics each was measured with before it served: source('ops', 'model_versions')
metric:   a metric of performance that training measured on test rows: roc_auc, log_loss, brier, average_precision, accuracy, precision, recall, f1, value_per_decision, ...
window:   a window of the table: '28d'
margin:   how much worse is no breach, in units of the metric
promise:  name of the promised number in the record; default the metric itself
basis, min_n, min_coverage: as in `metric_within`

Each version with min_n decisions in the newest window is held to its own promise. Fails only where the whole 95 % interval lies on the wrong side of it; a metric without an interval
fails on its number. A version whose record lacks the number promised nothing and passes.
Fails with one row per version: metric, window_kind, window_end, slice_name, slice_value, model_version, basis, value, value_low, value_high, n, promised, margin, status, message.
#}
{% test metric_no_worse_than(model, product, versions, metric, window, margin=0, promise=none, basis='matured', min_n=30, min_coverage=none) %}
{% if metric not in baton.floor_metrics() %}
    {{ exceptions.raise_compiler_error("metric_no_worse_than: metric is '" ~ metric ~ "'; allowed is one of " ~ baton.floor_metrics() | join(', ')) }}
{% endif %}
{% set lower_is_better = metric in ['log_loss', 'brier'] %}
{% set bound = 'promised + ' ~ margin if lower_is_better else 'promised - ' ~ margin %}
{% set broken = 'coalesce(value_low, value) > ' ~ bound if lower_is_better else 'coalesce(value_high, value) < ' ~ bound %}
select
    metric, window_kind, window_end, slice_name, slice_value, model_version, basis, value, value_low, value_high, n, promised, {{ margin }} as margin,
    'failed' as status,
    'version ' || model_version || ': ' || {{ baton.metric_message("' is worse than the ' || " ~ baton.say('round(promised, 6)')
        ~ " || ' of its test rows" ~ (' by more than ' ~ margin if margin else '') ~ "'", baton.owner_of(model)) }} as message
from (
    select judged.*, promises.promised
    from ({{ baton.judged_metric(model, metric, window, none, basis, min_coverage, version='each') }}) as judged
    inner join (
        select cast(version as {{ dbt.type_string() }}) as version, {{ baton.json_number('metrics', promise or metric) }} as promised
        from {{ versions }}
        where product = {{ baton.quoted(product) }}
    ) as promises on judged.model_version = promises.version
) as held
where n >= {{ min_n }} and {{ broken }}
{% endtest %}

{# A number of a JSON object by its key, null where it is absent or no number. #}
{% macro json_number(column, key) %}{{ return(adapter.dispatch('json_number', 'baton')(column, key)) }}{% endmacro %}

{% macro default__json_number(column, key) %}
    {{ return("cast(json_value(" ~ column ~ ", " ~ baton.quoted('$.' ~ key) ~ ") as " ~ baton.type_double() ~ ")") }}
{% endmacro %}

{% macro duckdb__json_number(column, key) %}
    {{ return("cast(" ~ column ~ " ->> " ~ baton.quoted('$.' ~ key) ~ " as double)") }}
{% endmacro %}
