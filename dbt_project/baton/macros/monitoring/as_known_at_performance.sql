{#
Performance as it was known at an instant; columns of `baton.performance`, without the population. One row per (window_kind, window_end, slice_name, slice_value,
model_version, basis). Limits: see as_known_at.sql. For a person's question there is the command: baton performance PRODUCT --known-at DAY.

product:     name of the exposure
predictions: the append-only prediction log
events:      the outcome model in the form of `baton.event_versions`
known_at:    the instant, UTC: '2026-11-02 00:00:00'
scoring_set: (entity, as_of) with slices and amounts; none where the log carries them itself
#}
{% macro performance_as_known_at(product, predictions, events, known_at, scoring_set=none) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set decided, known = 'baton_then_decisions', 'baton_then_outcomes' %}
    {% set steps = {'baton_then_hourly': baton.hourly_then(product), 'baton_then_delay': adapter.dispatch('delay', 'baton')(product, decided, known)} %}
    {% set sql = adapter.dispatch('performance', 'baton')(product, 'baton_then_hourly', decided, known, none, 'baton_then_delay', none) %}
    {{ return(baton.table_as_known_at(product, predictions, events, known_at, scoring_set, 'performance', sql, steps)) }}
{% endmacro %}
