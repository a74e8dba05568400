{#
CTE `repeats`: what entities with several decisions in one window add to the second moments of the window, per target and reading (0 matured, 1 naive). Sums of squares over rows
are additive and come from the cells; the square of an entity's sum is not. With S an entity's sum of a quantity over its rows, each `x_` column is the sum over entities of
(S_a S_b - sum of a b over rows), which is 0 where every entity appears once; `again_` counts the rows of a set that are not their entity's first.

Only rows whose entity has another decision within the window's length are looked at, and the naive reading only where some decision is open: elsewhere it is the matured one.
Everything but the rank does not depend on the window: a set of rows of one entity stands together from the tick its last row enters to the tick its first one leaves, so its
products are computed once and added up over the ticks it stands. What a row adds to AUC does depend on the window and is looked up for each.

once: whether an entity decides only once, ever.
#}
{% macro performance_repeats(slices, windows, once=false) %}
{# gap: hours to the nearest other decision of the entity. Looked for on two columns, because a window carries along what it is given. #}
neighbours as (
    select entity, hour_tick, min(gap) as gap
    from (
        {%- if once %}
        select entity, hour_tick, null as gap from members where 1 = 0
        {%- else %}
        {{ baton.nearest_decisions('members', 'hour_tick') }}
        {%- endif %}
    ) as spaced_members
    where gap < {{ baton.longest_hours(windows) }}
    group by entity, hour_tick
),

near as (
    select members.*, neighbours.gap, cast(dense_rank() over (order by members.entity) as integer) as who
    from members
    inner join neighbours on members.entity = neighbours.entity and members.hour_tick = neighbours.hour_tick
),

spaced as (
    select
        near.*
        {%- for slice in [none] + slices %}
        {%- set order = "over (partition by who" ~ ("" if slice is none else ", " ~ baton.slice_column(slices, slice)) ~ " order by hour_tick)" %},
        lag(hour_tick) {{ order }} as before_{{ loop.index0 }}, lead(hour_tick) {{ order }} as after_{{ loop.index0 }}
        {%- endfor %}
    from near
),

linked as (
    {{ baton.linked_rows(slices, windows) }}
),

{{ baton.repeated_sets(windows) }},

{{ baton.repeated_ranks() }},

repeats as (
    select
        targets.target, standing.reading, coalesce(influences.x_influence, 0) as x_influence
        {%- for name in baton.repeat_terms() if name != 'x_influence' %},
        standing.{{ name }}
        {%- endfor %}
    from targets
    inner join standing
        on targets.line = standing.line and standing.tick <= targets.tick
        and (standing.next_tick > targets.tick or standing.next_tick is null) and (standing.reading = 0 or targets.is_open)
    left join influences on 2 * targets.target + standing.reading = influences.place
)
{%- endmacro %}

{#
Rows of `near` per series and reading, with y the label under it, and the ticks of the entity's decisions before and after it that have the same slice value. Most rows of a long
window have their neighbour outside of it; letting those in would cost ten times as much as what is counted.
#}
{% macro linked_rows(slices, windows) %}
{% set longest = baton.longest_hours(windows) %}
{% for slice in [none] + slices %}
{% set before, after = 'before_' ~ loop.index0, 'after_' ~ loop.index0 %}
{% for reading in [0, 1] %}
    {{ 'union all' if not (loop.first and slice is none) }}
    select
        series.series, {{ reading }} as reading, who, score, predicted_label, {{ ['label', 'seen_label'][reading] }} as y,
        coalesce(worth, 0) as worth, coalesce(worth_all, 0) as worth_all, coalesce(worth_none, 0) as worth_none,
        hour_tick, day_tick, {{ before }} as hour_before, {{ after }} as hour_after
    from spaced
    inner join series
        on series.slice_name = {{ baton.quoted(slice or 'overall') }} and series.slice_value = {{ "'all'" if slice is none else 'spaced.' ~ baton.slice_column(slices, slice) }}
        and (series.rank_version = 'all' or series.rank_version = spaced.version)
    where (hour_tick - {{ before }} < {{ longest }} or {{ after }} - hour_tick < {{ longest }})
        and {{ 'label is not null' if reading == 0 else 'hour_tick > series.open_after' }}
{%- endfor %}
{%- endfor %}
{%- endmacro %}

{# Cells whose rows stand in the denominator of each rate. #}
{% macro denominators() %}
    {{ return({
        'accuracy': ['tp', 'fp', 'fn', 'tn'], 'precision': ['tp', 'fp'], 'recall': ['tp', 'fn'], 'specificity': ['fp', 'tn'], 'f1': ['tp', 'fp', 'fn']
    }) }}
{% endmacro %}
