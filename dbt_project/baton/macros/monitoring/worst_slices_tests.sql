{#
CTE `slice_pairs`: each slice value of each window beside the window before (suffix 1 now, 0 before), with the overall numbers and the parts of the change.
A value that stands in one of the two windows only gets the other's mean, so that the whole of its contribution is mix.
#}
{% macro worst_slices_pairs(measures) %}
measured_slices as (
    select
        window_slices.*, coalesce(x_ss, 0) as x_ss, coalesce(x_sn, 0) as x_sn, coalesce(x_nn, 0) as x_nn
    from window_slices
    left join slice_repeats
        on window_slices.window_kind = slice_repeats.window_kind and window_slices.window_end = slice_repeats.window_end and window_slices.metric = slice_repeats.metric
        and window_slices.slice_name = slice_repeats.slice_name and window_slices.slice_value = slice_repeats.slice_value
),

overall_pairs as (
    select
        now_.window_kind, now_.n_days, now_.window_end, before.window_end as reference_end, now_.metric,
        now_.n as overall_n1, before.n as overall_n0, now_.s / now_.n as overall_value, before.s / before.n as overall_reference
    from measured_slices as now_
    inner join measured_slices as before
        on now_.window_kind = before.window_kind and now_.metric = before.metric and now_.slice_name = before.slice_name
        and now_.window_end = {{ baton.days_after('before.window_end', 'before.n_days') }}
    where now_.slice_name = 'overall'
),

slice_keys as (
    select distinct overall_pairs.*, measured_slices.slice_name, measured_slices.slice_value
    from overall_pairs
    inner join measured_slices
        on overall_pairs.window_kind = measured_slices.window_kind and overall_pairs.metric = measured_slices.metric
        and (overall_pairs.window_end = measured_slices.window_end or overall_pairs.reference_end = measured_slices.window_end)
    where measured_slices.slice_name <> 'overall'
),

slice_pairs as (
    select
        keys.*,
        coalesce(now_.n, 0) as n1, coalesce(before.n, 0) as n0,
        now_.s as s1, before.s as s0, now_.ss as ss1, before.ss as ss0,
        {%- for name in ['x_ss', 'x_sn', 'x_nn'] %}
        now_.{{ name }} as {{ name }}1, before.{{ name }} as {{ name }}0,
        {%- endfor %}
        now_.s / now_.n as value, before.s / before.n as value_reference,
        coalesce(now_.n, 0) / keys.overall_n1 as share, coalesce(before.n, 0) / keys.overall_n0 as share_reference
    from slice_keys as keys
    left join measured_slices as now_
        on keys.window_kind = now_.window_kind and keys.window_end = now_.window_end and keys.metric = now_.metric
        and keys.slice_name = now_.slice_name and keys.slice_value = now_.slice_value
    left join measured_slices as before
        on keys.window_kind = before.window_kind and keys.reference_end = before.window_end and keys.metric = before.metric
        and keys.slice_name = before.slice_name and keys.slice_value = before.slice_value
),

slice_parts as (
    select
        slice_pairs.*,
        value - value_reference as change,
        overall_value - overall_reference as overall_change,
        coalesce((share + share_reference) / 2 * (value - value_reference), 0) as within,
        (share - share_reference)
            * ((coalesce(value, value_reference) + coalesce(value_reference, value)) / 2 - (overall_value + overall_reference) / 2) as mix,
        case metric {% for name, measure in measures.items() %}when {{ baton.quoted(name) }} then {{ measure.worse }} {% endfor %}end as worse_sign,
        case metric {% for name, measure in measures.items() %}when {{ baton.quoted(name) }} then {{ 1 if measure.binary else 0 }} {% endfor %}end as is_binary
    from slice_pairs
)
{%- endmacro %}

{# An instant some days later; days: a number or a column. #}
{% macro days_after(instant, days) %}{{ return(dbt.dateadd('day', days, instant) | trim) }}{% endmacro %}

{# CTE `judged`: slice_parts with excess, p_value, q_value; both null where there is too little to judge. Formulas and sources: `worst_slices`. #}
{% macro worst_slices_tests(min_n, measures) %}
pooled_slices as (
    select
        slice_parts.*,
        (s1 + s0) / (n1 + n0) as pooled,
        within + mix - (share + share_reference) / 2 * overall_change as excess
    from slice_parts
),

residual_slices as (
    select
        pooled_slices.*,
        {%- for side, mean in {'1': 'pooled', '0': 'pooled'}.items() %}
        {{ baton.residual_square(side, mean, false) }} as alone_{{ side }},
        {{ baton.residual_square(side, mean, true) }} as together_{{ side }},
        {%- endfor %}
        {{ baton.residual_square('1', 'value', true) }} as own_1,
        {{ baton.residual_square('0', 'value_reference', true) }} as own_0
    from pooled_slices
),

effect_slices as (
    select
        residual_slices.*,
        (alone_1 + alone_0) / (n1 + n0) as spread,
        {%- for side in ['1', '0'] %}
        case when together_{{ side }} > alone_{{ side }} and alone_{{ side }} > 0 then together_{{ side }} / alone_{{ side }} else 1 end as design_{{ side }},
        {%- endfor %}
        own_1 / (n1 * n1) + own_0 / (n0 * n0) as separate_variance
    from residual_slices
    where n1 >= {{ min_n }} and n0 >= {{ min_n }}
),

variance_slices as (
    select
        effect_slices.*,
        spread * (design_1 / n1 + design_0 / n0) as pooled_variance,
        (design_1 / n1 + design_0 / n0) / (1 / n1 + 1 / n0) as design,
        n1 / design_1 + n0 / design_0 - 2 as freedom,
        2 * ({{ baton.likelihood_term('s1', 'n1 * pooled') }} + {{ baton.likelihood_term('(n1 - s1)', 'n1 * (1 - pooled)') }}
            + {{ baton.likelihood_term('s0', 'n0 * pooled') }} + {{ baton.likelihood_term('(n0 - s0)', 'n0 * (1 - pooled)') }}) as likelihood_ratio
    from effect_slices
),

scored_slices as (
    select
        window_kind, window_end, metric, slice_name, slice_value,
        case
            when pooled_variance <= 1e-18 then 0
            when is_binary = 1 and likelihood_ratio <= 0 then 0
            when is_binary = 1 then least(abs(change) / sqrt(pooled_variance), sqrt(likelihood_ratio / design))
            else sqrt(freedom * ln(1 + change * change / greatest(pooled_variance, separate_variance) / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
        end as z
    from variance_slices
    -- One entity on each side is one answer repeated: its rows are no sample, and nothing can be said of a mean.
    where is_binary = 1 or pooled_variance <= 1e-18 or freedom >= 1
),

tested_slices as (
    select scored_slices.*, 2 * {{ baton.normal_tail('z') }} as p_value
    from scored_slices
),

placed_slices as (
    select
        tested_slices.*,
        row_number() over (partition by window_kind, window_end, metric order by p_value, slice_name, slice_value) as place,
        count(*) over (partition by window_kind, window_end, metric) as n_tests
    from tested_slices
),

corrected_slices as (
    select
        placed_slices.*,
        least(1.0, min(p_value * n_tests / place) over (
            partition by window_kind, window_end, metric order by place desc rows between unbounded preceding and current row
        )) as q_value
    from placed_slices
),

judged as (
    select
        parts.window_kind, parts.window_end, parts.metric, parts.slice_name, parts.slice_value,
        cast(parts.n1 as bigint) as n, cast(parts.n0 as bigint) as n_reference, parts.share, parts.share_reference, parts.value, parts.value_reference, parts.change,
        parts.overall_value, parts.overall_reference, parts.overall_change, parts.within, parts.mix, parts.excess, parts.worse_sign,
        corrected.p_value, corrected.q_value
    from pooled_slices as parts
    left join corrected_slices as corrected
        on parts.window_kind = corrected.window_kind and parts.window_end = corrected.window_end and parts.metric = corrected.metric
        and parts.slice_name = corrected.slice_name and parts.slice_value = corrected.slice_value
)
{%- endmacro %}

{# Sum of squared residuals about a mean on one side (1 now, 0 before); together: residuals of an entity are added up before they are squared. #}
{% macro residual_square(side, mean, together) %}
    {% set x_ss, x_sn, x_nn = ('x_ss' ~ side, 'x_sn' ~ side, 'x_nn' ~ side) if together else ('0', '0', '0') %}
    {% set sum = "(ss" ~ side ~ " + " ~ x_ss ~ " - 2 * " ~ mean ~ " * (s" ~ side ~ " + " ~ x_sn ~ ") + " ~ mean ~ " * " ~ mean ~ " * (n" ~ side ~ " + " ~ x_nn ~ "))" %}
    {{ return("case when " ~ sum ~ " > 0 then " ~ sum ~ " else 0 end") }}
{% endmacro %}

{# observed * ln(observed / expected); 0 where nothing was observed. #}
{% macro likelihood_term(observed, expected) %}
    {{ return("case when " ~ observed ~ " > 1e-9 and " ~ expected ~ " > 1e-9 then " ~ observed ~ " * ln(" ~ observed ~ " / (" ~ expected ~ ")) else 0 end") }}
{% endmacro %}

{#
Upper tail of the standard normal distribution for z >= 0, relative error below 1.2e-7 everywhere: half the complementary error function at z / sqrt 2 by the Chebyshev fit
of Press, Teukolsky, Vetterling and Flannery, Numerical Recipes, section 6.2 (erfcc). SQL has no error function. Beyond z = 37 it is 0 and stays finite.
#}
{% macro normal_tail(z) %}
    {% set x = "(least(" ~ z ~ ", 38.0) / 1.4142135623730951)" %}
    {% set t = "(1 / (1 + " ~ x ~ " / 2))" %}
    {% set sum = ["0.17087277"] %}
    {% for c in ["-0.82215223", "1.48851587", "-1.13520398", "0.27886807", "-0.18628806", "0.09678418", "0.37409196", "1.00002368", "-1.26551223"] %}
        {% do sum.append("(" ~ c ~ " + " ~ t ~ " * " ~ sum[-1] ~ ")") %}
    {% endfor %}
    {{ return("(" ~ t ~ " * exp(-" ~ x ~ " * " ~ x ~ " + " ~ sum[-1] ~ ") / 2)") }}
{% endmacro %}
