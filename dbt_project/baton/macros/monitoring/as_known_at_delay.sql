{#
The delay of outcomes as it was known at an instant; columns of `baton.delay`. One row per (stratum, age). Limits: see as_known_at.sql.

product:     name of the exposure
predictions: the append-only prediction log
events:      the outcome model in the form of `baton.event_versions`
known_at:    the instant, UTC: '2026-11-02 00:00:00'
scoring_set: (entity, as_of) with slices and amounts; none where the log carries them itself
#}
{% macro delay_as_known_at(product, predictions, events, known_at, scoring_set=none) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set sql = adapter.dispatch('delay', 'baton')(product, 'baton_then_decisions', 'baton_then_outcomes') %}
    {{ return(baton.table_as_known_at(product, predictions, events, known_at, scoring_set, 'delay', sql)) }}
{% endmacro %}
