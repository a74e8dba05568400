{#
CTEs from distances to `judged`, one row per (target, feature, method): value, threshold, test, q_value, status. In: what `drift_distances` gives; columns of `targets`.
monitor: of the product: min_n, drift.q; methods: those to show, none for all
#}
{% macro drift_tests(monitor, methods=none) -%}
{% set float = baton.type_double() %}
{% set q = monitor.drift.q %}
{{ baton.half_gammas() }},

shape_tails as (
    {{ baton.chi_square_tails('(select series, degrees_of_freedom as freedom, statistic as x from shape where degrees_of_freedom >= 1 and statistic > 0)', ['series']) }}
),

{{ baton.chi_square_quantiles('(select n_bins - 1 as freedom from shape)', q) }},

measured as (
    select
        totals.*, shape.psi, shape.jensen_shannon, shape.cramers_v, shape.n_bins, shape.statistic, shape.degrees_of_freedom,
        distances.ks, distances.wasserstein, distances.n_outside, distances.is_constant,
        totals.n - totals.n_null as n_known, totals.n_reference - totals.n_reference_null as n_reference_known,
        case when shape.degrees_of_freedom >= 1 then coalesce(shape_tails.probability, 1) end as p_shape,
        chi_square_quantiles.x * (1 / totals.n_effective + 1 / nullif(totals.n_reference, 0)) as critical,
        distances.ks * sqrt(totals.n_known_effective * (totals.n_reference - totals.n_reference_null)
            / nullif(totals.n_known_effective + totals.n_reference - totals.n_reference_null, 0)) as ks_scaled,
        sqrt(-ln({{ q }} / 2.0e0) / 2 * (1 / nullif(totals.n_known_effective, 0) + 1 / nullif(totals.n_reference - totals.n_reference_null, 0))) as ks_critical
    from totals
    left join shape on totals.series = shape.series
    left join shape_tails on totals.series = shape_tails.series
    left join chi_square_quantiles on chi_square_quantiles.freedom = shape.n_bins - 1
    left join distances on totals.series = distances.series
    where totals.n > 0
),

{# k of n here against k_reference of m there; one-sided where only more is drift. #}
share_counts as (
    select series, 'null_share' as method, n_null * independent as k, n_effective as n, n_reference_null as k_reference, n_reference as m, 0 as one_sided from measured
    union all
    select series, 'new_categories', n_new * independent, n_effective, n_once, n_reference, 1 from measured where kind = 'category'
    union all
    select series, 'range', n_outside * independent, n_known_effective, 2, n_reference_known, 1 from measured where kind = 'number'
),

share_tests as (
    {{ baton.drift_share_tests('share_counts') }}
),

method_rows as (
    {%- for row in baton.drift_methods() if methods is none or row.method in methods %}
    {{ 'union all' if not loop.first }}
    select
        measured.target, measured.feature, {{ baton.quoted(row.method) }} as method, measured.n_entities, {{ row.n }} as n, {{ row.n_reference }} as n_reference,
        {{ row.value }} as value, {{ row.threshold }} as threshold, {{ row.statistic or 'cast(null as ' ~ float ~ ')' }} as statistic,
        {{ row.freedom or 'cast(null as bigint)' }} as degrees_of_freedom, {{ row.p }} as p_value, {{ row.constant or '0' }} as is_constant
    from measured
    {%- if row.shares %}
    left join share_tests on measured.series = share_tests.series and share_tests.method = {{ baton.quoted(row.method) }}
    {%- endif %}
    {%- if row.kind %}
    where measured.kind = {{ baton.quoted(row.kind) }}
    {%- endif %}
    {%- endfor %}
),

tested as (
    select
        method_rows.*,
        case when is_judged = 1 and is_constant = 0 then p_value end as p_judged
    from (
        select method_rows.*, case when n >= {{ monitor.min_n }} and n_reference >= {{ monitor.min_n }} and value is not null then 1 else 0 end as is_judged
        from method_rows
    ) as method_rows
),

{# Benjamini and Hochberg 1995: the smallest p * m / rank at or above the row's own rank. #}
corrected as (
    select
        ranked.*,
        case when p_judged is not null then min(scaled) over (partition by target order by p_judged desc, method, feature rows unbounded preceding) end as q_value
    from (
        select
            tested.*,
            case when p_judged * n_tests <= place_from_below then p_judged * n_tests / place_from_below else 1 end as scaled
        from (
            select
                tested.*, count(p_judged) over (partition by target) as n_tests,
                count(p_judged) over (partition by target) + 1
                    - row_number() over (partition by target order by case when p_judged is null then 1 else 0 end, p_judged desc, method, feature) as place_from_below
            from tested
        ) as tested
    ) as ranked
),

judged as (
    select
        corrected.*,
        case
            when is_judged = 0 then 'insufficient_data'
            when is_constant = 1 then 'constant'
            when method = 'new_categories' and value > 0 then 'new_category'
            when is_large = 1 then 'drift'
            else 'ok'
        end as status
    from (
        select corrected.*, case when p_judged is not null and abs(value) > threshold and q_value <= {{ q }} then 1 else 0 end as is_large
        from corrected
    ) as corrected
)
{%- endmacro %}

{# One entry per method: what its row shows, in terms of CTE `measured`. #}
{% macro drift_methods() %}
    {% set floors = baton.drift_floors() %}
    {% set by_rows = {'n': 'measured.n', 'n_reference': 'measured.n_reference'} %}
    {% set by_numbers = {'kind': 'number', 'n': 'n_known', 'n_reference': 'n_reference_known'} %}
    {% set by_bins = dict(by_rows, statistic='statistic', freedom='degrees_of_freedom', p='p_shape', constant='case when n_bins = 1 then 1 else 0 end') %}
    {% set by_steps = dict(by_numbers, p=baton.kolmogorov('ks_scaled'), constant='is_constant') %}
    {% set share = {'p': 'share_tests.p_value', 'shares': true} %}
    {{ return([
        dict(by_bins, method='psi', value='psi', threshold=baton.drift_larger(floors.psi, 'critical')),
        dict(by_bins, method='jensen_shannon', value='jensen_shannon', threshold=baton.drift_larger(floors.jensen_shannon, 'sqrt(critical / (8 * ln(2.0e0)))')),
        dict(by_bins, method='chi_square', kind='category', value='cramers_v', threshold=floors.chi_square),
        dict(by_steps, method='ks', value='ks', threshold=baton.drift_larger(floors.ks, 'ks_critical')),
        dict(by_steps, method='wasserstein', value='wasserstein', threshold=floors.wasserstein),
        dict(by_rows, **dict(share, method='null_share', value='n_null / measured.n - n_reference_null / nullif(measured.n_reference, 0)', threshold=floors.null_share)),
        dict(by_numbers, **dict(share, method='range', value='n_outside / nullif(n_known, 0)', threshold=floors.range)),
        dict(by_rows, **dict(share, method='new_categories', kind='category', value='n_new / measured.n', threshold=floors.new_categories)),
        dict(by_rows, method='vanished_categories', kind='category', value='n_vanished / nullif(measured.n_reference, 0)', threshold=floors.vanished_categories,
            p=baton.drift_vanished()),
    ]) }}
{% endmacro %}

{# The floor, or what the sample size asks for where that is more. #}
{% macro drift_larger(floor, critical) %}
    {{ return("case when " ~ critical ~ " > " ~ floor ~ " then " ~ critical ~ " else " ~ floor ~ " end") }}
{% endmacro %}

{# P of Kolmogorov's distribution above a scaled distance, both of its series to the last digit (Kolmogorov 1933). #}
{% macro kolmogorov(scaled) %}
    {% set small = "exp(-9.8696044010893586188e0 / (8 * " ~ scaled ~ " * " ~ scaled ~ "))" %}
    {% set large = "exp(-2 * " ~ scaled ~ " * " ~ scaled ~ ")" %}
    {{ return("case when " ~ scaled ~ " < 0.04 then 1.0e0 when " ~ scaled ~ " < 1.18 then 1 - 2.5066282746310005024e0 / " ~ scaled ~ " * (" ~ small ~ " + power(" ~ small
        ~ ", 9) + power(" ~ small ~ ", 25)) when " ~ scaled ~ " >= 1.18 then 2 * (" ~ large ~ " - power(" ~ large ~ ", 4) + power(" ~ large ~ ", 9) - power(" ~ large ~ ", 16)) end") }}
{% endmacro %}

{# That a category with so many rows in the reference has none here by chance, times the number of categories: at most (m / (n + m)) ^ rows each. #}
{% macro drift_vanished() %}
    {% set chance = "n_categories * exp(n_vanished_most * ln(measured.n_reference / (measured.n_reference + n_effective)))" %}
    {{ return("case when measured.n_reference > 0 then case when " ~ chance ~ " < 1 then " ~ chance ~ " else 1 end end") }}
{% endmacro %}

{#
A select of (series, method, p_value): two shares, k of n and k_reference of m. Pearson's chi-square with one degree of freedom where 5 are expected in each cell,
else Chernoff's bound on the hypergeometric tail: exp(-K * KL(k / K, n / (n + m))), K = k + k_reference (Hoeffding 1963). Doubled, or halved for Pearson, by the sides.
#}
{% macro drift_share_tests(relation) -%}
select
    series, method,
    case
        when n <= 0 or m <= 0 then null
        when k_all = 0 or (one_sided = 1 and k / n <= k_reference / m) then 1
        when expected >= 5 then {{ baton.erfc('root') }} * case when one_sided = 1 then 0.5 else 1 end
        when bound * case when one_sided = 1 then 1 else 2 end < 1 then bound * case when one_sided = 1 then 1 else 2 end
        else 1
    end as p_value
from (
    select
        counts.*,
        case when n < m then n else m end / (n + m) * case when k_all < n + m - k_all then k_all else n + m - k_all end as expected,
        sqrt(case when k_all > 0 and k_all < n + m then (k / n - k_reference / m) * (k / n - k_reference / m) * n * m * (n + m) / (2 * k_all * (n + m - k_all)) else 0 end) as root,
        exp(-case when k > 0 then k * ln(k / k_all * (n + m) / n) else 0 end - case when k_reference > 0 then k_reference * ln(k_reference / k_all * (n + m) / m) else 0 end) as bound
    from (select counts.*, k + k_reference as k_all from {{ relation }} as counts where n > 0 and m > 0) as counts
) as compared
{%- endmacro %}
