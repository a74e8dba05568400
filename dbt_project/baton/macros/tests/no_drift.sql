{#
No feature drifts persistently: in the newest window of each length no alarm is on (output of `baton.drift`).

product: name of the exposure
level:   `warn` or `error`: this test judges the product only if its `monitor.drift.severity` is that level; declare the test once per level and give it the same severity

An alarm is on once `k` of the last `of` windows breach (large and significant after Benjamini-Hochberg at `q`), and off when none of them does. Too little data is no failure.
Fails with one row per feature, that of the method farthest beyond its threshold: feature, method, window_kind, window_end, value, threshold, q_value, n, n_reference,
n_breaches, model_version, message.
#}
{% test no_drift(model, product, level='warn') %}
{% set parameters = baton.product(product) %}
{% set drift = (parameters.monitor or {}).drift or {} %}
select
    feature, method, window_kind, window_end, value, threshold, q_value, n, n_reference, n_breaches, model_version,
    method || ' of ' || feature || ' is ' || {{ baton.say('round(value, 4)') }} || ', allowed is up to ' || {{ baton.say('round(threshold, 4)') }}
        || case when n_methods > 1 then ' (' || {{ baton.say('n_methods') }} || ' methods agree)' else '' end
        || ', in ' || {{ baton.say('n_breaches') }} || {{ baton.quoted(' of the last ' ~ drift.of ~ ' ') }} || window_kind || ' windows up to ' || {{ baton.say('window_end') }}
        || ', ' || {{ baton.say('n') }} || ' rows against ' || {{ baton.say('n_reference') }} || ' of version ' || {{ baton.say('model_version') }}
        || {{ baton.quoted(baton.owner_of(model)) }} as message
from (
    select
        alarms.*, count(*) over (partition by window_kind, feature) as n_methods,
        row_number() over (partition by window_kind, feature order by abs(value) / threshold desc, method) as place
    from {{ model }} as alarms
    inner join (select window_kind as newest_kind, max(window_end) as newest_end from {{ model }} group by window_kind) as newest
        on alarms.window_kind = newest.newest_kind and alarms.window_end = newest.newest_end
    where alarms.is_alarm and {{ baton.quoted(drift.severity) }} = {{ baton.quoted(level) }}
) as worst
where place = 1
{% endtest %}
