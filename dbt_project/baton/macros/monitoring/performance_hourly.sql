{#
Mergeable sums of decisions and their outcomes: what every window of performance and calibration is added up from.

product:   name of the exposure
decisions: output of `baton.decisions`
outcomes:  output of `baton.outcomes`

One row per (hour, slice_name, slice_value, model_version, kind, the keys of its kind, batch): what one refresh added. hour is the full hour at or after as_of; slices
are `overall`/`all` and every value of every declared slice, '(none)' where it is missing. part: `matured` (cohort closed, label known) or `open`, whose label is what has been seen so far.
kind `sums`:     per part, calibration_bin (floor(10 score), 0 to 9), predicted_label and seen_label: counts, losses, money. tp is n where both labels are 1.
kind `expected`: per calibration_bin and predicted_label: what follows from the scores alone. Written once; no outcome moves it.
kind `scores`:   per part and score_bin (0.025 wide in log-odds): n, n_pos and expected, the histogram that ranks. Counts of two kinds must not be added together.
Columns: see `hourly_columns`; keys and sums of other kinds are null. How they are read: `hourly_reading`. Fractions are whole numbers of 10^-digits (`performance_fractions`), so that a sum does not depend on the order of its rows. A number of an hour is
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

{{ baton.hourly_rows('slice_sums', 'sums', ['part', 'calibration_bin', 'predicted_label', 'seen_label'],
    (baton.hourly_conditions().keys() | list) + (baton.hourly_amounts().keys() | list) + ['content'], ending, {'n_pos': 'case seen_label when 1 then n else 0 end'}) }}
union all
{{ baton.hourly_rows('slice_expected', 'expected', ['calibration_bin', 'predicted_label'], ['n'] + (baton.hourly_expected_amounts().keys() | list), ending) }}
union all
{{ baton.hourly_rows('slice_scores', 'scores', ['part', 'score_bin'], ['n', 'n_pos', 'expected'], ending) }}
{%- if since is not none %}
where n <> 0 or n_pos <> 0 or expected <> 0
{%- elif built is not none %}
union all
{{ baton.hourly_rows('touched_hours', none, [], [], ending) }}
{%- endif %}
{% endmacro %}

{# Rows of one kind (none: marks of hours that are computed anew), in the columns of `hourly_columns`: those it has, null elsewhere. More: expressions by name. #}
{% macro hourly_rows(relation, kind, keys, sums, ending, more={}) -%}
{%- set text, types = dbt.type_string(), {} -%}
{%- for name in baton.hourly_keys() %}{% do types.update({name: 'integer' if name.endswith('_bin') or name.endswith('_label') else text}) %}{% endfor -%}
{%- for name in baton.hourly_stored_counts() + ['expected', 'content'] %}{% do types.update({name: 'bigint'}) %}{% endfor -%}
{%- for name in baton.hourly_stored_fractions() %}{% do types.update({name: 'decimal(38, 0)'}) %}{% endfor -%}
{%- set own = ['hour'] + (['slice_name', 'slice_value', 'model_version'] if kind is not none else []) + keys + sums -%}
select
    {%- for name in types %}
    {% if name in own %}{{ name }}{% elif name == 'kind' and kind is not none %}{{ baton.quoted(kind) }} as kind{% else %}{{ more.get(name, 'cast(null as ' ~ types[name] ~ ')') }} as {{ name }}{% endif %},
    {%- endfor %}
    {{ ending }}
from {{ relation }}
{%- endmacro %}
