{#
CTEs `slice_sums` (what labels decide), `slice_expected` (what scores decide), both per calibration bin, and `slice_scores` (score histogram). Where everything is computed, the rows
go into cells of all slices together, and every slice is a roll-up of those. The changes of a refresh hardly share a cell: there a cell is a row. Scores hardly
repeat within such cells, so the histogram is counted per slice.
signed: facts have columns sign, 1 for what is added and -1 for what is taken off, and is_new, 1 where the decision was not counted before.
#}
{% macro hourly_sums(slices, signed=false) %}
{% set keys = ['hour', 'version'] + baton.numbered('slice_', slices) + ['part', 'predicted_label', 'seen_label'] %}
{% set digits = baton.performance_fractions() %}
{# Of a whole history cells are as many as decisions where hours are sparse: kept at once they would not fit, and computing them twice is cheaper than that. -#}
cells as {{ baton.materialized() if signed }}(
    select
        {{ keys | join(', ') }},
        {{ baton.calibration_bin('score') }} as calibration_bin,
        {%- for name, condition in baton.hourly_conditions().items() %}
        {{ baton.signed_count(condition) if signed else baton.counted(condition) }} as {{ name }},
        {%- endfor %}
        {%- for name, amount in baton.hourly_amounts().items() %}
        {{ baton.added(baton.fixed(('sign * ' if signed else '') ~ 'coalesce(' ~ amount ~ ', 0)', digits[name]), signed) }} as {{ name }},
        {%- endfor %}
        {%- for name, amount in baton.hourly_expected_amounts().items() %}
        {{ baton.added(baton.fixed('coalesce(' ~ amount ~ ', 0)', digits[name]), signed) }} as {{ name }},
        {%- endfor %}
        {{ baton.added('sign * content' if signed else 'content', signed) }} as content
        {%- if signed %}, is_new, {{ baton.histogram_place() }}{% endif %}
    from facts
    {%- if not signed %}
    group by {% for _ in keys %}{{ loop.index }}, {% endfor %}{{ keys | length + 1 }}
    {%- endif %}
),

slice_sums as (
    select
        hour, {{ baton.slice_name(slices) }} as slice_name, {{ baton.slice_value(slices) }} as slice_value, version as model_version, part, calibration_bin, predicted_label, seen_label,
        {{ baton.summed(baton.hourly_conditions(), 'bigint') }},
        {{ baton.summed(baton.hourly_amounts(), 'decimal(38, 0)') }},
        {{ baton.summed(['content'], 'bigint') }}
    from cells
    group by {{ baton.slice_sets(slices, 'hour, version, part, calibration_bin, predicted_label, seen_label') }}
),

slice_expected as (
    select
        hour, {{ baton.slice_name(slices) }} as slice_name, {{ baton.slice_value(slices) }} as slice_value, version as model_version, calibration_bin, predicted_label,
        {{ baton.summed(['n'], 'bigint') }},
        {{ baton.summed(baton.hourly_expected_amounts(), 'decimal(38, 0)') }}
    from cells
    {%- if signed %}
    where is_new = 1
    {%- endif %}
    group by {{ baton.slice_sets(slices, 'hour, version, calibration_bin, predicted_label') }}
)
{%- endmacro %}

{% macro hourly_scores(slices, signed=false) %}
{% if not signed -%}
scored as (
    select hour, version, part, seen_label {%- for slice in baton.numbered('slice_', slices) %}, {{ slice }}{% endfor %}, {{ baton.histogram_place() }}
    from facts
),

{% endif -%}
slice_scores as (
    select
        hour, {{ baton.slice_name(slices) }} as slice_name, {{ baton.slice_value(slices) }} as slice_value, version as model_version, part, score_bin,
        cast({{ 'sum(n)' if signed else 'count(*)' }} as bigint) as n,
        cast(sum(case when seen_label = 1 then {{ 'n' if signed else '1' }} else 0 end) as bigint) as n_pos,
        cast(sum({{ 'n * ' if signed }}expected) as bigint) as expected
    from {{ 'cells' if signed else 'scored' }}
    group by {{ baton.slice_sets(slices, 'hour, version, part, score_bin') }}
)
{%- endmacro %}

{# For a CTE that several others read: computed once. Otherwise DuckDB 2.0 lets every reader, and every set of a grouping, compute its projections again. #}
{% macro materialized() %}{{ return(adapter.dispatch('materialized', 'baton')()) }}{% endmacro %}

{% macro default__materialized() %}{{ return('') }}{% endmacro %}

{% macro duckdb__materialized() %}{{ return('materialized ') }}{% endmacro %}

{# How many rows meet a condition (none: all). #}
{% macro counted(condition) %}{{ return('count(' ~ ('*' if condition is none else 'case when ' ~ condition ~ ' then 1 end') ~ ')') }}{% endmacro %}

{# The same of one row: its sign, or 0. #}
{% macro signed_count(condition) %}{{ return('sign' if condition is none else 'case when ' ~ condition ~ ' then sign else 0 end') }}{% endmacro %}

{% macro added(amount, signed) %}{{ return(amount if signed else 'sum(' ~ amount ~ ')') }}{% endmacro %}

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

{# Where a row of `facts` stands in the score histogram, and what it adds. #}
{% macro histogram_place() %}{{ return(baton.score_bin('score') ~ ' as score_bin, cast(round(score * 1e' ~ baton.score_digits() ~ ') as bigint) as expected') }}{% endmacro %}

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
