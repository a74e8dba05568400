{#
CTE `facts`: one row per decision that a window of this basis can hold. hour: the full hour at or after as_of; y: predicted label; share: F at its age; seen: a positive seen by that
age; w: its weight; is_used: whether it is in the estimate; worth_*: the four cells, `worth` what was earned in expectation, `gain` the part of it that hangs on w;
gap: hours to the nearest other used decision of the entity.
#}
{% macro corrected_facts(parameters, decisions, outcomes, delay) %}
{% set last = baton.last_step(parameters) %}
{% set longest = baton.longest_window(parameters) %}
joined as (
    select
        {{ baton.fact_place(parameters) }},
        decisions.score,
        decisions.predicted_label as y,
        outcomes.state,
        outcomes.is_restated,
        outcomes.outcome_label,
        case when outcomes.outcome_label is null then {{ baton.stratum(parameters, 'decisions') }} else 'closed' end as stratum,
        case when outcomes.outcome_label is null then {{ baton.reached_step(parameters, 'decisions.as_of') }} else {{ last }} end as step,
        case when outcomes.state = 'early_positive' then {{ baton.seen_step(parameters, 'decisions.as_of', 'outcomes.outcome_known_at') }} end as known_step,
        {%- for cell in ['tp', 'fp', 'fn', 'tn'] %}
        {{ baton.cell_value(parameters, cell) }} as {{ cell }},
        {%- endfor %}
        {{ baton.fact_checksum(parameters) }} as content
    from {{ decisions }} as decisions
    inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
    where decisions.as_of <= {{ baton.now() | trim }}
        {%- if longest is not none %}
        and decisions.as_of > {{ baton.now() | trim }} - {{ baton.interval((baton.open_seconds(parameters) + 2 * longest) // 60 ~ ' minutes') }}
        {%- endif %}
),

asked as (
    select distinct stratum, step
    from joined
    where outcome_label is null
),

{{ baton.seen_shares(parameters, delay, 'asked') }},

shared as (
    select
        joined.*,
        case when joined.outcome_label is null then coalesce(seen_shares.share, 0) else 1e0 end as share,
        seen_shares.n_positives,
        case when joined.outcome_label = 1 or joined.known_step <= joined.step then 1 else 0 end as seen
    from joined
    left join seen_shares on joined.stratum = seen_shares.stratum and joined.step = seen_shares.step
),

weighed as (
    select
        shared.*,
        case when share >= {{ parameters.monitor.delay.min_share }} then 1 else 0 end as is_used,
        case when share >= {{ parameters.monitor.delay.min_share }} and seen = 1 then 1e0 / share else 0e0 end as w,
        coalesce(case y when 1 then tp when 0 then fn end, 0) as worth_yes,
        coalesce(case y when 1 then fp when 0 then tn end, 0) as worth_no,
        coalesce(tp, 0) as all_yes, coalesce(fp, 0) as all_no, coalesce(fn, 0) as none_yes, coalesce(tn, 0) as none_no
    from shared
),

facts as (
    select
        weighed.*,
        worth_no + w * (worth_yes - worth_no) as worth,
        all_no + w * (all_yes - all_no) as worth_all,
        none_no + w * (none_yes - none_no) as worth_none,
        w * (worth_yes - worth_no) as gain,
        w * (worth_yes - worth_no - all_yes + all_no) as gain_all,
        w * (worth_yes - worth_no - none_yes + none_no) as gain_none,
        {%- if parameters.decide.per == 'entity' %}
        cast(null as bigint) as gap
        {%- else %}
        {{ baton.nearest_hour() }} as gap
        {%- endif %}
    from weighed
)
{%- endmacro %}

{# Only decisions in the estimate enter an interval: the others are a partition of their own. #}
{% macro nearest_hour() %}
    {% set window = "over (partition by entity, is_used order by hour)" %}
    {% set before = dbt.datediff("lag(hour) " ~ window, "hour", "hour") | trim %}
    {% set after = dbt.datediff("hour", "lead(hour) " ~ window, "hour") | trim %}
    {{ return("case when coalesce(" ~ after ~ ", 100000000) < coalesce(" ~ before ~ ", 100000000) then " ~ after ~ " else " ~ before ~ " end") }}
{% endmacro %}
