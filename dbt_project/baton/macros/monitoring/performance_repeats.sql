{#
CTEs `repeats_matured` and `repeats_naive`: what entities with several decisions in one window add to the second moments of the window, per target. Sums of squares over rows are
additive and come from the cells; the square of an entity's sum is not. With S an entity's sum of a quantity over its rows, each `x_` column is the sum over entities of
(S_a S_b - sum of a b over rows), which is 0 where every entity appears once. Only rows whose entity has another decision within the window's length are looked at, and the naive
reading only where some decision is open: elsewhere it is the matured one.
#}
{% macro performance_repeats(slices, windows) %}
{% set double = baton.type_double() %}
near as (
    select *
    from members
    where gap < {{ baton.longest_hours(windows) }}
),

touching as (
    {{ baton.near_members(slices, windows) }}
),

touching_placed as (
    select
        touching.*,
        targets.is_open,
        case
            when touching.label = 1 then ({{ baton.below() }}) / nullif(2e0 * targets.n_neg, 0) / targets.n_pos - ranks.roc_auc / targets.n_pos
            else ({{ baton.above() }}) / nullif(2e0 * targets.n_pos, 0) / targets.n_neg - ranks.roc_auc / targets.n_neg
        end as influence,
        case
            when touching.seen_label = 1 then ({{ baton.below('naive_') }}) / nullif(2e0 * targets.naive_n_neg, 0) / targets.naive_n_pos - ranks.naive_roc_auc / targets.naive_n_pos
            else ({{ baton.above('naive_') }}) / nullif(2e0 * targets.naive_n_pos, 0) / targets.naive_n_neg - ranks.naive_roc_auc / targets.naive_n_neg
        end as naive_influence
    from touching
    inner join running on touching.target = running.target and touching.score = running.score
    inner join targets on touching.target = targets.target
    inner join ranks on touching.target = ranks.target
),

{{ baton.entity_products('matured', 'label', 'influence', 'label is not null') }},

{{ baton.entity_products('naive', 'seen_label', 'naive_influence', 'is_open') }}
{%- endmacro %}

{#
Rows of `near` with the targets that hold the row and another one of its entity: the decision before it, or the one after it, of the same slice value. Most rows of a long window
have their neighbour outside of it; letting those in would cost ten times as much as what is counted.
#}
{% macro near_members(slices, windows) %}
{% set double = baton.type_double() %}
{% for slice in [none] + slices %}
{% set column = none if slice is none else baton.slice_column(slices, slice) %}
{% for unit in baton.unique_names(windows | map(attribute='unit') | list) %}
    {% set order = "over (partition by entity" ~ ("" if slice is none else ", " ~ column) ~ " order by hour_tick)" %}
    {% set tick = 'hour_tick' if unit == 'whole' else unit ~ '_tick' %}
    {{ 'union all' if not (loop.first and slice is none) }}
    select
        targets.target, near.entity, near.predicted_label, near.label, near.seen_label,
        coalesce(near.worth, 0) as worth, coalesce(near.worth_all, 0) as worth_all, coalesce(near.worth_none, 0) as worth_none,
        case when targets.method = 'exact' then near.score else cast({{ baton.score_bin('near.score') }} as {{ double }}) end as score
    from {{ 'targets' if unit == 'whole' else 'target_ticks' }} as targets
    inner join (
        select near.*, lag({{ tick }}) {{ order }} as tick_before, lead({{ tick }}) {{ order }} as tick_after
        from near
    ) as near
        on targets.slice_value = {{ "'all'" if slice is none else 'near.' ~ column }}
        {%- if unit != 'whole' %}
        and targets.tick = near.{{ tick }}
        {%- endif %}
        and (targets.rank_version = 'all' or targets.rank_version = near.version)
    where targets.slice_name = {{ baton.quoted(slice or 'overall') }}
        {%- if unit == 'whole' %}
        and targets.window_hours = 1000000000 and near.hour_tick <= {{ baton.hour_number(baton.as_of()) }} and (near.tick_before is not null or near.tick_after is not null)
        {%- else %}
        and targets.unit = '{{ unit }}' and (near.tick_before > targets.after_tick or near.tick_after <= targets.last_tick)
        {%- endif %}
{%- endfor %}
{%- endfor %}
{%- endmacro %}

{# CTE `repeats_READING`, from the rows that meet `where`. #}
{% macro entity_products(reading, label, influence, where) %}
{% set cells = ['tp', 'fp', 'fn', 'tn'] %}
entities_{{ reading }} as (
    select
        target,
        entity,
        count(predicted_label) as n,
        count(case when predicted_label = 1 and {{ label }} = 1 then 1 end) as tp,
        count(case when predicted_label = 1 and {{ label }} = 0 then 1 end) as fp,
        count(case when predicted_label = 0 and {{ label }} = 1 then 1 end) as fn,
        count(case when predicted_label = 0 and {{ label }} = 0 then 1 end) as tn,
        {%- for name, amount in baton.repeat_amounts(influence).items() %}
        {{ baton.unfixed('sum(' ~ baton.fixed(amount[0], amount[1]) ~ ')', amount[1]) }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from touching_placed
    where {{ where }}
    group by target, entity
    having count(*) > 1
),

repeats_{{ reading }} as (
    select
        target,
        {%- for a in cells %}
        sum({{ a }} * ({{ a }} - 1)) as x_{{ a }}_{{ a }},
        {%- for b in cells[loop.index:] %}
        sum({{ a }} * {{ b }}) as x_{{ a }}_{{ b }},
        {%- endfor %}
        {%- endfor %}
        sum(n * (n - 1)) as x_n_n,
        {%- for name, term in baton.repeat_products().items() %}
        {{ baton.unfixed('sum(' ~ baton.fixed(term[0], term[1]) ~ ')', term[1]) }} as {{ name }},
        {%- endfor %}
        {%- for name, set in baton.denominators().items() %}
        sum(case when {{ set | join(' + ') }} > 1 then {{ set | join(' + ') }} - 1 else 0 end) as again_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from entities_{{ reading }}
    group by target
)
{%- endmacro %}

{# Sums over the rows of one entity, and the products of them that are summed over entities: expression and digits kept. #}
{% macro repeat_amounts(influence) %}
    {{ return({
        'worth': ['worth', 6], 'lift_all': ['worth - worth_all', 6], 'lift_none': ['worth - worth_none', 6],
        'worth_sq': ['worth * worth', 4], 'lift_all_sq': ['(worth - worth_all) * (worth - worth_all)', 4],
        'lift_none_sq': ['(worth - worth_none) * (worth - worth_none)', 4],
        'influence': ['coalesce(' ~ influence ~ ', 0)', 18], 'influence_sq': ['coalesce(' ~ influence ~ ' * ' ~ influence ~ ', 0)', 24]
    }) }}
{% endmacro %}

{% macro repeat_products() %}
    {{ return({
        'x_worth': ['worth * worth - worth_sq', 4], 'x_lift_all': ['lift_all * lift_all - lift_all_sq', 4], 'x_lift_none': ['lift_none * lift_none - lift_none_sq', 4],
        'x_worth_n': ['worth * (n - 1)', 4], 'x_lift_all_n': ['lift_all * (n - 1)', 4], 'x_lift_none_n': ['lift_none * (n - 1)', 4],
        'x_influence': ['influence * influence - influence_sq', 24]
    }) }}
{% endmacro %}

{# Cells whose rows stand in the denominator of each rate. #}
{% macro denominators() %}
    {{ return({
        'accuracy': ['tp', 'fp', 'fn', 'tn'], 'precision': ['tp', 'fp'], 'recall': ['tp', 'fn'], 'specificity': ['fp', 'tn'], 'f1': ['tp', 'fp', 'fn']
    }) }}
{% endmacro %}
