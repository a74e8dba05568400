{#
CTEs `holdout_windows`, `entity_sums`: per window, entity and arm (a acted, h held out) the counts and sums that the moments need.
n all, m closed, y with the outcome, v money of what was done, p what the cells promise (held out only).
#}
{% macro holdout_entities(lengths) %}
holdout_windows as (
    {%- for kind, days in lengths.items() %}
    {{ 'union all' if not loop.first }}
    {%- if days is none %}
    select {{ baton.quoted(kind) }} as window_kind, timestamp '0001-01-01 00:00:00' as window_start, {{ baton.as_of() }} as window_end
    {%- else %}
    select {{ baton.quoted(kind) }} as window_kind, as_of - {{ baton.interval(days ~ ' days') }} as window_start, as_of as window_end
    from ({{ baton.day_series('(select min(day) from flagged)', baton.as_of()) }}) as days_{{ loop.index }}
    {%- endif %}
    {%- endfor %}
),

entity_days as (
    select
        entity, day, arm, count(*) as n, count(label) as m, coalesce(sum(label), 0) as y,
        sum({{ baton.fixed("case when arm = 'a' then worth_acting else worth_leaving end", 6) }}) as v,
        sum({{ baton.fixed("case when arm = 'h' then worth_acting - worth_leaving else 0 end", 6) }}) as p
    from flagged
    group by entity, day, arm
),

entity_sums as (
    select
        holdout_windows.window_kind, holdout_windows.window_end, entity_days.entity,
        {%- for arm in ['a', 'h'] %}
        sum(case when arm = '{{ arm }}' then n else 0 end) as n_{{ arm }},
        {%- for name in ['m', 'y'] %}
        cast(sum(case when arm = '{{ arm }}' then {{ name }} else 0 end) as bigint) as {{ name }}_{{ arm }},
        {%- endfor %}
        {{ baton.unfixed("sum(case when arm = '" ~ arm ~ "' then v else 0 end)", 6) }} as v_{{ arm }},
        {%- endfor %}
        {{ baton.unfixed('sum(p)', 6) }} as p_h
    from holdout_windows
    inner join entity_days on entity_days.day > holdout_windows.window_start and entity_days.day <= holdout_windows.window_end
    group by 1, 2, 3
)
{%- endmacro %}

{# CTE `moments`: first and second moments over entities, per window. Sums of products make every cluster-robust variance without a second pass. #}
{% macro holdout_moments() %}
{% set float = baton.type_double() %}
moments as (
    select
        window_kind, window_end,
        {%- for arm in ['a', 'h'] %}
        cast(sum(n_{{ arm }}) as bigint) as n_{{ arm }},
        cast(sum(m_{{ arm }}) as bigint) as n_matured_{{ arm }},
        cast(sum(case when m_{{ arm }} > 0 then 1 else 0 end) as bigint) as n_entities_{{ arm }},
        cast(sum(m_{{ arm }}) as {{ float }}) as m_{{ arm }},
        cast(sum(y_{{ arm }}) as {{ float }}) as y_{{ arm }},
        {{ baton.exact_sum('v_' ~ arm, 6) }} as v_{{ arm }},
        cast(sum(m_{{ arm }} * m_{{ arm }}) as {{ float }}) as mm_{{ arm }},
        cast(sum(y_{{ arm }} * y_{{ arm }}) as {{ float }}) as yy_{{ arm }},
        cast(sum(y_{{ arm }} * m_{{ arm }}) as {{ float }}) as ym_{{ arm }},
        {{ baton.exact_sum('v_' ~ arm ~ ' * v_' ~ arm, 4) }} as vv_{{ arm }},
        {{ baton.exact_sum('v_' ~ arm ~ ' * m_' ~ arm, 6) }} as vm_{{ arm }},
        {%- endfor %}
        {{ baton.exact_sum('p_h', 6) }} as p_h,
        {{ baton.exact_sum('p_h * p_h', 4) }} as pp_h,
        {{ baton.exact_sum('p_h * m_h', 6) }} as pm_h,
        cast(sum(m_a * m_h) as {{ float }}) as m_m,
        cast(sum(y_a * y_h) as {{ float }}) as y_y,
        cast(sum(y_a * m_h) as {{ float }}) as y_m,
        cast(sum(m_a * y_h) as {{ float }}) as m_y,
        {{ baton.exact_sum('v_a * v_h', 4) }} as v_v,
        {{ baton.exact_sum('v_a * m_h', 6) }} as v_m,
        {{ baton.exact_sum('m_a * v_h', 6) }} as m_v
    from entity_sums
    group by window_kind, window_end
)
{%- endmacro %}

{# CTE `spreads`: rates, money per decision, their cluster-robust variances and covariances, and the effective size behind each rate. #}
{% macro holdout_spreads() %}
rates as (
    select
        moments.*,
        {%- for arm in ['a', 'h'] %}
        y_{{ arm }} / nullif(m_{{ arm }}, 0) as rate_{{ arm }},
        v_{{ arm }} / nullif(m_{{ arm }}, 0) as money_{{ arm }},
        {%- endfor %}
        p_h / nullif(m_h, 0) as promised
    from moments
),

variances as (
    select
        rates.*,
        {%- for arm in ['a', 'h'] %}
        {{ baton.arm_variance('yy_' ~ arm, 'ym_' ~ arm, 'rate_' ~ arm, arm, small=false) }} as rate_{{ arm }}_variance,
        {{ baton.arm_variance('vv_' ~ arm, 'vm_' ~ arm, 'money_' ~ arm, arm) }} as money_variance_{{ arm }},
        {%- endfor %}
        {{ baton.arm_variance('pp_h', 'pm_h', 'promised', 'h') }} as promised_variance,
        (y_y - rate_h * y_m - rate_a * m_y + rate_a * rate_h * m_m) / nullif(m_a * m_h, 0) as rate_covariance,
        (v_v - money_h * v_m - money_a * m_v + money_a * money_h * m_m) / nullif(m_a * m_h, 0) as money_covariance
    from rates
),

spreads as (
    select
        variances.*,
        {%- for arm in ['a', 'h'] %}
        rate_{{ arm }}_variance as rate_variance_{{ arm }},
        {{ baton.effective_n('rate_' ~ arm, 'n_entities_' ~ arm) }} as size_{{ arm }}{{ ',' if not loop.last }}
        {%- endfor %}
    from variances
)
{%- endmacro %}

{# Variance of a mean over clusters from its moments; null below two entities where `small` asks for entities / (entities - 1). #}
{% macro arm_variance(squares, cross, mean, arm, small=true) %}
    {% set sum = "(" ~ squares ~ " - 2 * " ~ mean ~ " * " ~ cross ~ " + " ~ mean ~ " * " ~ mean ~ " * mm_" ~ arm ~ ")" %}
    {% set variance = "(case when " ~ sum ~ " > 0 then " ~ sum ~ " else 0 end) / (m_" ~ arm ~ " * m_" ~ arm ~ ")" %}
    {% if not small %}{{ return("case when m_" ~ arm ~ " > 0 then " ~ variance ~ " end") }}{% endif %}
    {{ return("case when n_entities_" ~ arm ~ " > 1 then " ~ variance ~ " * n_entities_" ~ arm ~ " / (n_entities_" ~ arm ~ " - 1.0) end") }}
{% endmacro %}

{# A sum of floating point numbers that is the same in every run: added as whole numbers of 10^-digits. #}
{% macro exact_sum(expression, digits) %}
    {{ return(baton.unfixed("sum(" ~ baton.fixed(expression, digits) ~ ")", digits)) }}
{% endmacro %}
