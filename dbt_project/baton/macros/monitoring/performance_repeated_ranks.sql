{#
CTE `influences`: x_influence per place, which is 2 target + reading. influence: what a row adds to AUC, (its share of the other class below or above it - AUC) / rows of its class.
Most sets are pairs: their product needs no sum over the entity. Larger ones have it, because pairs of many rows are too many.
#}
{% macro repeated_ranks() %}
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

paired as (
    {{ baton.sets_at_targets(
        {'score_1': 'sets.score_1', 'y_1': 'sets.y_1', 'score_2': 'sets.score_2', 'y_2': 'sets.y_2'}, 'sets.n_rows = 2') }}
),

crowded as (
    {{ baton.sets_at_targets({'who': 'sets.who', 'score': 'entering.score', 'y': 'entering.y'}, 'sets.n_rows > 2',
        'inner join entering on ' ~ baton.inside_span('sets')) }}
),

influences as (
    select place, {{ baton.unfixed('sum(x_influence)', 24) }} as x_influence
    from (
        select paired.place, {{ baton.fixed('2 * case when y_1 = 1 then one.influence_1 else one.influence_0 end * case when y_2 = 1 then other.influence_1 else other.influence_0 end', 24) }} as x_influence
        from paired
        inner join placements as one on paired.place = one.place and paired.score_1 = one.score
        inner join placements as other on paired.place = other.place and paired.score_2 = other.score
        union all
        select place, {{ baton.fixed('influence * influence - influence_sq', 24) }}
        from (
            select
                crowded.place, crowded.who, {{ baton.stable_sum('case when y = 1 then influence_1 else influence_0 end', 18) }} as influence,
                {{ baton.stable_sum('case when y = 1 then influence_1 * influence_1 else influence_0 * influence_0 end', 24) }} as influence_sq
            from crowded
            inner join placements on crowded.place = placements.place and crowded.score = placements.score
            group by crowded.place, crowded.who
        ) as entities
    ) as products
    group by place
)
{%- endmacro %}

{# A select of place and `columns` ({name: expression}): sets that meet `where`, once per target they stand in; of a score what the target ranks by. #}
{% macro sets_at_targets(columns, where, join='') -%}
select
        2 * targets.target + sets.reading as place
        {%- for name, column in columns.items() %},
        {%- if name.startswith('score') %}
        case when targets.method = 'exact' then {{ column }} else cast({{ baton.score_bin(column) }} as {{ baton.type_double() }}) end as {{ name }}
        {%- else %} {{ column }} as {{ name }}
        {%- endif %}
        {%- endfor %}
    from sets
    inner join targets on sets.line = targets.line and sets.tick <= targets.tick and sets.next_tick > targets.tick and (sets.reading = 0 or targets.is_open)
    {{ join }}
    where {{ where }}
{%- endmacro %}
