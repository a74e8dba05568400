{#
Mergeable sums of decisions and their outcomes: what every window of performance and calibration is added up from.

product:   name of the exposure
decisions: output of `baton.decisions`
outcomes:  output of `baton.outcomes`

One row per (hour, slice_name, slice_value, model_version, kind, part, calibration_bin, score_bin, batch): what one refresh added. hour is the full hour at or after as_of; slices
are `overall`/`all` and every value of every declared slice, '(none)' where it is missing. part: `matured` (cohort closed, label known) or `open`, whose label is what has been seen so far.
kind `sums`:   per calibration_bin (floor(10 score), 0 to 9): counts, losses, money, expected cells. A window's number is a sum of these rows.
kind `scores`: per score_bin (0.025 wide in log-odds): n, n_pos and expected, the histogram that ranks. Counts of the two kinds must not be added together.
Columns: see `hourly_columns`. Fractions are whole numbers of 10^-digits (`performance_fractions`), so that a sum does not depend on the order of its rows. A number of an hour is
the sum over its batches: a decision whose outcome changed is taken off where it stood and added where it stands, so rows of later batches may be negative.

Incremental: only decisions whose outcome was written since the last refresh are read (`hourly_changes`). Where that does not say everything (a decision moved, the clock goes
back, a table was built anew), hours are compared by the checksum of their decisions and outcomes, and those that differ are computed anew. The same when later batches hold
more rows than the first: then all hours are, and have one batch again.
#}
{% macro performance_hourly(product, decisions, outcomes) %}
    {% do baton.keep_changes(product, 'performance_hourly') %}
    {% do config(post_hook="delete from {{ this }} where kind is null") %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set run = baton.hourly_run(product, outcomes) %}
    {{ return(adapter.dispatch('performance_hourly', 'baton')(product, decisions, outcomes, run.built, run)) }}
{% endmacro %}

{# built: the table as it is, none to compute every hour; run: what `hourly_run` says, none outside of a table that is refreshed. #}
{% macro default__performance_hourly(product, decisions, outcomes, built, run=none) %}
{% set parameters = baton.product(product) %}
{% set run = run or {'batch': 1, 'outcomes_batch': 'null', 'since': none} %}
{% set since = run.since if built is not none else none %}
{% set ending %}
{{ baton.quoted(baton.spec_hash(product, 'performance_hourly')) }} as spec_hash, {{ baton.built_at() }} as built_at,
    cast({{ run.batch }} as bigint) as batch, cast({{ run.outcomes_batch }} as bigint) as outcomes_batch, {{ baton.this_hour() }} as counted_until
{%- endset %}
with

{% if built is not none and since is none -%}
{{ baton.touched_hours(parameters, decisions, outcomes, built, run.get('all_hours', false)) }},

{% endif -%}
{% if since is not none -%}
{{ baton.hourly_changes(parameters, decisions, outcomes, since) }},

{{ baton.performance_facts(parameters, 'changed_decisions', 'signed_outcomes', signed=true) }},
{%- else -%}
{{ baton.performance_facts(parameters, decisions, outcomes, 'hour in (select hour from touched_hours)' if built is not none else none) }},
{%- endif %}

{{ baton.hourly_sums(parameters.slices, since is not none) }},

{{ baton.hourly_scores(parameters.slices, since is not none) }}

select
    hour, slice_name, slice_value, model_version, 'sums' as kind, part, calibration_bin, cast(null as integer) as score_bin,
    {{ baton.hourly_counts() | join(', ') }}, {{ baton.hourly_fractions() | join(', ') }}, cast(null as bigint) as expected, content,
    {{ ending }}
from slice_sums
union all
select
    hour, slice_name, slice_value, model_version, 'scores' as kind, part, cast(null as integer) as calibration_bin, score_bin,
    {% for name in baton.hourly_counts() %}{{ name if name in ('n', 'n_pos') else 'cast(null as bigint) as ' ~ name }}, {% endfor %}
    {% for name in baton.hourly_fractions() %}cast(null as decimal(38, 0)) as {{ name }}, {% endfor %}expected, cast(null as bigint) as content,
    {{ ending }}
from slice_scores
{%- if since is not none %}
where n <> 0 or n_pos <> 0 or expected <> 0
{%- elif built is not none %}
union all
select
    hour, cast(null as {{ dbt.type_string() }}), cast(null as {{ dbt.type_string() }}), cast(null as {{ dbt.type_string() }}), cast(null as {{ dbt.type_string() }}),
    cast(null as {{ dbt.type_string() }}), cast(null as integer), cast(null as integer),
    {% for name in baton.hourly_counts() %}{{ '0' if name == 'n' else 'cast(null as bigint)' }}, {% endfor %}
    {% for name in baton.hourly_fractions() %}cast(null as decimal(38, 0)), {% endfor %}cast(null as bigint), cast(null as bigint),
    {{ ending }}
from touched_hours
{%- endif %}
{%- if built is none %}
{# Sorted rows are compressed as they come, unsorted ones once more at the next checkpoint: a sixth of the build. #}
order by hour
{%- endif %}
{% endmacro %}
