{#
CTE `facts`: one row per decision up to as_of(now): the day (midnight) whose window holds it, its slices as text, its outcome, what it was worth, what treating
everybody and nobody would have been worth, and `gap`: days to the nearest other matured decision of the entity (null if none).
#}
{% macro performance_facts(parameters, decisions, outcomes, windows) %}
joined as (
    select
        decisions.decision_key,
        decisions.{{ parameters.entity }} as entity,
        {{ baton.day_of('decisions.as_of') }} as day,
        coalesce(cast(decisions.model_version as {{ dbt.type_string() }}), '(none)') as version,
        {%- for slice in parameters.slices %}
        coalesce(cast(decisions.{{ slice }} as {{ dbt.type_string() }}), '(none)') as slice_{{ loop.index }},
        {%- endfor %}
        decisions.score,
        decisions.predicted_label,
        outcomes.state,
        outcomes.is_restated,
        outcomes.outcome_label as label,
        {{ baton.cell_value(parameters, 'tp') }} as worth_tp,
        {{ baton.cell_value(parameters, 'fp') }} as worth_fp,
        {{ baton.cell_value(parameters, 'fn') }} as worth_fn,
        {{ baton.cell_value(parameters, 'tn') }} as worth_tn,
        {{ baton.row_checksum(['decisions.decision_key', 'decisions.prediction_id', 'decisions.score', 'decisions.predicted_label', 'outcomes.state', 'outcomes.is_restated']
            + baton.prefixed('decisions.', baton.amounts(parameters))) }} as content
    from {{ decisions }} as decisions
    inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
    where decisions.as_of <= {{ baton.as_of() }}
),

facts as (
    select
        joined.*,
        case
            when predicted_label = 1 and label = 1 then worth_tp when predicted_label = 1 and label = 0 then worth_fp
            when predicted_label = 0 and label = 1 then worth_fn when predicted_label = 0 and label = 0 then worth_tn
        end as worth,
        case label when 1 then worth_tp when 0 then worth_fp end as worth_all,
        case label when 1 then worth_fn when 0 then worth_tn end as worth_none,
        case label when 1 then score when 0 then 1 - score end as chance_of_label,
        {%- if parameters.decide.per == 'entity' %}
        cast(null as integer) as gap
        {%- else %}
        {{ baton.nearest_day() }} as gap
        {%- endif %}
    from joined
)
{%- endmacro %}

{# The midnight at or after an instant: the day window that holds it. #}
{% macro day_of(as_of) %}
    {{ return("case when " ~ as_of ~ " = date_trunc('day', " ~ as_of ~ ") then " ~ as_of
        ~ " else date_trunc('day', " ~ as_of ~ ") + " ~ baton.interval('1 day') ~ " end") }}
{% endmacro %}

{# Matured and open decisions are separate partitions: only matured ones enter an interval. #}
{% macro nearest_day() %}
    {% set window = "over (partition by entity, case when label is null then 0 else 1 end order by day)" %}
    {% set before = dbt.datediff("lag(day) " ~ window, "day", "day") | trim %}
    {% set after = dbt.datediff("day", "lead(day) " ~ window, "day") | trim %}
    {{ return("case when coalesce(" ~ after ~ ", 100000) < coalesce(" ~ before ~ ", 100000) then " ~ after ~ " else " ~ before ~ " end") }}
{% endmacro %}

{# A cell of product.value for one row: a number, an amount column, or null where the product declares no value. NaN and infinity count as missing. #}
{% macro cell_value(parameters, cell) %}
    {% set amount = (parameters.get('value') or {}).get(cell) %}
    {% if amount is none and parameters.get('value') %}{% set amount = 0 %}{% endif %}
    {% set expression = 'null' if amount is none else ('decisions.' ~ amount if amount is string else amount) %}
    {% set number = "cast(" ~ expression ~ " as " ~ baton.type_double() ~ ")" %}
    {{ return("case when abs(" ~ number ~ ") <= 1e15 then " ~ number ~ " end" if amount is string else number) }}
{% endmacro %}

{% macro prefixed(prefix, names) %}
    {% set found = [] %}
    {% for name in names %}{% do found.append(prefix ~ name) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}

{# Checksum of one row as a bigint below 2^38, so that sums over 30 million rows stay within bigint. #}
{% macro row_checksum(expressions) %}{{ return(adapter.dispatch('row_checksum', 'baton')(expressions)) }}{% endmacro %}

{% macro default__row_checksum(expressions) %}
    {% set parts = [] %}
    {% for expression in expressions %}{% do parts.append(baton.say(expression)) %}{% endfor %}
    {{ return(baton.bucket(parts | join(" || '|' || "), '274877906944', 'content')) }}
{% endmacro %}

{% macro duckdb__row_checksum(expressions) %}
    {{ return("cast(hash(" ~ expressions | join(', ') ~ ") % 274877906944 as bigint)") }}
{% endmacro %}
