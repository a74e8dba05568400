{#
CTEs `slice_sums` (sums per calibration bin) and `slice_scores` (score histogram). The rows are read once for the sums, into cells of all slices together, and every slice is
a roll-up of those. Scores hardly repeat within such cells, so the histogram is counted per slice.
#}
{% macro hourly_sums(slices) %}
{% set keys = ['hour', 'version'] + baton.numbered('slice_', slices) + ['part'] %}
cells as (
    select
        {{ keys | join(', ') }},
        {{ baton.calibration_bin('score') }} as calibration_bin,
        {%- for name, condition in baton.hourly_conditions().items() %}
        count({{ '*' if condition is none else 'case when ' ~ condition ~ ' then 1 end' }}) as {{ name }},
        {%- endfor %}
        {%- for name, amount in baton.hourly_amounts().items() %}
        sum({{ baton.fixed('coalesce(' ~ amount ~ ', 0)', baton.performance_fractions()[name]) }}) as {{ name }},
        {%- endfor %}
        sum(content) as content
    from facts
    group by {% for _ in keys %}{{ loop.index }}, {% endfor %}{{ keys | length + 1 }}
),

slice_sums as (
    {%- for slice in [none] + slices %}
    {{ 'union all' if not loop.first }}
    select
        hour, {{ baton.quoted(slice or 'overall') }} as slice_name, {{ baton.slice_column(slices, slice) }} as slice_value, version as model_version, part, calibration_bin,
        {{ baton.summed(baton.hourly_counts(), 'bigint') }},
        {{ baton.summed(baton.hourly_amounts(), 'decimal(38, 0)') }},
        cast(sum(content) as bigint) as content
    from cells
    group by 1, 2, 3, 4, 5, 6
    {%- endfor %}
)
{%- endmacro %}

{% macro hourly_scores(slices) %}
slice_scores as (
    {%- for slice in [none] + slices %}
    {{ 'union all' if not loop.first }}
    select
        hour, {{ baton.quoted(slice or 'overall') }} as slice_name, {{ baton.slice_column(slices, slice) }} as slice_value, version as model_version, part,
        {{ baton.score_bin('score') }} as score_bin,
        count(*) as n,
        count(case when seen_label = 1 then 1 end) as n_pos,
        cast(sum(cast(round(score * 1e{{ baton.score_digits() }}) as bigint)) as bigint) as expected
    from facts
    group by 1, 2, 3, 4, 5, 6
    {%- endfor %}
)
{%- endmacro %}

{# Bins 0.025 wide on the log-odds scale, from one in a million to its complement: fine where churn scores live, near 0. #}
{% macro score_bin(score) %}
    {% set p = "case when " ~ score ~ " < 1e-6 then 1e-6 when " ~ score ~ " > 1 - 1e-6 then 1 - 1e-6 else " ~ score ~ " end" %}
    {{ return("cast(floor(40 * ln((" ~ p ~ ") / (1 - (" ~ p ~ ")))) as integer)") }}
{% endmacro %}

{# The internal column of a slice; a literal for overall. #}
{% macro slice_column(slices, slice) %}
    {{ return("'all'" if slice is none else 'slice_' ~ (slices.index(slice) + 1)) }}
{% endmacro %}

{% macro summed(names, type=none) -%}
{% for name in names %}{{ 'sum(' ~ name ~ ')' if type is none else 'cast(sum(' ~ name ~ ') as ' ~ type ~ ')' }} as {{ name }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}

{# slice_1, slice_2, ...: internal names, so that no slice can collide with a column of ours. #}
{% macro numbered(prefix, names) %}
    {% set found = [] %}
    {% for name in names %}{% do found.append(prefix ~ loop.index) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}
