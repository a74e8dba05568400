{#
CTE `repeats`: what entities with several decisions in one window add to the second moments of the window, per target. Sums of squares over rows are additive and come from the
cells; the square of an entity's sum is not. With S an entity's sum of a quantity over its rows, each `x_` column is the sum over entities of (S_a S_b - sum of a b over rows),
which is 0 where every entity appears once. Only rows whose entity has another matured decision within the window's length are looked at.
#}
{% macro performance_repeats(parameters, slices) %}
{% set cells = ['tp', 'fp', 'fn', 'tn'] %}
touching as (
    {%- for slice in [none] + slices %}
    {{ 'union all' if not loop.first }}
    select
        target_days.target, facts.entity, facts.predicted_label, facts.label, target_days.n_pos, target_days.n_neg,
        coalesce(facts.worth, 0) as worth, coalesce(facts.worth_all, 0) as worth_all, coalesce(facts.worth_none, 0) as worth_none,
        case when target_days.method = 'exact' then facts.score else {{ baton.score_bin('facts.score') }} end as score
    from target_days
    inner join facts
        on target_days.day = facts.day and target_days.slice_value = {{ baton.slice_column(slices, slice) if slice is none else 'facts.' ~ baton.slice_column(slices, slice) }}
        and (target_days.rank_version = 'all' or target_days.rank_version = facts.version)
    where target_days.slice_name = {{ baton.quoted(slice or 'overall') }}
        and facts.label is not null and facts.gap < target_days.window_length
    {%- endfor %}
),

influences as (
    select
        touching.*,
        case
            when touching.label = 1 then (placed.below / (2e0 * touching.n_neg) - ranks.roc_auc) / touching.n_pos
            else (placed.above / (2e0 * touching.n_pos) - ranks.roc_auc) / touching.n_neg
        end as influence
    from touching
    left join placed on touching.target = placed.target and touching.score = placed.score
    left join ranks on touching.target = ranks.target
),

repeated_entities as (
    select
        target,
        entity,
        count(predicted_label) as n,
        sum(case when predicted_label = 1 and label = 1 then 1 else 0 end) as tp,
        sum(case when predicted_label = 1 and label = 0 then 1 else 0 end) as fp,
        sum(case when predicted_label = 0 and label = 1 then 1 else 0 end) as fn,
        sum(case when predicted_label = 0 and label = 0 then 1 else 0 end) as tn,
        {%- for name, amount in baton.repeat_amounts().items() %}
        {{ baton.unfixed('sum(' ~ baton.fixed(amount[0], amount[1]) ~ ')', amount[1]) }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from influences
    group by target, entity
    having count(*) > 1
),

repeats as (
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
    from repeated_entities
    group by target
)
{%- endmacro %}

{# Sums over the rows of one entity, and the products of them that are summed over entities: expression and digits kept. #}
{% macro repeat_amounts() %}
    {{ return({
        'worth': ['worth', 6], 'lift_all': ['worth - worth_all', 6], 'lift_none': ['worth - worth_none', 6],
        'worth_sq': ['worth * worth', 4], 'lift_all_sq': ['(worth - worth_all) * (worth - worth_all)', 4],
        'lift_none_sq': ['(worth - worth_none) * (worth - worth_none)', 4],
        'influence': ['coalesce(influence, 0)', 18], 'influence_sq': ['coalesce(influence * influence, 0)', 24]
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
