{#
CTE `calibrated`: expected calibration error, and reliability and resolution of the Brier score, per needed window in the readings matured and naive, from ten bins of equal
width. With n_k rows, mean score p_k and positive rate o_k in bin k, and o overall: ECE = sum n_k |p_k - o_k| / n (Guo 2017), reliability = sum n_k (p_k - o_k)^2 / n,
resolution = sum n_k (o_k - o)^2 / n (Murphy 1973).
#}
{% macro performance_bins(windows, units) %}
{% set keys = ['slice_name', 'slice_value', 'version', 'calibration_bin'] %}
{% set sums = ['n_matured', 'n_pos', 'score_sum', 'n', 'naive_n_pos', 'naive_score_sum'] %}
{% for unit in units -%}
{{ unit }}_bins as (
    select {{ baton.tick(unit, 'hour_tick') }} as tick, slice_name, slice_value, version, calibration_bin, {{ baton.summed(sums) }}
    from (
        select hour_tick, {{ keys | join(', ') }}, {{ sums | join(', ') }}
        from hourly_cells
        union all
        select hour_tick, slice_name, slice_value, 'all' as version, calibration_bin, {{ sums | join(', ') }}
        from hourly_cells
    ) as version_bins
    where hour_tick > (select after_hour from scope) and hour_tick <= (select last_hour from scope)
    group by 1, 2, 3, 4, 5
),

{% endfor -%}
window_bins as (
    {%- for window in windows %}
    {{ 'union all' if not loop.first }}
    {%- if window.unit == 'whole' %}
    select {{ baton.quoted(window.name) }} as window_kind, {{ baton.last_tick('day') }} as tick, {{ keys | join(', ') }}, {{ baton.summed(sums) }}
    from day_bins
    where tick <= {{ baton.last_tick('day') }}
    group by {{ keys | join(', ') }}
    {%- else %}
    select {{ baton.quoted(window.name) }} as window_kind, tick, {{ keys | join(', ') }}, {{ sums | join(', ') }}
    from ({{ baton.sliding_sums(window.unit ~ '_bins', keys, sums, window.length) }}) as slid
    {%- endif %}
    {%- endfor %}
),

calibrated as (
    select
        needed.window_kind, needed.tick, needed.slice_name, needed.slice_value, needed.version,
        {{ baton.calibration_terms('window_bins.n_matured', 'window_bins.n_pos', 'window_bins.score_sum', 'needed.n_matured', 'needed.n_pos') }},
        {{ baton.calibration_terms('window_bins.n', 'window_bins.naive_n_pos', 'window_bins.naive_score_sum', 'needed.n', 'needed.naive_n_pos', 'naive_') }}
    from needed
    inner join window_bins
        on needed.window_kind = window_bins.window_kind and needed.tick = window_bins.tick and needed.slice_name = window_bins.slice_name
        and needed.slice_value = window_bins.slice_value and needed.version = window_bins.version
    group by needed.window_kind, needed.tick, needed.slice_name, needed.slice_value, needed.version, needed.n_matured, needed.n_pos, needed.n, needed.naive_n_pos
)
{%- endmacro %}

{# n, pos and the sum of scores of a bin; n_all and pos_all of the window. #}
{% macro calibration_terms(n, pos, scores, n_all, pos_all, prefix='') -%}
        {%- set double = baton.type_double() -%}
        {%- set gap = '(cast(' ~ scores ~ ' as ' ~ double ~ ') / 1e12 - ' ~ pos ~ ')' -%}
        {%- set lift = '(' ~ pos ~ ' - cast(' ~ n ~ ' as ' ~ double ~ ') * ' ~ pos_all ~ ' / ' ~ n_all ~ ')' -%}
        {{ baton.mean_over_bins('abs(' ~ gap ~ ')', n, n_all) }} as {{ prefix }}ece,
        {{ baton.mean_over_bins(gap ~ ' * ' ~ gap ~ ' / ' ~ n, n, n_all) }} as {{ prefix }}reliability,
        {{ baton.mean_over_bins(lift ~ ' * ' ~ lift ~ ' / ' ~ n, n, n_all) }} as {{ prefix }}resolution
{%- endmacro %}

{% macro mean_over_bins(term, n, n_all) %}
    {{ return(baton.unfixed('sum(' ~ baton.fixed('case when ' ~ n ~ ' > 0 then ' ~ term ~ ' else 0 end', 12) ~ ')', 12) ~ ' / nullif(' ~ n_all ~ ', 0)') }}
{% endmacro %}
