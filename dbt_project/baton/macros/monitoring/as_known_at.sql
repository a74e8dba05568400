{#
Any past number as it was known at an instant: `decisions_as_known_at`, `outcomes_as_known_at`, and on top of them `performance_as_known_at`, `calibration_as_known_at`,
`delay_as_known_at`, `holdout_as_known_at`, `worst_slices_as_known_at`. Parts that they share. Which tables need none, and why: docs/decisions/0013-parity-and-as-known-at.md.

The answer for X is what the ordinary macros give at now = X from what was known by then. It is the same whenever it is asked, as long as versions are kept:
* predictions by known_at, else predicted_at. A rehearsal's days count as known at their as_of, though nobody saw them then
* outcome events by valid_from and valid_to of `baton.event_versions`: a correction, retraction or late row counts from its known_at on
* slices and amounts are those of the scored day; the scoring set never changes one
* parameters (horizon, thresholds, slices, value) are those of today's exposure; `spec_hash` says which
Limits. With a source's `load_lag` a row loaded at L counts as known from L - load_lag on: the answer for X is final once X + load_lag has passed. A raw table whose
rows are overwritten or deleted in place loses the versions before; then an answer can change, here and in every table that is built again. The population has no
known_at (a missed day is added to the scoring set later), so shares of it are left out.
#}

{# An instant as a timestamp literal; anything but an instant as text is refused. #}
{% macro instant(known_at) %}
    {% if not modules.re.match('^\\d{4}-\\d\\d-\\d\\d[ T]\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,6})?)?$', known_at | string) %}
        {{ exceptions.raise_compiler_error("known_at is '" ~ known_at ~ "'; allowed is an instant in UTC: '2026-11-02 00:00:00'. What was known on a day is the next midnight") }}
    {% endif %}
    {{ return("timestamp '" ~ (known_at | string | replace('T', ' ')) ~ "'") }}
{% endmacro %}

{# `sql`, which reads the run's clock, at another instant. The clock is written into it by `baton.now()` alone, always as the same literal. #}
{% macro at_instant(sql, known_at) %}
    {{ return(sql | replace(baton.now() | trim, baton.instant(known_at))) }}
{% endmacro %}

{# The rows of a prediction log that were known at an instant. #}
{% macro predictions_as_known_at(predictions, known_at) -%}
select * from {{ predictions }} where coalesce(known_at, predicted_at) <= {{ baton.instant(known_at) }}
{%- endmacro %}

{#
`table`, a macro over the relations `baton_then_decisions` and `baton_then_outcomes`, as it was known at an instant. steps: further relations it reads, name to select, in order.
The clock is written into every step; columns and grain are those of the table.
#}
{% macro table_as_known_at(product, predictions, events, known_at, scoring_set, table, sql, steps={}) %}
    {% set ctes = [
        'baton_then_decisions as (\n' ~ baton.decisions_as_known_at(product, predictions, known_at, scoring_set) ~ '\n)',
        'baton_then_outcomes as (\n' ~ baton.outcomes_as_known_at(product, 'baton_then_decisions', events, known_at) ~ '\n)'
    ] %}
    {% for name, step in steps.items() %}{% do ctes.append(name ~ ' as (\n' ~ baton.at_instant(step, known_at) ~ '\n)') %}{% endfor %}
    {{ return('with ' ~ ctes | join(',\n') ~ '\nselect * from (\n' ~ baton.at_instant(sql, known_at) ~ '\n) as ' ~ table) }}
{% endmacro %}

{# The hours' sums of these relations, a step of `table_as_known_at`. #}
{% macro hourly_then(product) %}
    {{ return(adapter.dispatch('performance_hourly', 'baton')(product, 'baton_then_decisions', 'baton_then_outcomes', none)) }}
{% endmacro %}
