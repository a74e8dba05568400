{#
CTEs `placements` and `ranks`: ROC AUC with ties at half, its DeLong variance, average precision, per target, by running sums over the distinct scores or bins.

At a score with `pos` positives and `neg` negatives: v10 = share of negatives below it, v01 = share of positives above it, ties at half, stored as whole numbers `below` = 2 n_neg v10
and `above` = 2 n_pos v01. AUC = mean of v10 over positives; variance = sum pos (v10 - AUC)^2 / (n_pos (n_pos - 1)) + sum neg (v01 - AUC)^2 / (n_neg (n_neg - 1)).
Source: DeLong, DeLong, Clarke-Pearson 1988. AP = sum of (R_n - R_(n-1)) P_n over descending thresholds.
#}
{% macro performance_ranks(slices) %}
scored as (
    {%- for slice in [none] + slices %}
    {%- for method in ['exact', 'binned'] %}
    {{ 'union all' if not (loop.first and slice is none) }}
    select target_days.target, {{ 'rows_ranked.score' if method == 'exact' else 'rows_ranked.bin' }} as score, rows_ranked.pos, rows_ranked.neg
    from target_days
    inner join {{ baton.ranked_rows(method, loop.index0, baton.slice_column(slices, slice)) }} as rows_ranked
        on target_days.day = rows_ranked.day and target_days.slice_value = rows_ranked.slice_value
        and (target_days.rank_version = 'all' or target_days.rank_version = rows_ranked.version)
    where target_days.slice_name = {{ baton.quoted(slice or 'overall') }} and target_days.method = '{{ method }}'
        and target_days.n_pos > 0 and target_days.n_neg > 0
    {%- endfor %}
    {%- endfor %}
),

steps as (
    select target, score, sum(pos) as pos, sum(neg) as neg
    from scored
    group by target, score
),

placements as (
    select
        steps.target, steps.score, steps.pos, steps.neg, targets.n_pos, targets.n_neg,
        sum(steps.pos) over (partition by steps.target order by steps.score rows between unbounded preceding and current row) as pos_up_to,
        sum(steps.neg) over (partition by steps.target order by steps.score rows between unbounded preceding and current row) as neg_up_to
    from steps
    inner join targets on steps.target = targets.target
),

placed as (
    select
        target, score, pos, neg, n_pos, n_neg,
        cast(2 * neg_up_to - neg as decimal(38, 0)) as below,
        cast(2 * (n_pos - pos_up_to) + pos as decimal(38, 0)) as above,
        pos * (n_pos - pos_up_to + pos) / cast(n_pos - pos_up_to + pos + n_neg - neg_up_to + neg as {{ baton.type_double() }}) as hits
    from placements
),

ranks as (
    select
        target,
        cast(sum(pos * below) as {{ baton.type_double() }}) / (2e0 * n_pos * n_neg) as roc_auc,
        {{ baton.unfixed('sum(' ~ baton.fixed('hits', 12) ~ ')', 12) }} / n_pos as average_precision,
        {{ baton.placement_variance('pos', 'below', 'n_pos', 'n_neg') }} + {{ baton.placement_variance('neg', 'above', 'n_neg', 'n_pos') }} as variance
    from placed
    group by target, n_pos, n_neg
)
{%- endmacro %}

{#
One half of DeLong's variance: sum of n (v - AUC)^2 / (size (size - 1)), v = placement / (2 others). Placements are whole numbers (halves doubled), so the sums are exact:
the numerator is size * sum n v^2 - (sum n v)^2 over size.
#}
{% macro placement_variance(n, placement, size, others) %}
    {% set first = "cast(sum(" ~ n ~ " * " ~ placement ~ ") as decimal(38, 0))" %}
    {% set second = "cast(sum(" ~ n ~ " * " ~ placement ~ " * " ~ placement ~ ") as decimal(38, 0))" %}
    {{ return("cast(" ~ size ~ " * " ~ second ~ " - " ~ first ~ " * " ~ first ~ " as " ~ baton.type_double() ~ ") / nullif(4e0 * " ~ others ~ " * " ~ others ~ " * "
        ~ size ~ " * " ~ size ~ " * (" ~ size ~ " - 1), 0)") }}
{% endmacro %}

{# Rows to rank: the facts themselves, or a histogram of them per (day, version, slice value). #}
{% macro ranked_rows(method, position, slice_value) -%}
(
        select
            day, version, {{ slice_value }} as slice_value,
            {%- if method == 'exact' %}
            score, label as pos, 1 - label as neg
        from facts
        where label is not null
            {%- else %}
            {{ baton.score_bin('score') }} as bin, sum(label) as pos, sum(1 - label) as neg
        from facts
        where label is not null
        group by 1, 2, 3, 4
            {%- endif %}
    )
{%- endmacro %}

{# The internal column of a slice; a literal for overall. #}
{% macro slice_column(slices, slice) %}
    {{ return("'all'" if slice is none else 'slice_' ~ (slices.index(slice) + 1)) }}
{% endmacro %}

{# Bins 0.025 wide on the log-odds scale, from one in a million to its complement: fine where churn scores live, near 0. #}
{% macro score_bin(score) %}
    {% set p = "case when " ~ score ~ " < 1e-6 then 1e-6 when " ~ score ~ " > 1 - 1e-6 then 1 - 1e-6 else " ~ score ~ " end" %}
    {{ return("floor(40 * ln((" ~ p ~ ") / (1 - (" ~ p ~ "))))") }}
{% endmacro %}
