{# CTE `worst_rows`: decisions up to as_of(now) with day, slices as text, outcome, worth and, per metric, m_1, m_2, ...; `gap`: days to the entity's nearest other closed decision. #}
{% macro worst_slices_facts(parameters, decisions, outcomes, slices, measures) %}
worst_joined as (
    select
        decisions.{{ parameters.entity }} as entity,
        {{ baton.day_of('decisions.as_of') }} as day,
        {%- for slice in slices %}
        coalesce(cast(decisions.{{ slice }} as {{ dbt.type_string() }}), '(none)') as slice_{{ loop.index }},
        {%- endfor %}
        decisions.score,
        decisions.predicted_label,
        outcomes.outcome_label as label,
        case outcomes.outcome_label when 1 then decisions.score when 0 then 1 - decisions.score end as chance_of_label,
        case
            when decisions.predicted_label = 1 and outcomes.outcome_label = 1 then {{ baton.cell_value(parameters, 'tp') }}
            when decisions.predicted_label = 1 and outcomes.outcome_label = 0 then {{ baton.cell_value(parameters, 'fp') }}
            when decisions.predicted_label = 0 and outcomes.outcome_label = 1 then {{ baton.cell_value(parameters, 'fn') }}
            when decisions.predicted_label = 0 and outcomes.outcome_label = 0 then {{ baton.cell_value(parameters, 'tn') }}
        end as worth
    from {{ decisions }} as decisions
    inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
    where decisions.as_of <= {{ baton.as_of() }}
),

worst_rows as (
    select
        worst_joined.*,
        {%- for measure in measures.values() %}
        case when label is not null then {{ measure.of }} end as m_{{ loop.index }},
        {%- endfor %}
        {{ baton.days_to_nearest() }} as gap
    from worst_joined
)
{%- endmacro %}

{# Days from a closed decision to the nearest other one of its entity. #}
{% macro days_to_nearest() %}
    {% set window = "over (partition by entity, case when label is null then 0 else 1 end order by day)" %}
    {% set before = dbt.datediff("lag(day) " ~ window, "day", "day") | trim %}
    {% set after = dbt.datediff("day", "lead(day) " ~ window, "day") | trim %}
    {{ return("least(coalesce(" ~ after ~ ", 100000), coalesce(" ~ before ~ ", 100000))") }}
{% endmacro %}

{# CTE `window_slices`: per closed window, slice and metric: n, s = sum, ss = sum of squares. Rows are read once, into cells of (day, all slices). #}
{% macro worst_slices_windows(lengths, slices, measures) %}
{% set sums = ['n_all', 'n_closed'] %}
{% for name in measures %}{% do sums.extend(['n_' ~ loop.index, 's_' ~ loop.index, 'ss_' ~ loop.index]) %}{% endfor %}
worst_cells as (
    select
        day,
        {%- for slice in slices %}
        slice_{{ loop.index }},
        {%- endfor %}
        {%- for name, measure in measures.items() %}
        count(m_{{ loop.index }}) as n_{{ loop.index }},
        sum({{ baton.fixed('coalesce(m_' ~ loop.index ~ ', 0)', measure.digits) }}) as s_{{ loop.index }},
        sum({{ baton.fixed('coalesce(m_' ~ loop.index ~ ' * m_' ~ loop.index ~ ', 0)', measure.digits) }}) as ss_{{ loop.index }},
        {%- endfor %}
        count(*) as n_all,
        count(label) as n_closed
    from worst_rows
    group by day {%- for slice in slices %}, slice_{{ loop.index }}{% endfor %}
),

worst_slice_cells as (
    select day, 'overall' as slice_name, 'all' as slice_value, {{ baton.summed(sums) }}
    from worst_cells
    group by day
    {%- for slice in slices %}
    union all
    select day, {{ baton.quoted(slice) }} as slice_name, slice_{{ loop.index }} as slice_value, {{ baton.summed(sums) }}
    from worst_cells
    group by day, slice_{{ loop.index }}
    {%- endfor %}
),

worst_days as (
    select as_of as day
    from ({{ baton.day_series('(select min(day) from worst_rows)', baton.as_of()) }}) as series
),

{{ baton.worst_slices_ends(lengths) }},

rolled_slices as (
    select worst_windows.window_kind, worst_windows.n_days, worst_windows.window_end, slice_name, slice_value, {{ baton.summed(sums) }}
    from worst_windows
    inner join worst_slice_cells on worst_slice_cells.day > worst_windows.window_start and worst_slice_cells.day <= worst_windows.window_end
    group by 1, 2, 3, 4, 5
),

closed_windows as (
    select window_kind, window_end
    from rolled_slices
    where slice_name = 'overall' and n_all = n_closed
),

window_slices as (
    {%- for name, measure in measures.items() %}
    {{ 'union all' if not loop.first }}
    select
        rolled.window_kind, rolled.n_days, rolled.window_end, {{ baton.quoted(name) }} as metric, slice_name, slice_value,
        cast(n_{{ loop.index }} as {{ baton.type_double() }}) as n,
        {{ baton.unfixed('s_' ~ loop.index, measure.digits) }} as s,
        {{ baton.unfixed('ss_' ~ loop.index, measure.digits) }} as ss
    from rolled_slices as rolled
    inner join closed_windows as closed on rolled.window_kind = closed.window_kind and rolled.window_end = closed.window_end
    where n_{{ loop.index }} > 0
    {%- endfor %}
)
{%- endmacro %}

{# CTE `worst_windows`: every window of every length, from the first day on. #}
{% macro worst_slices_ends(lengths) %}
worst_windows as (
    {%- for kind, days in lengths.items() %}
    {{ 'union all' if not loop.first }}
    select {{ baton.quoted(kind) }} as window_kind, {{ days }} as n_days, day as window_end, day - {{ baton.interval(days ~ ' days') }} as window_start
    from worst_days
    {%- else %}
    select 'none' as window_kind, 0 as n_days, day as window_end, day as window_start from worst_days where 1 = 0
    {%- endfor %}
)
{%- endmacro %}

{#
CTE `slice_repeats`: what entities with several closed decisions in one window and slice add to sums of squares: x_ss = (sum of y)^2 - sum of y^2, x_sn, x_nn likewise.
Only decisions whose entity has another one within the window's length are joined to windows.
#}
{% macro worst_slices_repeats(lengths, slices, measures) %}
repeated_rows as (
    {%- for kind, days in lengths.items() %}
    {{ 'union all' if not loop.first }}
    select {{ baton.quoted(kind) }} as kind, worst_rows.* from worst_rows where gap < {{ days }} and label is not null
    {%- else %}
    select 'none' as kind, worst_rows.* from worst_rows where 1 = 0
    {%- endfor %}
),

repeated_slices as (
    select repeated_rows.*, 'overall' as slice_name, 'all' as slice_value from repeated_rows
    {%- for slice in slices %}
    union all
    select repeated_rows.*, {{ baton.quoted(slice) }} as slice_name, slice_{{ loop.index }} as slice_value from repeated_rows
    {%- endfor %}
),

repeated_entities as (
    select
        worst_windows.window_kind, worst_windows.window_end, slice_name, slice_value, entity
        {%- for name in measures %},
        count(m_{{ loop.index }}) as n_{{ loop.index }},
        {{ baton.exact_sum('coalesce(m_' ~ loop.index ~ ', 0)', 9) }} as s_{{ loop.index }},
        {{ baton.exact_sum('coalesce(m_' ~ loop.index ~ ' * m_' ~ loop.index ~ ', 0)', 9) }} as ss_{{ loop.index }}
        {%- endfor %}
    from worst_windows
    inner join repeated_slices
        on worst_windows.window_kind = repeated_slices.kind and repeated_slices.day > worst_windows.window_start
        and repeated_slices.day <= worst_windows.window_end
    group by 1, 2, 3, 4, 5
    having count(*) > 1
),

slice_repeats as (
    {%- for name in measures %}
    {{ 'union all' if not loop.first }}
    select
        window_kind, window_end, {{ baton.quoted(name) }} as metric, slice_name, slice_value,
        {{ baton.exact_sum('s_' ~ loop.index ~ ' * s_' ~ loop.index ~ ' - ss_' ~ loop.index, 6) }} as x_ss,
        {{ baton.exact_sum('s_' ~ loop.index ~ ' * (n_' ~ loop.index ~ ' - 1)', 6) }} as x_sn,
        cast(sum(n_{{ loop.index }} * (n_{{ loop.index }} - 1)) as {{ baton.type_double() }}) as x_nn
    from repeated_entities
    where n_{{ loop.index }} > 1
    group by window_kind, window_end, slice_name, slice_value
    {%- endfor %}
)
{%- endmacro %}
