{#
CTE `facts`: one row per decision up to the last full hour of now: the hour whose window holds it, its slices as text, its outcome, and what it is worth.

label:      0/1 once the cohort is closed, else null
seen_label: the label, and for an open decision what has been seen so far: 1 for an early positive, else 0 (the `naive` reading)
part:       matured (label known) or open
worth, worth_all, worth_none: money under seen_label, of the decision and had everybody or nobody been treated; worth_if_1 and worth_if_0: of the decision under either label.
            Without a predicted label nothing was decided: all are null, so that what is compared is of the same rows

only:   condition on `facts` columns entity, hour, version, slice_i; none for all rows.
signed: outcomes have columns sign, 1 for what is added to a sum and -1 for what is taken off, and is_new, 1 where the decision was not counted before; they are kept.
#}
{% macro performance_facts(parameters, decisions, outcomes, only=none, signed=false) %}
joined as (
    select
        {{ baton.fact_place(parameters) }},
        decisions.score,
        decisions.predicted_label,
        outcomes.state,
        outcomes.is_restated,
        outcomes.outcome_label as label,
        case when outcomes.outcome_label is not null then outcomes.outcome_label when outcomes.state = 'early_positive' then 1 else 0 end as seen_label,
        {{ baton.cell_value(parameters, 'tp') }} as worth_tp,
        {{ baton.cell_value(parameters, 'fp') }} as worth_fp,
        {{ baton.cell_value(parameters, 'fn') }} as worth_fn,
        {{ baton.cell_value(parameters, 'tn') }} as worth_tn,
        {{ baton.fact_checksum(parameters) }} as content
        {%- if signed %}, outcomes.sign, outcomes.is_new{% endif %}
    from {{ decisions }} as decisions
    inner join {{ outcomes }} as outcomes on decisions.decision_key = outcomes.decision_key
    where {{ baton.hour_of('decisions.as_of') }} <= {{ baton.this_hour() }}
),

facts as (
    select
        joined.*,
        {{ baton.hour_number('hour') }} as tick_of_hour,
        case when label is null then 'open' else 'matured' end as part,
        case when predicted_label = 1 and seen_label = 1 then worth_tp when predicted_label = 1 and seen_label = 0 then worth_fp
            when predicted_label = 0 and seen_label = 1 then worth_fn when predicted_label = 0 and seen_label = 0 then worth_tn end as worth,
        case when predicted_label is not null then case seen_label when 1 then worth_tp else worth_fp end end as worth_all,
        case when predicted_label is not null then case seen_label when 1 then worth_fn else worth_tn end end as worth_none,
        case predicted_label when 1 then worth_tp when 0 then worth_fn end as worth_if_1,
        case predicted_label when 1 then worth_fp when 0 then worth_tn end as worth_if_0,
        case seen_label when 1 then score else 1 - score end as chance_of_label
    from joined
    {%- if only is not none %}
    where {{ only }}
    {%- endif %}
)
{%- endmacro %}

{# Where a decision belongs: its entity, the full hour whose window holds it, its version and slices as text. Columns of `decisions`. #}
{% macro fact_place(parameters) -%}
decisions.{{ parameters.entity }} as entity,
        {{ baton.hour_of('decisions.as_of') }} as hour,
        coalesce(cast(decisions.model_version as {{ dbt.type_string() }}), '(none)') as version
        {%- for slice in parameters.slices %},
        coalesce(cast(decisions.{{ slice }} as {{ dbt.type_string() }}), '(none)') as slice_{{ loop.index }}
        {%- endfor %}
{%- endmacro %}

{# Checksum of everything of a decision and its outcome that a number of performance rests on. #}
{% macro fact_checksum(parameters) %}
    {% set decided = ['decision_key', 'prediction_id', 'as_of', 'model_version', 'score', 'predicted_label'] + parameters.slices + baton.amounts(parameters) %}
    {{ return(baton.row_checksum(baton.prefixed('decisions.', decided) + ['outcomes.state', 'outcomes.is_restated', 'outcomes.outcome_label'])) }}
{% endmacro %}

{# The midnight at or after an instant: the day window that holds it. #}
{% macro day_of(as_of) %}{{ return(baton.end_of_unit(as_of, 'day')) }}{% endmacro %}

{# The full hour at or after an instant: the hour window that holds it. #}
{% macro hour_of(as_of) %}{{ return(baton.end_of_unit(as_of, 'hour')) }}{% endmacro %}

{% macro end_of_unit(as_of, unit) %}
    {{ return("case when " ~ as_of ~ " = date_trunc('" ~ unit ~ "', " ~ as_of ~ ") then " ~ as_of
        ~ " else date_trunc('" ~ unit ~ "', " ~ as_of ~ ") + " ~ baton.interval('1 ' ~ unit) ~ " end") }}
{% endmacro %}

{# The last full hour of now. #}
{% macro this_hour() %}{{ return("date_trunc('hour', " ~ (baton.now() | trim) ~ ")") }}{% endmacro %}

{# Hours since 1970 of a full hour, as an integer; days of the same hour's day window. Whole numbers make windows cheap. #}
{% macro hour_number(hour) %}
    {{ return("cast(" ~ (dbt.datediff("timestamp '1970-01-01 00:00:00'", hour, 'hour') | trim) ~ " as integer)") }}
{% endmacro %}

{% macro day_number(hour_number) %}{{ return("cast(floor((" ~ hour_number ~ " + 23) / 24e0) as integer)") }}{% endmacro %}

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
