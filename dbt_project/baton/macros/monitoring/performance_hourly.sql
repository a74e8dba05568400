{#
Mergeable sums of decisions and their outcomes: what every window of performance and calibration is added up from.

product:   name of the exposure
decisions: output of `baton.decisions`
outcomes:  output of `baton.outcomes`

One row per (hour, slice_name, slice_value, model_version, kind, part, calibration_bin, score_bin). hour is the full hour at or after as_of; slices are `overall`/`all` and every
value of every declared slice, '(none)' where it is missing. part: `matured` (cohort closed, label known) or `open`, whose label is what has been seen so far.
kind `sums`:   per calibration_bin (floor(10 score), 0 to 9): counts, losses, money, expected cells. A window's number is a sum of these rows.
kind `scores`: per score_bin (0.025 wide in log-odds): n, n_pos and expected, the histogram that ranks. Counts of the two kinds must not be added together.
Columns: see `hourly_columns`. Fractions are whole numbers of 10^-digits (`performance_fractions`), so that a sum does not depend on the order of its rows.

Incremental by hour: an hour is computed anew if the checksum of its decisions and outcomes is not the one it was built from. So a late outcome touches its own hour, and a
decision that moves touches two. An hour that lost all its decisions comes back as one row with n = 0, which a post-hook removes.
#}
{% macro performance_hourly(product, decisions, outcomes) %}
    {% do baton.keep_by_key(product, 'hour', 'performance_hourly') %}
    {% do config(post_hook="delete from {{ this }} where n = 0") %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('performance_hourly', 'baton')(product, decisions, outcomes, this if is_incremental() else none)) }}
{% endmacro %}

{# built: the table as it is, none to compute every hour. #}
{% macro default__performance_hourly(product, decisions, outcomes, built) %}
{% set parameters = baton.product(product) %}
with

{% if built is not none -%}
{{ baton.touched_hours(parameters, decisions, outcomes, built) }},

{% endif -%}
{{ baton.performance_facts(parameters, decisions, outcomes, 'hour in (select hour from touched_hours)' if built is not none else none) }},

{{ baton.hourly_sums(parameters.slices) }},

{{ baton.hourly_scores(parameters.slices) }}

select
    hour, slice_name, slice_value, model_version, 'sums' as kind, part, calibration_bin, cast(null as integer) as score_bin,
    {{ baton.hourly_counts() | join(', ') }}, {{ baton.hourly_fractions() | join(', ') }}, cast(null as bigint) as expected, content,
    {{ baton.quoted(baton.spec_hash(product, 'performance_hourly')) }} as spec_hash, {{ baton.built_at() }} as built_at
from slice_sums
union all
select
    hour, slice_name, slice_value, model_version, 'scores' as kind, part, cast(null as integer) as calibration_bin, score_bin,
    {% for name in baton.hourly_counts() %}{{ name if name in ('n', 'n_pos') else 'cast(null as bigint) as ' ~ name }}, {% endfor %}
    {% for name in baton.hourly_fractions() %}cast(null as decimal(38, 0)) as {{ name }}, {% endfor %}expected, cast(null as bigint) as content,
    {{ baton.quoted(baton.spec_hash(product, 'performance_hourly')) }} as spec_hash, {{ baton.built_at() }} as built_at
from slice_scores
{%- if built is not none %}
union all
select
    hour, cast(null as {{ dbt.type_string() }}), cast(null as {{ dbt.type_string() }}), cast(null as {{ dbt.type_string() }}), cast(null as {{ dbt.type_string() }}),
    cast(null as {{ dbt.type_string() }}), cast(null as integer), cast(null as integer),
    {% for name in baton.hourly_counts() %}{{ '0' if name == 'n' else 'cast(null as bigint)' }}, {% endfor %}
    {% for name in baton.hourly_fractions() %}cast(null as decimal(38, 0)), {% endfor %}cast(null as bigint), cast(null as bigint),
    {{ baton.quoted(baton.spec_hash(product, 'performance_hourly')) }}, {{ baton.built_at() }}
from touched_hours
where is_gone
{%- endif %}
{% endmacro %}

{# CTE `touched_hours`: hours whose decisions or outcomes are not those the table was built from; is_gone where none is left. #}
{% macro touched_hours(parameters, decisions, outcomes, built) %}
current_hours as (
    select hour, count(*) as n, sum(content) as content
    from (
        select {{ baton.hour_of('decisions.as_of') }} as hour, {{ baton.fact_checksum(parameters) }} as content
        from {{ decisions }} as decisions
        inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
        where {{ baton.hour_of('decisions.as_of') }} <= {{ baton.this_hour() }}
    ) as checked
    group by hour
),

built_hours as (
    select hour, sum(n) as n, sum(content) as content
    from {{ built }}
    where kind = 'sums' and slice_name = 'overall'
    group by hour
),

touched_hours as (
    select coalesce(current_hours.hour, built_hours.hour) as hour, current_hours.hour is null as is_gone
    from current_hours
    full outer join built_hours on current_hours.hour = built_hours.hour
    where current_hours.hour is null or built_hours.hour is null or current_hours.n <> built_hours.n or current_hours.content <> built_hours.content
)
{%- endmacro %}
