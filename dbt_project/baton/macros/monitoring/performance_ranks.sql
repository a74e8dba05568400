{#
CTEs `running` and `ranks`: ROC AUC with ties at half, its variance, average precision, KS, per target and in three readings (matured, naive, expected), by running sums over the
distinct scores or bins.

At a score with `pos` positives and `neg` negatives: v10 = share of negatives below it, v01 = share of positives above it, ties at half, as whole numbers `below` = 2 n_neg v10
and `above` = 2 n_pos v01. AUC = mean of v10 over positives; variance = sum pos (v10 - AUC)^2 / (n_pos (n_pos - 1)) + sum neg (v01 - AUC)^2 / (n_neg (n_neg - 1)).
Source: DeLong, DeLong, Clarke-Pearson 1988. AP = sum of (R_n - R_(n-1)) P_n over descending thresholds.
KS = largest |share of positives - share of negatives| up to a score (Kolmogorov-Smirnov, two samples), from the whole number `apart` = n_pos n_neg times it.

Expected: a row of score p is p positives and 1 - p negatives, which is the trapezoid under the expected curve (CBPE, NannyML). The order is that of the calibrated score; that of
the raw score gives the same area, because calibration is monotone and rows it ties share one slope. The variance is of the AUC that will be realised if labels are drawn by the
scores: sum p (1 - p) d^2, where d = (negatives below - positives above) / (P Q) + AUC (1 / Q - 1 / P) is what one label adds, P and Q the expected positives and negatives.
#}
{% macro performance_ranks(hourly, slices, windows) %}
{% set double = baton.type_double() %}
{{ baton.rank_steps(hourly, slices, windows) }},

{{ baton.running_sums(['pos', 'neg', 'open_pos', 'n', 'expected']) }},

placed as (
    select
        running.target, running.pos, running.neg, targets.n_pos, targets.n_neg, targets.naive_n_pos, targets.naive_n_neg, targets.n,
        {{ baton.below() }} as below,
        {{ baton.above() }} as above,
        abs(pos_up_to * targets.n_neg - neg_up_to * targets.n_pos) as apart,
        running.pos * (targets.n_pos - pos_up_to + running.pos)
            / cast(nullif(targets.n_pos - pos_up_to + running.pos + targets.n_neg - neg_up_to + running.neg, 0) as {{ double }}) as hits,
        {%- set pos, pos_up_to = '(running.pos + open_pos)', '(pos_up_to + open_pos_up_to)' %}
        case when is_open then {{ pos }} end as naive_pos,
        case when is_open then n_here - {{ pos }} end as naive_neg,
        {{ baton.below('naive_') }} as naive_below,
        {{ baton.above('naive_') }} as naive_above,
        case when is_open then abs({{ pos_up_to }} * targets.naive_n_neg - (n_up_to - {{ pos_up_to }}) * targets.naive_n_pos) end as naive_apart,
        case when is_open then {{ pos }} * (targets.naive_n_pos - {{ pos_up_to }} + {{ pos }}) / cast(targets.n - n_up_to + n_here as {{ double }}) end as naive_hits,
        abs(expected_up_to / 1e12 * targets.n - n_up_to * targets.naive_score_sum) as expected_apart,
        expected / 1e12 as p,
        (expected / 1e12) * (1 - expected / 1e12 / n_here) as spread,
        targets.naive_score_sum as p_all,
        n_up_to - n_here / 2e0 - (expected_up_to - expected / 2e0) / 1e12 as q_below,
        targets.naive_score_sum - (expected_up_to - expected / 2e0) / 1e12 as p_above,
        (targets.naive_score_sum - (expected_up_to - expected) / 1e12) / (targets.n - n_up_to + n_here) as precision_from
    from running
    inner join targets on running.target = targets.target
),

rank_sums as (
    select
        target,
        {{ baton.rank_columns('') }},
        {{ baton.rank_columns('naive_') }},
        p_all,
        n - p_all as q_all,
        n,
        max(expected_apart) as expected_apart,
        {{ baton.stable_share_sum('p * q_below / (1e0 * n * n)') }} * n * n as p_q_below,
        {{ baton.stable_share_sum('p * precision_from / n') }} * n as p_precision,
        {{ baton.stable_share_sum('spread / n') }} as spread_0,
        {{ baton.stable_share_sum('spread * (q_below - p_above) / (1e0 * n * n)') }} as spread_1,
        {{ baton.stable_share_sum('spread * (q_below - p_above) * (q_below - p_above) / (1e0 * n * n * n)') }} as spread_2
    from placed
    group by target, n_pos, n_neg, naive_n_pos, naive_n_neg, n, p_all
),

expected_ranks as (
    select
        rank_sums.*,
        p_q_below / nullif(p_all * q_all, 0) as expected_roc_auc,
        p_precision / nullif(p_all, 0) as expected_average_precision,
        expected_apart / nullif(p_all * q_all, 0) as expected_ks
    from rank_sums
),

ranks as (
    select
        expected_ranks.*,
        {%- set slope, offset = '(1e0 * n / (p_all * q_all))', '(expected_roc_auc * (1e0 / q_all - 1e0 / p_all))' %}
        {%- set variance = 'n * (spread_2 * ' ~ slope ~ ' * ' ~ slope ~ ' + 2 * spread_1 * ' ~ slope ~ ' * ' ~ offset ~ ' + spread_0 * ' ~ offset ~ ' * ' ~ offset ~ ')' %}
        case when {{ variance }} > 1e-12 then {{ variance }} else 0 * expected_roc_auc end as expected_variance
    from expected_ranks
)
{%- endmacro %}

{# 2 n_neg v10 and 2 n_pos v01 at one row of `running`; the naive reading only where something is open. #}
{% macro below(prefix='') %}
    {% if prefix %}
        {{ return("case when is_open then 2 * (n_up_to - pos_up_to - open_pos_up_to) - (n_here - running.pos - open_pos) end") }}
    {% endif %}
    {{ return("2 * neg_up_to - running.neg") }}
{% endmacro %}

{% macro above(prefix='') %}
    {% if prefix %}{{ return("case when is_open then 2 * (targets.naive_n_pos - pos_up_to - open_pos_up_to) + running.pos + open_pos end") }}{% endif %}
    {{ return("2 * (targets.n_pos - pos_up_to) + running.pos") }}
{% endmacro %}

{# roc_auc, average_precision, ks and DeLong's variance of one reading; null with one class only. #}
{% macro rank_columns(prefix) -%}
        {%- set pos, neg, below, above, n_pos, n_neg = prefix ~ 'pos', prefix ~ 'neg', prefix ~ 'below', prefix ~ 'above', prefix ~ 'n_pos', prefix ~ 'n_neg' -%}
        cast(sum({{ pos }} * {{ below }}) as {{ baton.type_double() }}) / nullif(2e0 * {{ n_pos }} * {{ n_neg }}, 0) as {{ prefix }}roc_auc,
        case when {{ n_neg }} > 0 then {{ baton.stable_sum(prefix ~ 'hits', 12) }} / nullif({{ n_pos }}, 0) end as {{ prefix }}average_precision,
        max({{ prefix }}apart) / nullif(1e0 * {{ n_pos }} * {{ n_neg }}, 0) as {{ prefix }}ks,
        {{ baton.placement_variance(pos, below, n_pos, n_neg) }} + {{ baton.placement_variance(neg, above, n_neg, n_pos) }} as {{ prefix }}variance
{%- endmacro %}

{#
One half of DeLong's variance: sum of n (v - AUC)^2 / (size (size - 1)), v = placement / (2 others). Placements are whole numbers (halves doubled), so the sums are exact:
the numerator is size * sum n v^2 - (sum n v)^2 over size.
#}
{% macro placement_variance(n, placement, size, others) %}
    {% set first = "cast(sum(" ~ n ~ " * " ~ placement ~ ") as decimal(38, 0))" %}
    {% set second = "cast(sum(cast(" ~ n ~ " * " ~ placement ~ " as decimal(38, 0)) * " ~ placement ~ ") as decimal(38, 0))" %}
    {{ return("cast(" ~ size ~ " * " ~ second ~ " - " ~ first ~ " * " ~ first ~ " as " ~ baton.type_double() ~ ") / nullif(4e0 * " ~ others ~ " * " ~ others ~ " * "
        ~ size ~ " * " ~ size ~ " * (" ~ size ~ " - 1), 0)") }}
{% endmacro %}

{# Sum of an expression that is the same in every run. #}
{% macro stable_sum(expression, digits) %}{{ return(baton.unfixed('sum(' ~ baton.fixed(expression, digits) ~ ')', digits)) }}{% endmacro %}

{# The same of shares that are at most 1 in all: whole numbers of 10^-18 then fit a bigint, which is cheaper than a decimal. #}
{% macro stable_share_sum(expression) %}{{ return(baton.unfixed('sum(cast(round((' ~ expression ~ ') * 1e18) as bigint))', 18)) }}{% endmacro %}
