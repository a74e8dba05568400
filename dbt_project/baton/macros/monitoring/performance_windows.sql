{# CTEs `rolled` and `windows`: cells added up over every window they lie in, typed; n_all is the count over all versions of the same window and slice. #}
{% macro performance_windows(windows) %}
{% set keys = ['slice_name', 'slice_value', 'version'] %}
{% set sums = baton.performance_sums() %}
{% set digits = baton.reading_digits() %}
rolled as (
    {%- for window in windows %}
    {{ 'union all' if not loop.first }}
    {%- if window.unit == 'whole' %}
    select {{ baton.quoted(window.name) }} as window_kind, {{ baton.day_number(baton.hour_number(baton.as_of())) }} as tick, {{ keys | join(', ') }}, {{ baton.summed(sums) }}
    from day_cells
    group by {{ keys | join(', ') }}
    {%- else %}
    select {{ baton.quoted(window.name) }} as window_kind, tick, {{ keys | join(', ') }}, {{ sums | join(', ') }}
    from ({{ baton.sliding_sums(window.unit ~ '_cells', keys, sums, window.length) }}) as slid
    where tick <= {{ baton.last_tick(window.unit) }}
    {%- endif %}
    {%- endfor %}
),

windows as (
    select
        window_kind,
        {{ baton.by_window(windows, 'end') }} as window_end,
        cast(tick as integer) as tick, slice_name, slice_value, version,
        {%- for name in sums %}
        {{ baton.unfixed(name, digits[name]) if name in digits else 'cast(' ~ name ~ ' as bigint)' }} as {{ name }},
        {%- endfor %}
        max(case when version = 'all' then cast(n as bigint) end) over (partition by window_kind, tick, slice_name, slice_value) as n_all
    from rolled
)
{%- endmacro %}

{# The last tick a window may end at: the last full hour of now, or the midnight as_of(now). #}
{% macro last_tick(unit) %}
    {{ return(baton.hour_number(baton.this_hour()) if unit == 'hour' else baton.day_number(baton.hour_number(baton.as_of()))) }}
{% endmacro %}

{# What differs by window_kind, as one case expression: the instant the window ends (`end`) or its length in hours (`hours`; the whole history has a length no gap reaches). #}
{% macro by_window(windows, what) %}
    {% set cases = [] %}
    {% for window in windows %}
        {% set unit = 'hour' if window.unit == 'hour' else 'day' %}
        {% set value = baton.tick_end(unit, 'tick') if what == 'end' else (1000000000 if window.unit == 'whole' else window.length * (1 if unit == 'hour' else 24)) %}
        {% do cases.append("when " ~ baton.quoted(window.name) ~ " then " ~ value) %}
    {% endfor %}
    {{ return("case window_kind " ~ cases | join(' ') ~ " end") }}
{% endmacro %}

{# The longest of the windows, in hours: nothing further apart can stand in one of them. #}
{% macro longest_hours(windows) %}
    {% set lengths = [] %}
    {% for window in windows %}{% do lengths.append(1000000000 if window.unit == 'whole' else window.length * (1 if window.unit == 'hour' else 24)) %}{% endfor %}
    {{ return(lengths | max) }}
{% endmacro %}

{#
A select of keys, tick and sums: for every tick that has a row of `source` in the `length` ticks up to it, the sum over those. Sums of a block of ticks are added up first,
and blocks to windows: a window of 28 days costs 7 + 4 copies of a row in place of 28.
type: cast of the sums; needed where sums of whole numbers grow wider than they came, which makes every later step slower.
#}
{% macro sliding_sums(source, keys, sums, length, type=none) -%}
{% set block = namespace(size=length) %}
{% for size in range(2, length) if length % size == 0 and size + length // size < block.size + length // block.size %}{% set block.size = size %}{% endfor %}
{% set steps = [(block.size, 1)] if block.size == length else [(block.size, 1), (length // block.size, block.size)] %}
{% set sql = namespace(source=source) %}
{% for copies, stride in steps if copies > 1 %}
    {% set sql.source = "(select " ~ keys | join(', ') ~ ", tick + step as tick, " ~ baton.summed(sums, type) ~ " from " ~ sql.source ~ " as summed_" ~ loop.index
        ~ " cross join (" ~ baton.steps(copies, stride) ~ ") as steps group by " ~ keys | join(', ') ~ ", tick + step)" %}
{% endfor %}
select {{ keys | join(', ') }}, tick, {{ sums | join(', ') }} from {{ sql.source }} as slid_ticks
{%- endmacro %}

{# 0, stride, 2 stride, ...: n rows of column step. #}
{% macro steps(n, stride=1) %}
    {% set rows = [] %}
    {% for i in range(n) %}{% do rows.append('select ' ~ i * stride ~ ' as step') %}{% endfor %}
    {{ return(rows | join(' union all ')) }}
{% endmacro %}
