{#
Does 0.3 mean 30 %: one row per (window_kind, window_end, model_version, bin), over matured decisions and all slices.

product:   name of the exposure
hourly:    output of `baton.performance_hourly`
decisions: output of `baton.decisions`, and
outcomes:  output of `baton.outcomes`: for the intervals; without them every decision counts as an entity of its own

Windows and versions are those of `baton.performance`; bin is floor(10 score), 0 to 9, ten bins of equal width. Columns: bin_low, bin_high (edges), n (matured decisions), n_positive,
mean_score, positive_rate (the share that was positive), positive_rate_low, positive_rate_high (95 % interval), gap (mean_score - positive_rate), status (`ok`, or
`insufficient_data` below monitor.min_n), spec_hash, evaluated_at, built_at. ECE in performance is the mean of |gap| weighted by n.

The interval is Wilson's at the effective sample size r (1 - r) / variance, the variance being that of clusters: decisions of one entity in one window and bin count as one
cluster, sum over entities of (sum of label - r)^2 / n^2. Where every entity appears once it is Wilson's interval to the last digit.
#}
{% macro calibration(product, hourly, decisions=none, outcomes=none) %}
    {% do config(materialized='table') %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('calibration', 'baton')(product, hourly, decisions, outcomes)) }}
{% endmacro %}

{% macro default__calibration(product, hourly, decisions, outcomes) %}
{% set parameters = baton.product(product) %}
{% set windows = baton.windows(parameters.monitor) %}
{% set units = ['day', 'hour'] if 'hour' in windows | map(attribute='unit') else ['day'] %}
{% set double = baton.type_double() %}
with

version_bins as (
    select
        {{ baton.hour_number('hour') }} as hour_tick, model_version, calibration_bin, sum(n) as n, sum(n_pos) as n_positive, sum(score_sum) as score_sum
    from {{ hourly }}
    where kind = 'sums' and part = 'matured' and slice_name = 'overall' and hour <= {{ baton.this_hour() }}
    group by 1, 2, 3
),

{{ baton.calibration_windows(windows, units) }},

{% if decisions is not none and parameters.decide.per != 'entity' -%}
{{ baton.calibration_repeats(parameters, decisions, outcomes, windows) }},
{% else -%}
repeats as (
    select
        cast(null as {{ dbt.type_string() }}) as window_kind, cast(null as integer) as tick, cast(null as {{ dbt.type_string() }}) as model_version,
        cast(null as integer) as calibration_bin, 0 as x_pp, 0 as x_pn, 0 as x_nn, 0 as again
    where 1 = 0
),
{% endif %}
rates as (
    select
        windows.*,
        n_positive / cast(n as {{ double }}) as positive_rate,
        coalesce(repeats.x_pp, 0) as x_pp, coalesce(repeats.x_pn, 0) as x_pn, coalesce(repeats.x_nn, 0) as x_nn, coalesce(repeats.again, 0) as again
    from windows
    left join repeats
        on windows.window_kind = repeats.window_kind and windows.tick = repeats.tick and windows.model_version = repeats.model_version
        and windows.calibration_bin = repeats.calibration_bin
),

spreads as (
    select
        rates.*,
        (n_positive + x_pp - 2 * positive_rate * (n_positive + x_pn) + positive_rate * positive_rate * (n + x_nn)) / (1e0 * n * n) as positive_rate_variance
    from rates
),

bounded as (
    select spreads.*, {{ baton.effective_n('positive_rate', '(n - again)') }} as positive_rate_n
    from spreads
)

select
    window_kind,
    {{ baton.by_window(windows, 'end') }} as window_end,
    model_version,
    calibration_bin as bin,
    calibration_bin / 10e0 as bin_low,
    (calibration_bin + 1) / 10e0 as bin_high,
    cast(n as bigint) as n,
    cast(n_positive as bigint) as n_positive,
    cast(score_sum as {{ double }}) / 1e12 / n as mean_score,
    positive_rate,
    {{ baton.wilson('positive_rate', 'positive_rate_n', '-') }} as positive_rate_low,
    {{ baton.wilson('positive_rate', 'positive_rate_n', '+') }} as positive_rate_high,
    cast(score_sum as {{ double }}) / 1e12 / n - positive_rate as gap,
    case when n >= {{ parameters.monitor.min_n }} then 'ok' else 'insufficient_data' end as status,
    {{ baton.quoted(baton.spec_hash(product, 'calibration')) }} as spec_hash,
    {{ baton.now() | trim }} as evaluated_at,
    {{ baton.built_at() }} as built_at
from bounded
order by window_kind, window_end, model_version, bin
{% endmacro %}

