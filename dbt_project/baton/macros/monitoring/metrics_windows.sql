{# CTE `metric_cells`: per metric, entity, full hour (at or after `at`) and slice: n rows, n_missing, a and b as whole numbers of 10^-6. Rows after now wait. #}
{% macro metric_cells(metrics, relations) %}
{% for name, metric in metrics.items() %}
{% set i = loop.index %}
{% set a, b, counted = baton.metric_parts(metric) %}
metric_rows_{{ i }} as (
    select
        coalesce(cast({{ metric.entity }} as {{ dbt.type_string() }}), '(none)') as entity,
        {{ baton.next_full('hour', metric.at) }} as tick,
        {%- for slice in metric.slices %}
        coalesce(cast({{ slice }} as {{ dbt.type_string() }}), '(none)') as slice_{{ loop.index }},
        {%- endfor %}
        case when {{ counted }} then {{ a }} end as a,
        case when {{ counted }} then {{ b }} end as b
    from {{ relations[metric.model] }}
    where {{ metric.at }} <= {{ baton.now() | trim }} {%- if metric.where %} and ({{ metric.where }}){% endif %}
),
{% endfor %}

metric_rows as (
    {%- for name, metric in metrics.items() %}
    {%- set i = loop.index %}
    {{ 'union all' if i > 1 }}
    select {{ baton.quoted(name) }} as metric, entity, tick, 'overall' as slice_name, 'all' as slice_value, a, b from metric_rows_{{ i }}
    {%- for slice in metric.slices %}
    union all
    select {{ baton.quoted(name) }} as metric, entity, tick, {{ baton.quoted(slice) }} as slice_name, slice_{{ loop.index }} as slice_value, a, b from metric_rows_{{ i }}
    {%- endfor %}
    {%- else %}
    select '' as metric, '' as entity, {{ baton.as_of() }} as tick, '' as slice_name, '' as slice_value, 0e0 as a, 0e0 as b where 1 = 0
    {%- endfor %}
),

metric_cells as (
    select
        metric, entity, tick, slice_name, slice_value,
        count(a) as n,
        count(*) - count(a) as n_missing,
        coalesce(sum({{ baton.fixed('a', 6) }}), 0) as a,
        coalesce(sum({{ baton.fixed('b', 6) }}), 0) as b
    from metric_rows
    group by metric, entity, tick, slice_name, slice_value
)
{%- endmacro %}

{# The full hour or the midnight at or after an instant. #}
{% macro next_full(unit, at) %}
    {{ return("case when " ~ at ~ " = date_trunc('" ~ unit ~ "', " ~ at ~ ") then date_trunc('" ~ unit ~ "', " ~ at ~ ") else date_trunc('" ~ unit ~ "', " ~ at ~ ") + "
        ~ baton.interval('1 ' ~ unit) ~ " end") }}
{% endmacro %}

{# CTE `metric_ends`: the windows of each metric; one ends where its last hour or day holds a row. #}
{% macro metric_ends(windows) %}
metric_ticks as (
    select distinct metric, tick from metric_cells where slice_name = 'overall'
),

metric_ends as (
    {%- for kind, length in windows.items() %}
    {{ 'union all' if not loop.first }}
    {%- if length is none %}
    select distinct metric, {{ baton.quoted(kind) }} as window_kind, {{ baton.as_of() }} as window_end, timestamp '0001-01-01 00:00:00' as window_start
    from metric_ticks
    where tick <= {{ baton.as_of() }}
    {%- else %}
    select metric, {{ baton.quoted(kind) }} as window_kind, ends_at as window_end, ends_at - {{ baton.interval(length.n ~ ' ' ~ length.unit ~ 's') }} as window_start
    from (select distinct metric, {{ baton.next_full(length.unit, 'tick') }} as ends_at from metric_ticks) as ends_{{ loop.index }}
    where ends_at <= date_trunc('{{ length.unit }}', {{ baton.now() | trim }})
    {%- endif %}
    {%- endfor %}
)
{%- endmacro %}

{#
CTE `metric_moments`: sums over a window, and sums of products of the entities' sums, which every cluster-robust variance is made of. An entity that has no other row within a window's
length is alone in every such window: its products are its row's own and add up by hour. Only the others are gathered per window and entity.
#}
{% macro metric_moments(windows) %}
{% set digits = {'a': 6, 'b': 6, 'aa': 4, 'ab': 4, 'bb': 4, 'an': 4} %}
{% set names = ['n', 'n_missing', 'n_entities'] + (digits | list) + ['nn'] %}
spaced_cells as (
    select metric_cells.*, {{ baton.hours_to_nearest() }} as gap
    from metric_cells
),

lone_hours as (
    {%- for kind, length in windows.items() %}
    {{ 'union all' if not loop.first }}
    select {{ baton.quoted(kind) }} as window_kind, metric, slice_name, slice_value, tick, {{ baton.metric_sums() }}
    from (select metric, slice_name, slice_value, tick, n, n_missing, a as a_fixed, b as b_fixed, {{ baton.unfixed('a', 6) }} as a, {{ baton.unfixed('b', 6) }} as b
        from spaced_cells where gap >= {{ baton.window_hours(length) }}) as lone_{{ loop.index }}
    group by metric, slice_name, slice_value, tick
    {%- endfor %}
),

repeated_cells as (
    {%- for kind, length in windows.items() %}
    {{ 'union all' if not loop.first }}
    select {{ baton.quoted(kind) }} as window_kind, spaced_cells.* from spaced_cells where gap < {{ baton.window_hours(length) }}
    {%- endfor %}
),

metric_entities as (
    select
        ends.metric, ends.window_kind, ends.window_end, cells.slice_name, cells.slice_value, cells.entity,
        cast(sum(cells.n) as bigint) as n,
        cast(sum(cells.n_missing) as bigint) as n_missing,
        sum(cells.a) as a_fixed,
        sum(cells.b) as b_fixed,
        {{ baton.unfixed('sum(cells.a)', 6) }} as a,
        {{ baton.unfixed('sum(cells.b)', 6) }} as b
    from metric_ends as ends
    inner join repeated_cells as cells
        on ends.metric = cells.metric and ends.window_kind = cells.window_kind and cells.tick > ends.window_start and cells.tick <= ends.window_end
    group by 1, 2, 3, 4, 5, 6
),

window_moments as (
    select metric, window_kind, window_end, slice_name, slice_value, {{ baton.metric_sums() }}
    from metric_entities
    group by metric, window_kind, window_end, slice_name, slice_value
    union all
    select ends.metric, ends.window_kind, ends.window_end, hours.slice_name, hours.slice_value, {% for name in names %}hours.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
    from metric_ends as ends
    inner join lone_hours as hours
        on ends.metric = hours.metric and ends.window_kind = hours.window_kind and hours.tick > ends.window_start and hours.tick <= ends.window_end
),

metric_moments as (
    select
        metric, window_kind, window_end, slice_name, slice_value,
        {%- for name in ['n', 'n_missing', 'n_entities'] %}
        cast(sum({{ name }}) as bigint) as {{ name }},
        {%- endfor %}
        {%- for name, kept in digits.items() %}
        {{ baton.unfixed('sum(' ~ name ~ ')', kept) }} as {{ {'a': 'numerator', 'b': 'denominator'}.get(name, name) }},
        {%- endfor %}
        cast(sum(nn) as {{ baton.type_double() }}) as nn
    from window_moments
    group by metric, window_kind, window_end, slice_name, slice_value
)
{%- endmacro %}

{# Sums over entities, fractions as whole numbers of 10^-digits. #}
{% macro metric_sums() -%}
sum(n) as n, sum(n_missing) as n_missing, sum(case when n > 0 then 1 else 0 end) as n_entities, sum(a_fixed) as a, sum(b_fixed) as b
    {%- for name, product in {'aa': 'a * a', 'ab': 'a * b', 'bb': 'b * b', 'an': 'a * n'}.items() %}, sum({{ baton.fixed(product, 4) }}) as {{ name }}{% endfor %}, sum(n * n) as nn
{%- endmacro %}

{# Hours from an entity's cell to the nearest other one of the same metric and slice value. #}
{% macro hours_to_nearest() %}
    {% set window = "over (partition by metric, slice_name, slice_value, entity order by tick)" %}
    {% set before = dbt.datediff("lag(tick) " ~ window, "tick", "hour") | trim %}
    {% set after = dbt.datediff("tick", "lead(tick) " ~ window, "hour") | trim %}
    {{ return("least(coalesce(" ~ after ~ ", 1000000000), coalesce(" ~ before ~ ", 1000000000))") }}
{% endmacro %}

{# Length of a window in hours; `whole` is longer than any gap and shorter than none. #}
{% macro window_hours(length) %}
    {{ return(999999999 if length is none else length.n * (24 if length.unit == 'day' else 1)) }}
{% endmacro %}

{# CTE `sized`: value, its variance, and the effective size behind a share. #}
{% macro metric_spreads(metrics) %}
valued as (
    select
        metric_moments.*,
        kinds.kind,
        case when kinds.kind = 'total' then case when n > 0 then numerator end else numerator / nullif(denominator, 0) end as value
    from metric_moments
    inner join (
        {%- for name, metric in metrics.items() %}
        {{ 'union all' if not loop.first }} select {{ baton.quoted(name) }} as metric, {{ baton.quoted(metric.kind) }} as kind
        {%- else %}
        select '' as metric, '' as kind where 1 = 0
        {%- endfor %}
    ) as kinds on metric_moments.metric = kinds.metric
),

scattered as (
    select
        valued.*,
        case when kind = 'total' then aa - 2 * (value / n) * an + (value / n) * (value / n) * nn else aa - 2 * value * ab + value * value * bb end as squares
    from valued
),

varied as (
    select
        scattered.*,
        case
            when value is null then null
            when kind = 'share' then (case when squares > 0 then squares else 0 end) / (denominator * denominator)
            when n_entities < 2 then null
            else (case when squares > 0 then squares else 0 end) / (case when kind = 'total' then 1 else denominator * denominator end)
                * n_entities / (n_entities - 1.0)
        end as value_variance
    from scattered
),

sized as (
    select varied.*, {{ baton.effective_n('value', 'n_entities') }} as size
    from varied
)
{%- endmacro %}
