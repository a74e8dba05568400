{#
The outcomes of decisions as they were known at an instant; columns of `baton.outcomes`, evaluated_at is the instant. One row per decision_key. Limits: see as_known_at.sql.

product:   name of the exposure
decisions: output of `baton.decisions_as_known_at` at the same instant: a later prediction may have moved a decision since
events:    the outcome model in the form of `baton.event_versions`
known_at:  the instant, UTC: '2026-11-02 00:00:00'
#}
{% macro outcomes_as_known_at(product, decisions, events, known_at) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set sql = adapter.dispatch('outcomes', 'baton')(product, decisions, events, none) %}
    {{ return(baton.at_instant(sql, known_at)) }}
{% endmacro %}
