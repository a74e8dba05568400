{#
CTE `steps`: per target and distinct score (exact) or score bin (binned): pos and neg of matured decisions, open_pos, n of all, and the sum of scores in units of 1e-12.
Exact targets read decisions; binned ones read the hours' histograms, added up over ticks and then over windows, on whole-number keys.
#}
{% macro rank_steps(hourly, slices, windows) %}
{% set sums = ['pos', 'neg', 'open_pos', 'n', 'expected'] %}
{% set units = baton.unique_names(windows | map(attribute='unit') | list) %}
exact_scores as (
    {{ baton.target_members(slices, windows, 'targets.target, members.score, members.label, members.seen_label', "targets.method = 'exact'") }}
),

binned_targets as (
    select target, window_kind, tick, series
    from targets
    where method = 'binned'
),

{% for unit in units if unit != 'whole' -%}
binned_{{ unit }}s as (
    select wanted.series, wanted.tick, hourly.score_bin, {{ baton.histogram_sums() }}
    from {{ hourly }} as hourly
    inner join (
        select distinct series, tick, slice_name, slice_value, rank_version
        from target_ticks
        where method = 'binned' and unit = '{{ unit }}'
    ) as wanted
        on hourly.slice_name = wanted.slice_name and hourly.slice_value = wanted.slice_value
        and {{ baton.tick(unit, baton.hour_number('hourly.hour')) }} = wanted.tick
        and (wanted.rank_version = 'all' or wanted.rank_version = hourly.model_version)
    where hourly.kind = 'scores'
    group by 1, 2, 3
),

{% endfor -%}
steps as (
    {{ baton.exact_steps() }}
    {%- for window in windows %}
    union all
    select binned_targets.target, cast(slid.score_bin as {{ baton.type_double() }}) as score, slid.{{ sums | join(', slid.') }}
    from binned_targets
    {%- if window.unit == 'whole' %}
    inner join (
        select series.series, hourly.score_bin, {{ baton.histogram_sums() }}
        from {{ hourly }} as hourly
        inner join (select * from series where series in (select series from binned_targets)) as series
            on hourly.slice_name = series.slice_name and hourly.slice_value = series.slice_value
            and (series.rank_version = 'all' or series.rank_version = hourly.model_version)
        where hourly.kind = 'scores' and hourly.hour <= {{ baton.as_of() }}
        group by 1, 2
    ) as slid on binned_targets.series = slid.series
    {%- else %}
    inner join ({{ baton.sliding_histograms('binned_' ~ window.unit ~ 's', sums, window.length) }}) as slid
        on binned_targets.series = slid.series and binned_targets.tick = slid.tick
    {%- endif %}
    where binned_targets.window_kind = {{ baton.quoted(window.name) }}
    {%- endfor %}
)
{%- endmacro %}

{# A select of the steps of exact targets. On DuckDB one per row: scores hardly repeat, and `running_sums` adds up those that do. #}
{% macro exact_steps() %}{{ return(adapter.dispatch('exact_steps', 'baton')()) }}{% endmacro %}

{% macro default__exact_steps() -%}
select
        target, score, count(case when label = 1 then 1 end) as pos, count(case when label = 0 then 1 end) as neg,
        count(case when label is null and seen_label = 1 then 1 end) as open_pos, count(*) as n,
        count(*) * cast(round(score * 1e12) as bigint) as expected
    from exact_scores
    group by target, score
{%- endmacro %}

{% macro duckdb__exact_steps() -%}
select
        target, score, cast(coalesce(label = 1, false) as bigint) as pos, cast(coalesce(label = 0, false) as bigint) as neg,
        cast(label is null and seen_label = 1 as bigint) as open_pos, cast(1 as bigint) as n, cast(round(score * 1e12) as bigint) as expected
    from exact_scores
{%- endmacro %}

{# The sums of `steps` over rows of the hours' histograms. #}
{% macro histogram_sums() -%}
cast(sum(case when hourly.part = 'matured' then hourly.n_pos else 0 end) as bigint) as pos,
        cast(sum(case when hourly.part = 'matured' then hourly.n - hourly.n_pos else 0 end) as bigint) as neg,
        cast(sum(case when hourly.part = 'open' then hourly.n_pos else 0 end) as bigint) as open_pos,
        cast(sum(hourly.n) as bigint) as n, cast(sum(1000 * hourly.expected) as bigint) as expected
{%- endmacro %}

{#
A select of series, score_bin, tick and sums: what `sliding_sums` gives for the keys series and score_bin. On DuckDB each row enters a bin at its tick and leaves it `length` ticks
later, one sorted pass adds up what comes and goes, and what stands until the next change is written out: half of the CPU of adding up copies. At the end of a bin nothing is left, so
one pass serves all bins. (Order over a sorted subquery: as in `running_sums`.)
#}
{% macro sliding_histograms(source, sums, length) %}
    {{ return(baton.sliding_sums(source, ['series', 'score_bin'], sums, length, 'bigint') if length == 1
        else adapter.dispatch('sliding_histograms', 'baton')(source, sums, length)) }}
{% endmacro %}

{% macro default__sliding_histograms(source, sums, length) %}
    {{ return(baton.sliding_sums(source, ['series', 'score_bin'], sums, length, 'bigint')) }}
{% endmacro %}

{% macro duckdb__sliding_histograms(source, sums, length) -%}
select series, score_bin, cast(unnest(range(tick, next_tick)) as integer) as tick, {{ sums | join(', ') }}
from (
    select
        series, score_bin, tick, lead(tick) over () as next_tick,
        {%- for name in sums %}
        cast(sum({{ name }}) over (rows between unbounded preceding and current row) as bigint) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select series, score_bin, tick, {{ sums | join(', ') }} from {{ source }}
        union all
        select series, score_bin, tick + {{ length }} as tick, -{{ sums | join(', -') }} from {{ source }}
        order by series, score_bin, tick
    ) as moves
) as standing_bins
where n > 0 and next_tick > tick
{%- endmacro %}