{# CTEs up to `windows`: bins added up over every window, per version and for `all`. #}
{% macro calibration_windows(windows, units) %}
{% set keys, sums = ['model_version', 'calibration_bin'], ['n', 'n_positive', 'score_sum'] %}
{% for unit in units -%}
{{ unit }}_bins as (
    select {{ baton.tick(unit, 'hour_tick') }} as tick, model_version, calibration_bin, {{ baton.summed(sums) }}
    from (
        select hour_tick, model_version, calibration_bin, n, n_positive, score_sum
        from version_bins
        union all
        select hour_tick, 'all' as model_version, calibration_bin, n, n_positive, score_sum
        from version_bins
    ) as with_all
    {%- if unit == 'day' %}
    where hour_tick <= {{ baton.hour_number(baton.as_of()) }}
    {%- endif %}
    group by 1, 2, 3
),

{% endfor -%}
windows as (
    {%- for window in windows %}
    {{ 'union all' if not loop.first }}
    {%- if window.unit == 'whole' %}
    select {{ baton.quoted(window.name) }} as window_kind, {{ baton.last_tick('day') }} as tick, {{ keys | join(', ') }}, {{ baton.summed(sums) }}
    from day_bins
    group by {{ keys | join(', ') }}
    {%- else %}
    select {{ baton.quoted(window.name) }} as window_kind, tick, {{ keys | join(', ') }}, {{ sums | join(', ') }}
    from ({{ baton.sliding_sums(window.unit ~ '_bins', keys, sums, window.length) }}) as slid
    where tick <= {{ baton.last_tick(window.unit) }}
    {%- endif %}
    {%- endfor %}
)
{%- endmacro %}

{#
CTE `repeats`: what entities with several matured decisions in one window and bin add to second moments: with P positives and N rows of an entity, x_pp = sum P (P - 1),
x_pn = sum P (N - 1), x_nn = sum N (N - 1), again = sum N - 1. A window looks only at decisions whose entity has another one in it, in the same bin.
#}
{% macro calibration_repeats(parameters, decisions, outcomes, windows) %}
matured as (
    select
        decisions.{{ parameters.entity }} as entity,
        coalesce(cast(decisions.model_version as {{ dbt.type_string() }}), '(none)') as version,
        {{ baton.calibration_bin('decisions.score') }} as calibration_bin,
        outcomes.outcome_label as label,
        {{ baton.hour_number(baton.hour_of('decisions.as_of')) }} as hour_tick
    from {{ decisions }} as decisions
    inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
    where outcomes.outcome_label is not null and {{ baton.hour_of('decisions.as_of') }} <= {{ baton.this_hour() }}
),

spaced as (
    {{ baton.nearest_decisions('matured', 'hour_tick', ['version', 'calibration_bin', 'label']) }}
),

close as (
    select spaced.*, {{ baton.day_number('hour_tick') }} as day_tick
    from spaced
    where gap < {{ baton.longest_hours(windows) }}
),

placed as (
    {%- for window in windows %}
    {% set tick = 'day_tick' if window.unit == 'whole' else window.unit ~ '_tick' %}
    {% set order = 'over (partition by entity, calibration_bin order by hour_tick)' %}
    {{ 'union all' if not loop.first }}
    {%- if window.unit == 'whole' %}
    select {{ baton.quoted(window.name) }} as window_kind, {{ baton.last_tick('day') }} as tick, entity, version, calibration_bin, label
    from close
    where day_tick <= {{ baton.last_tick('day') }}
    {%- else %}
    select {{ baton.quoted(window.name) }} as window_kind, {{ tick }} + step as tick, entity, version, calibration_bin, label
    from (select close.*, lag({{ tick }}) {{ order }} as tick_before, lead({{ tick }}) {{ order }} as tick_after from close) as close
    cross join ({{ baton.steps(window.length) }}) as steps
    where tick_before > {{ tick }} + step - {{ window.length }} or tick_after <= {{ tick }} + step
    {%- endif %}
    {%- endfor %}
),

entities as (
    select window_kind, tick, version as model_version, calibration_bin, entity, count(*) as n, sum(label) as n_positive
    from placed
    group by 1, 2, 3, 4, 5
    having count(*) > 1
    union all
    select window_kind, tick, 'all' as model_version, calibration_bin, entity, count(*) as n, sum(label) as n_positive
    from placed
    group by 1, 2, 3, 4, 5
    having count(*) > 1
),

repeats as (
    select
        window_kind, tick, model_version, calibration_bin,
        sum(n_positive * (n_positive - 1)) as x_pp, sum(n_positive * (n - 1)) as x_pn, sum(n * (n - 1)) as x_nn, sum(n - 1) as again
    from entities
    group by 1, 2, 3, 4
)
{%- endmacro %}

{# The bin of a score: ten of equal width, the last one closed. #}
{% macro calibration_bin(score) %}{{ return("case when " ~ score ~ " >= 0.9 then 9 else cast(floor(10 * " ~ score ~ ") as integer) end") }}{% endmacro %}
