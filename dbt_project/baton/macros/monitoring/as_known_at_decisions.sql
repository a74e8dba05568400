{#
The decisions as they were known at an instant; columns of `baton.decisions`. One row per decision_key. Limits: see as_known_at.sql.

product:     name of the exposure
predictions: the append-only prediction log
known_at:    the instant, UTC: '2026-11-02 00:00:00'
scoring_set: (entity, as_of) with slices and amounts; none where the log carries them itself
#}
{% macro decisions_as_known_at(product, predictions, known_at, scoring_set=none) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set sql = adapter.dispatch('decisions', 'baton')(product, 'baton_known_predictions', scoring_set, none) %}
    {% set known = baton.predictions_as_known_at(predictions, known_at) %}
    {{ return("with baton_known_predictions as (\n" ~ known ~ "\n)\nselect * from (\n" ~ baton.at_instant(sql, known_at) ~ "\n) as decisions") }}
{% endmacro %}
