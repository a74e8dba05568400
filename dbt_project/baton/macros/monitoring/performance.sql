{#
One row per (window_kind, window_end, slice_name, slice_value, model_version, basis): how good the decisions of a window were.

product:    name of the exposure
decisions:  output of `baton.decisions`
outcomes:   output of `baton.outcomes`
population: (entity, as_of) of everybody who should have been scored, with the slices: the scoring set; none leaves its columns null

Windows hold decisions by as_of: (window_end - window, window_end], ending at every midnight from the first decision to as_of(now). Slices: `overall`/`all`,
then every value of every declared slice, '(none)' where it is missing. model_version: each version as text, and `all`. basis is `matured`: confusion, ranks
and value count closed cohorts only, whatever was seen early. Columns: see `performance_columns`; formulas, intervals and what is null when:
docs/decisions/0007-monitoring-first-floor.md. No number is ever NaN or infinite.

Additive numbers are summed once to cells (day, version, slices) and rolled up. What does not add up (ranking, repeated entities) is computed only for windows whose
`content`, a checksum of the decisions and outcomes in them, differs from the row the table already has; the other rows are taken over.
#}
{% macro performance(product, decisions, outcomes, population=none) %}
    {% do config(materialized='table') %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('performance', 'baton')(product, decisions, outcomes, population, baton.reusable(this))) }}
{% endmacro %}

{# The table as it is, if its rows can be taken over: it exists, has today's columns and nobody asked for a full refresh. #}
{% macro reusable(relation) %}
    {% if flags.FULL_REFRESH %}{{ return(none) }}{% endif %}
    {% set existing = load_relation(relation) %}
    {% if existing is none or not existing.is_table %}{{ return(none) }}{% endif %}
    {% set found = adapter.get_columns_in_relation(existing) | map(attribute='name') | list %}
    {{ return(existing if found == baton.performance_columns() else none) }}
{% endmacro %}

{# built: the table as it is, none to compute every row. #}
{% macro default__performance(product, decisions, outcomes, population, built) %}
{% set parameters = baton.product(product) %}
{% set windows = baton.windows(parameters.monitor) %}
{% set slices = parameters.slices %}
{% set spec_hash = baton.spec_hash(product, 'performance') %}
with

{{ baton.performance_facts(parameters, decisions, outcomes, windows) }},

{{ baton.performance_cells(parameters, decisions, population, slices) }},

{{ baton.performance_windows(windows) }},

{{ baton.performance_targets(built, spec_hash, population) }},

{{ baton.performance_ranks(slices) }},

{{ baton.performance_repeats(parameters, slices) }},

{{ baton.performance_metrics(parameters, population, spec_hash) }}

select {{ baton.performance_columns() | join(', ') }}
from metrics
{%- if built is not none %}
union all
select {{ baton.performance_columns() | map('replace', '', 'kept.', 1) | join(', ') }}
from kept
{%- endif %}
order by window_kind, window_end, slice_name, slice_value, model_version
{% endmacro %}
