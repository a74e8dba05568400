{# CTE `influences`: x_influence per target and reading. influence: what a row adds to AUC, (its share of the other class below or above it - AUC) / rows of its class. #}
{% macro repeated_ranks(windows) %}
placements as (
    {%- for prefix in ['', 'naive_'] %}
    {%- set pos, neg, area = 'targets.' ~ prefix ~ 'n_pos', 'targets.' ~ prefix ~ 'n_neg', 'ranks.' ~ prefix ~ 'roc_auc' %}
    {{ 'union all' if not loop.first }}
    select
        2 * running.target + {{ loop.index0 }} as place, running.score,
        ({{ baton.below(prefix) }}) / nullif(2e0 * {{ neg }}, 0) / {{ pos }} - {{ area }} / {{ pos }} as influence_1,
        ({{ baton.above(prefix) }}) / nullif(2e0 * {{ pos }}, 0) / {{ neg }} - {{ area }} / {{ neg }} as influence_0
    from running
    inner join targets on running.target = targets.target
    inner join ranks on targets.target = ranks.target
    where targets.window_hours > (select min(gap) from near){{ ' and targets.is_open' if prefix }}
    {%- endfor %}
),

touching as (
    {%- for unit in baton.unique_names(windows | map(attribute='unit') | list) %}
    {{ 'union all' if not loop.first }}
    select
        2 * targets.target + linked.reading as place, linked.who, linked.y, case when targets.method = 'exact' then linked.score else linked.score_bin end as score
    from linked
    inner join {{ 'targets' if unit == 'whole' else 'target_ticks' }} as targets
        on linked.series = targets.series
        {%- if unit == 'whole' %}
        and targets.window_hours = 1000000000
    where linked.hour_tick <= {{ baton.hour_number(baton.as_of()) }} and (linked.hour_before is not null or linked.hour_after is not null)
        {%- else %}
        and targets.tick = linked.{{ unit }}_tick and targets.unit = '{{ unit }}'
    where (linked.{{ unit }}_before > targets.after_tick or linked.{{ unit }}_after <= targets.last_tick)
        {%- endif %}
        and (linked.reading = 0 or targets.is_open)
    {%- endfor %}
),

influences as (
    select place, {{ baton.stable_sum('influence * influence - influence_sq', 24) }} as x_influence
    from (
        select
            touching.place, touching.who,
            {{ baton.stable_sum('case when touching.y = 1 then influence_1 else influence_0 end', 18) }} as influence,
            {{ baton.stable_sum('case when touching.y = 1 then influence_1 * influence_1 else influence_0 * influence_0 end', 24) }} as influence_sq
        from touching
        inner join placements on touching.place = placements.place and touching.score = placements.score
        group by touching.place, touching.who
        having count(*) > 1
    ) as entities
    group by place
)
{%- endmacro %}
