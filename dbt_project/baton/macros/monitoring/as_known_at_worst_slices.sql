{#
The slices' parts in a change as they were known at an instant; columns of `baton.worst_slices`. One row per (window_kind, window_end, metric, slice_name, slice_value). Limits: see as_known_at.sql.

product:     name of the exposure
predictions: the append-only prediction log
events:      the outcome model in the form of `baton.event_versions`
known_at:    the instant, UTC: '2026-11-02 00:00:00'
scoring_set: (entity, as_of) with slices and amounts; none where the log carries them itself
q:           as in `baton.worst_slices`
#}
{% macro worst_slices_as_known_at(product, predictions, events, known_at, scoring_set=none, q=none) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set sql = adapter.dispatch('worst_slices', 'baton')(product, 'baton_then_decisions', 'baton_then_outcomes', q) %}
    {{ return(baton.table_as_known_at(product, predictions, events, known_at, scoring_set, 'worst_slices', sql)) }}
{% endmacro %}
