{#
CTEs `slice_sums` (sums per calibration bin) and `slice_scores` (score histogram). The rows are read once for the sums, into cells of all slices together, and every slice is
a roll-up of those. Scores hardly repeat within such cells, so the histogram is counted per slice.
signed: facts have a column sign, 1 for what is added and -1 for what is taken off.
#}
{% macro hourly_sums(slices, signed=false) %}
{% set keys = ['hour', 'version'] + baton.numbered('slice_', slices) + ['part'] %}
{% set sign = 'sign * ' if signed else '' %}
cells as (
    select
        {{ keys | join(', ') }},
        {{ baton.calibration_bin('score') }} as calibration_bin,
        {%- for name, condition in baton.hourly_conditions().items() %}
        {{ baton.counted(condition, signed) }} as {{ name }},
        {%- endfor %}
        {%- for name, amount in baton.hourly_amounts().items() %}
        sum({{ baton.fixed(sign ~ 'coalesce(' ~ amount ~ ', 0)', baton.performance_fractions()[name]) }}) as {{ name }},
        {%- endfor %}
        sum({{ sign }}content) as content
    from facts
    group by {% for _ in keys %}{{ loop.index }}, {% endfor %}{{ keys | length + 1 }}
),

slice_sums as (
    select
        hour, {{ baton.slice_name(slices) }} as slice_name, {{ baton.slice_value(slices) }} as slice_value, version as model_version, part, calibration_bin,
        {{ baton.summed(baton.hourly_counts(), 'bigint') }},
        {{ baton.summed(baton.hourly_amounts(), 'decimal(38, 0)') }},
        {{ baton.summed(['content'], 'bigint') }}
    from cells
    group by {{ baton.slice_sets(slices, 'hour, version, part, calibration_bin') }}
)
{%- endmacro %}

{% macro hourly_scores(slices, signed=false) %}
scored as (
    select
        hour, version, part, {{ baton.score_bin('score') }} as score_bin, seen_label, cast(round(score * 1e{{ baton.score_digits() }}) as bigint) as expected
        {%- for slice in baton.numbered('slice_', slices) %}, {{ slice }}{% endfor %}
        {%- if signed %}, sign{% endif %}
    from facts
),

slice_scores as (
    select
        hour, {{ baton.slice_name(slices) }} as slice_name, {{ baton.slice_value(slices) }} as slice_value, version as model_version, part, score_bin,
        cast({{ baton.counted(none, signed) }} as bigint) as n,
        cast({{ baton.counted('seen_label = 1', signed) }} as bigint) as n_pos,
        cast(sum({{ 'sign * ' if signed }}expected) as bigint) as expected
    from scored
    group by {{ baton.slice_sets(slices, 'hour, version, part, score_bin') }}
)
{%- endmacro %}

{# How many rows meet a condition (none: all); signed: those added less those taken off. #}
{% macro counted(condition, signed) %}
    {% if not signed %}{{ return('count(' ~ ('*' if condition is none else 'case when ' ~ condition ~ ' then 1 end') ~ ')') }}{% endif %}
    {{ return('sum(' ~ ('sign' if condition is none else 'case when ' ~ condition ~ ' then sign else 0 end') ~ ')') }}
{% endmacro %}

{# Grouping by `keys`, once for all rows and once per slice. slice_name and slice_value of such a group: a slice that it is not grouped by is null, and no value of one is. #}
{% macro slice_sets(slices, keys) -%}
grouping sets (({{ keys }}){% for slice in baton.numbered('slice_', slices) %}, ({{ keys }}, {{ slice }}){% endfor %})
{%- endmacro %}

{% macro slice_name(slices) -%}
    {% if not slices %}{{ return("'overall'") }}{% endif -%}
case {% for slice in slices %}when slice_{{ loop.index }} is not null then {{ baton.quoted(slice) }} {% endfor %}else 'overall' end
{%- endmacro %}

{% macro slice_value(slices) %}
    {{ return("coalesce(" ~ (baton.numbered('slice_', slices) + ["'all'"]) | join(', ') ~ ")" if slices else "'all'") }}
{% endmacro %}

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
