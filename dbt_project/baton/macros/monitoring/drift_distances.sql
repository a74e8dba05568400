{#
CTEs from counts to distances. In: `targets`, `kinds`, `series`, `current_bins`, `current_codes`, `reference_bins`, `reference_codes`, `scales`.
Out: `totals` (rows on both sides), `shape` (psi, jensen_shannon, cramers_v and the chi-square test of the same bins), `distances` (ks, wasserstein, n_outside; no rows unless `fine`).
Sums of fractions are sums of whole numbers (`baton.fixed`), so that two runs give the same bytes.
#}
{% macro drift_distances(fine=true) -%}
{% set float = baton.type_double() %}
{% set expected = baton.fixed('expected_least', 12) %}
bin_pairs as (
    select series, bin, part, sum(n) as n, sum(n_reference) as n_reference, sum(n_once) as n_once
    from (
        select series, bin, part, n, 0 as n_reference, 0 as n_once
        from current_bins
        union all
        select series.series, reference_bins.bin, '' as part, 0 as n, cast(reference_bins.n as {{ float }}) as n_reference, reference_bins.n_once
        from series
        inner join kinds on series.number = kinds.number
        inner join reference_bins on series.version = reference_bins.version and kinds.feature = reference_bins.feature
    ) as both_sides
    group by series, bin, part
    having sum(n) + sum(n_reference) > 0
),

totals as (
    select
        counted.*, series.target, series.version, kinds.feature, kinds.kind, targets.n_entities, targets.independent,
        counted.n * targets.independent as n_effective, (counted.n - counted.n_null) * targets.independent as n_known_effective
    from (
        select
            series, sum(n) as n, sum(n_reference) as n_reference,
            sum(case when bin = -1 then n else 0 end) as n_null, sum(case when bin = -1 then n_reference else 0 end) as n_reference_null,
            sum(case when bin = -2 then n else 0 end) as n_new, sum(n_once) as n_once,
            sum(case when n = 0 and bin >= 0 then n_reference else 0 end) as n_vanished,
            max(case when n = 0 and bin >= 0 then n_reference else 0 end) as n_vanished_most,
            sum(case when n_reference > 0 and bin >= 0 then 1 else 0 end) as n_categories
        from bin_pairs
        group by series
    ) as counted
    inner join series on counted.series = series.series
    inner join targets on series.target = targets.target
    inner join kinds on series.number = kinds.number
),

{# Distances pool what the reference never saw, and its categories beyond the 200 most frequent. #}
bin_shares as (
    select
        shares.*, case when p > 0 then p else 1e-4 end as p_psi, case when q > 0 then q else 1e-4 end as q_psi
    from (
        select pooled.series, pooled.bin, pooled.n / totals.n as p, pooled.n_reference / totals.n_reference as q
        from (
            select series, case when bin > 200 then 200 else bin end as bin, sum(n) as n, sum(n_reference) as n_reference
            from bin_pairs
            group by series, case when bin > 200 then 200 else bin end
        ) as pooled
        inner join totals on pooled.series = totals.series
        where totals.n > 0 and totals.n_reference > 0
    ) as shares
),

{#
The test keeps every value apart and merges by counts of both sides together, which know nothing of the sides. One bin of all that only the window has would be chosen by
its result: rare values differ between any two samples.
#}
bin_cells as (
    select
        cells.*,
        case when n_effective < n_reference then n_effective else n_reference end * pooled as expected_least,
        (case when n_effective * pooled < 5 then 0.5e0 else 0 end) + (case when n_reference * pooled < 5 then 0.5e0 else 0 end) as n_small
    from (
        select
            bin_pairs.series, bin_pairs.bin, bin_pairs.part, totals.n_effective, totals.n_reference,
            bin_pairs.n / totals.n as p, bin_pairs.n_reference / totals.n_reference as q,
            (bin_pairs.n * totals.independent + bin_pairs.n_reference) / (totals.n_effective + totals.n_reference) as pooled
        from bin_pairs
        inner join totals on bin_pairs.series = totals.series
        where totals.n > 0 and totals.n_reference > 0
    ) as cells
),

{# One order over all series, less what came before a series: DuckDB pays a window of a thousand partitions ten times over. Sums of whole numbers stay exact. #}
expected as (
    select
        numbered.*, series_cells.smallest, series_cells.share_small, numbered.place_among_all - series_cells.n_earlier as place,
        {{ baton.unfixed('numbered.total_before - series_cells.total_earlier', 12) }} as expected_before
    from (
        select
            bin_cells.*, row_number() over (order by series, expected_least desc, bin, part) as place_among_all,
            sum({{ expected }}) over (order by series, expected_least, bin, part rows unbounded preceding) - {{ expected }} as total_before
        from bin_cells
    ) as numbered
    inner join (
        select
            series, smallest, share_small, sum(n_cells) over (order by series rows unbounded preceding) - n_cells as n_earlier,
            sum(total) over (order by series rows unbounded preceding) - total as total_earlier
        from (
            select series, count(*) as n_cells, min(expected_least) as smallest, avg(n_small) as share_small, sum({{ expected }}) as total
            from bin_cells
            group by series
        ) as counted
    ) as series_cells on numbered.series = series_cells.series
),

{#
Cochran's rule: no cell below 1, at most a fifth below 5. Where it fails, bins below 5 are merged, with the next one if all of them are still below 5. So is what comes
after the 200 largest.
#}
merged as (
    select series, n_effective, n_reference, bin, part, sum(p) as p, sum(q) as q, sum(pooled) as pooled
    from (
        select series, n_effective, n_reference, p, q, pooled, case when is_merged = 1 then -9 else bin end as bin, case when is_merged = 1 then '' else part end as part
        from (
            select
                expected.*,
                case when place > 200 then 1
                    when (smallest < 1 or share_small > 0.2) and (expected_least < 5 or (expected_before > 0 and expected_before < 5)) then 1 else 0 end as is_merged
            from expected
        ) as marked
    ) as keyed
    group by series, n_effective, n_reference, bin, part
),

shape_tests as (
    select
        series, count(*) - 1 as degrees_of_freedom,
        {{ baton.unfixed('sum(' ~ baton.fixed('n_effective * n_reference / (n_effective + n_reference) * (p - q) * (p - q) / pooled', 12) ~ ')', 12) }} as statistic
    from merged
    group by series
),

shape as (
    select
        sums.series, sums.n_bins, sums.psi, sqrt(sums.divergence) as jensen_shannon, sqrt(sums.triangle / 2) as cramers_v,
        shape_tests.degrees_of_freedom, shape_tests.statistic
    from (
        select
            series, count(*) as n_bins,
            {{ baton.unfixed('sum(' ~ baton.fixed('(p_psi - q_psi) * ln(p_psi / q_psi)', 15) ~ ')', 15) }} as psi,
            {{ baton.unfixed('sum(' ~ baton.fixed(baton.drift_divergence(), 15) ~ ')', 15) }} as divergence,
            {{ baton.unfixed('sum(' ~ baton.fixed('(p - q) * (p - q) / (p + q)', 15) ~ ')', 15) }} as triangle
        from bin_shares
        group by series
    ) as sums
    inner join shape_tests on sums.series = shape_tests.series
),

{% if not fine -%}
distances as (
    select series, n as ks, n as n_outside, n as wasserstein, 0 as is_constant
    from totals
    where 1 = 0
)
{%- else -%}
{{ baton.drift_areas() }},

{# KS at the stored deciles, where both sides are counted exactly; the sum is zero behind a series, so that it runs on into the next. Equal widths put most of a heavy-tailed column, or values side by side before a far one, into one fine bin. #}
deciles as (
    select series, max(abs(after) / (n_known * m_known)) as ks
    from (
        select
            bin_pairs.series, totals.n - totals.n_null as n_known, totals.n_reference - totals.n_reference_null as m_known,
            sum(bin_pairs.n * (totals.n_reference - totals.n_reference_null) - bin_pairs.n_reference * (totals.n - totals.n_null))
                over (order by bin_pairs.series, bin_pairs.bin rows unbounded preceding) as after
        from bin_pairs
        inner join totals on bin_pairs.series = totals.series
        where totals.kind = 'number' and bin_pairs.bin >= 0 and totals.n > totals.n_null and totals.n_reference > totals.n_reference_null
    ) as at_deciles
    group by series
),

known_scales as (
    select series.series, scales.low, scales.high, scales.lowest, scales.highest, scales.width, scales.deviation
    from series
    inner join kinds on series.number = kinds.number
    inner join scales on series.version = scales.version and kinds.feature = scales.feature
),

distances as (
    select
        areas.series, case when deciles.ks > areas.ks then deciles.ks else areas.ks end as ks, areas.n_outside,
        round(
            case when scales.low = scales.high then areas.tails else areas.area end
            * (scales.width / case when scales.deviation > 0.001 then scales.deviation when scales.deviation <= 0.001 then 0.001 end), 12
        ) as wasserstein,
        case when scales.lowest = scales.highest and areas.ks = 0 then 1 else 0 end as is_constant
    from areas
    inner join deciles on areas.series = deciles.series
    inner join known_scales as scales on areas.series = scales.series
)
{%- endif %}
{%- endmacro %}

{# One bin of the Jensen-Shannon divergence in bits; an empty share adds nothing. #}
{% macro drift_divergence() %}
    {{ return("(case when p > 0 then p * ln(2 * p / (p + q)) else 0 end + case when q > 0 then q * ln(2 * q / (p + q)) else 0 end) / (2 * ln(2.0e0))") }}
{% endmacro %}
