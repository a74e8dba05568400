{#
CTEs `kinds` (number, feature, kind: the features) and `base`: what is compared, one row per prediction: day, version and one column per feature, numbered, because a feature
may have any name. Score alone needs no join (`scored`).
#}
{% macro drift_base(features, columns) -%}
kinds as (
    {%- for column in columns %}
    {{ 'union all' if not loop.first }}
    select {{ loop.index0 }} as number, {{ baton.quoted(column.name) }} as feature, {{ baton.quoted('category' if column.kind == 'category' else 'number') }} as kind
    {%- endfor %}
),

needed_days as (
    select distinct day_parts.day
    from day_parts
    inner join targets on day_parts.day > targets.window_start and day_parts.day <= targets.window_end
),

scored as (
    select log.prediction_id, log.day, log.version, log.score as f0
    from log
    inner join needed_days on log.day = needed_days.day
),

base as (
    select
        scored.day, scored.version
        {%- for column in columns[1:] %},
        {{ baton.drift_value('features.' ~ baton.quoted_name(column.name), column.kind) }} as f{{ loop.index }}
        {%- endfor %}
    from scored
    {%- if columns | length > 1 %}
    inner join {{ features }} as features on scored.prediction_id = features.prediction_id
    {%- endif %}
)
{%- endmacro %}

{# A feature as a number or as text. #}
{% macro drift_value(expression, kind) %}
    {% if kind == 'flag' %}{{ return("case when " ~ expression ~ " then 1.0e0 when not " ~ expression ~ " then 0.0e0 end") }}{% endif %}
    {{ return(baton.finite(expression) if kind == 'number' else "cast(" ~ expression ~ " as " ~ dbt.type_string() ~ ")") }}
{% endmacro %}

{# A column name as an identifier, whatever is in it. #}
{% macro quoted_name(name) %}
    {{ return('"' ~ (name | replace('"', '""')) ~ '"') }}
{% endmacro %}

{#
CTEs `series` (series, target, version, number: one feature in one window), `current_bins` (series, bin, part, n) and
`current_codes` (series, code, n, offsets, n_outside; only if `fine`): counts per window, maybe several rows per bin. part: a value the reference never saw, else ''. Numbers are counted once per day in both: bin of the stored edges, code of the fine grid;
offsets = sum of the place inside the code in 2^-20 widths, in the tails of the distance from the grid. Whole numbers as doubles: their sums are exact and cheap.
#}
{% macro drift_cells(columns, origin, edges, longest, fine) -%}
{% set float = baton.type_double() %}
{% set texts = columns | selectattr('kind', 'eq', 'category') | list %}
series as (
    select targets.target * {{ columns | length }} + kinds.number as series, targets.target, targets.version, kinds.number
    from targets
    cross join kinds
),

{{ baton.drift_number_cells(baton.drift_numbers(columns), origin, edges, fine) }},

category_cells as (
    {%- for column in texts %}
    {{ 'union all' if not loop.first }}
    select {{ columns.index(column) }} as number, day, version, f{{ columns.index(column) }} as category, cast(count(*) as {{ float }}) as n
    from base
    group by day, version, f{{ columns.index(column) }}
    {%- else %}
    select 0 as number, day, version, cast(null as {{ dbt.type_string() }}) as category, cast(0 as {{ float }}) as n
    from scored
    where 1 = 0
    {%- endfor %}
),

window_cells as (
    select targets.target * {{ columns | length }} + number_cells.number as series, number_cells.bin, number_cells.n{{ ', number_cells.code, number_cells.offsets' if fine }}
    from targets
    inner join number_cells on number_cells.version = targets.version and {{ baton.drift_inside('number_cells.day', longest) }}
),

{# bin: of the reference; -1 null, -2 never seen #}
window_categories as (
    select
        targets.target * {{ columns | length }} + category_cells.number as series, category_cells.n,
        case when category_cells.category is not null and reference_categories.bin is null then category_cells.category else '' end as part,
        case when category_cells.category is null then -1 else coalesce(reference_categories.bin, -2) end as bin
    from targets
    inner join category_cells on category_cells.version = targets.version and {{ baton.drift_inside('category_cells.day', longest) }}
    inner join kinds on category_cells.number = kinds.number
    {%- if origin is not none %}
    inner join scales on category_cells.version = scales.version and kinds.feature = scales.feature
    {%- endif %}
    left join reference_categories
        on category_cells.version = reference_categories.version and kinds.feature = reference_categories.feature
        and category_cells.category = reference_categories.category
),

current_bins as (
    select series, bin, '' as part, sum(n) as n
    from window_cells
    group by series, bin
    union all
    select series, bin, part, n from window_categories
)
{%- if fine %},

current_codes as (
    select
        series, case when code < -1 then -1 when code > 4096 then 4096 else code end as code, n, offsets,
        case when code < -1 or code > 4096 then n else 0 end as n_outside
    from window_cells
    where code is not null
)
{%- endif %}
{%- endmacro %}

{# Whether a day lies in a window; where every window is a day, a plain equality is a faster join. #}
{% macro drift_inside(day, longest) %}
    {{ return(day ~ ' = targets.window_end' if longest == 1 else day ~ ' > targets.window_start and ' ~ day ~ ' <= targets.window_end') }}
{% endmacro %}

{# Numbers of the features that are numbers: their places in `columns`. #}
{% macro drift_numbers(columns) %}
    {% set found = [] %}
    {% for column in columns if column.kind != 'category' %}{% do found.append(columns.index(column)) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}

{#
CTE `number_cells`: counts of every number of `scored` and `base` per day, version, bin and, if `fine`, code. Codes -2 and 4097 lie outside the reference's min and max.
numbers: see `drift_numbers`; of: before the names of these CTEs, to count another side.
All of them stand in one column here: a block of SQL for each would be half of the statement, and planning it half of the time of a day's few rows.
#}
{% macro drift_number_cells(numbers, origin, edges, fine=true, of='') -%}
{{ of }}moved as (
    {%- for number in numbers %}
    {{ 'union all' if not loop.first }}
    select {{ number }} as number, day, version, f{{ number }} as x from {{ of }}{{ 'scored' if number == 0 else 'base' }}
    {%- endfor %}
),

{{ of }}numbered_scales as (
    select kinds.number, scales.*
    from scales
    inner join kinds on scales.feature = kinds.feature
),

{{ of }}placed_in_bins as (
    select
        moved.number, moved.day, moved.version, case when moved.x is null then -1 else {{ baton.drift_tree('moved.x', 0, edges) }} end as bin
        {%- if fine %},
        moved.x, numbered_scales.high, numbered_scales.lowest, numbered_scales.highest,
        (moved.x - numbered_scales.low) / numbered_scales.width as position, (moved.x - numbered_scales.high) / numbered_scales.width as beyond
        {%- endif %}
    from {{ of }}moved as moved
    {{ 'left' if origin is none else 'inner' }} join {{ of }}numbered_scales as numbered_scales on moved.version = numbered_scales.version and moved.number = numbered_scales.number
),

{% if not fine -%}
{{ of }}number_cells as (
    select number, day, version, bin, cast(count(*) as {{ baton.type_double() }}) as n
    from {{ of }}placed_in_bins as placed_in_bins
    group by number, day, version, bin
)
{%- else -%}
{{ of }}placed_in_codes as (
    select
        placed_in_bins.*,
        cast(case when position < 0 then case when x < lowest then -2 else -1 end when x > high then case when x > highest then 4097 else 4096 end
            when position >= 4095 then 4095 else floor(position) end as integer) as code
    from {{ of }}placed_in_bins as placed_in_bins
),

{{ of }}number_cells as (
    select number, day, version, bin, code, cast(count(*) as {{ baton.type_double() }}) as n, sum(offsets) as offsets
    from (
        select
            number, day, version, bin, code,
            floor(1048576 * case
                when code < 0 then case when -position <= 1e6 then -position else 1e6 end
                when code > 4095 then case when beyond <= 1e6 then beyond else 1e6 end
                when position - code < 1 then position - code
                when position is not null then 1 end) as offsets
        from {{ of }}placed_in_codes
    ) as placed
    group by number, day, version, bin, code
)
{%- endif %}
{%- endmacro %}

{# How many of the ascending edges e1, e2, ... are <= x, by halving; missing edges are null and count as larger. #}
{% macro drift_tree(x, lowest, highest) %}
    {% if lowest == highest %}{{ return(lowest | string) }}{% endif %}
    {% set middle = (lowest + highest + 1) // 2 %}
    {{ return("case when " ~ x ~ " >= e" ~ middle ~ " then " ~ baton.drift_tree(x, middle, highest)
        ~ " else " ~ baton.drift_tree(x, lowest, middle - 1) ~ " end") }}
{% endmacro %}
