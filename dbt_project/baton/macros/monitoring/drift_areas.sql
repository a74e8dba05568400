{#
CTE `areas`: per series with known rows on both sides the largest distance of the two distribution functions (ks), the area between them in widths of the grid, the share of it in
the tails, and n_outside. In: `series`, `kinds`, `totals`, `current_codes`, `reference_codes`.
#}
{% macro drift_areas() %}{{ return(adapter.dispatch('drift_areas', 'baton')()) }}{% endmacro %}

{# Every code of either side in a row, and a window over those of a series. #}
{% macro default__drift_areas() -%}
{% set float = baton.type_double() %}
code_pairs as (
    select series, code, sum(n) as n, sum(offsets) as offsets, sum(n_reference) as n_reference, max(place) as place, sum(n_outside) as n_outside
    from (
        select series, code, n, offsets, cast(0 as {{ float }}) as n_reference, cast(0 as {{ float }}) as place, n_outside
        from current_codes
        union all
        select series.series, reference_codes.code, 0 as n, 0 as offsets, reference_codes.n as n_reference, reference_codes.place, 0 as n_outside
        from series
        inner join kinds on series.number = kinds.number
        inner join reference_codes on series.version = reference_codes.version and kinds.feature = reference_codes.feature
    ) as both_sides
    group by series, code
),

steps as (
    select
        series, code, next_code, n_outside, after / (n_known * m_known) as after, n / n_known as g, n_reference / m_known as f,
        offsets / (1048576.0e0 * n_known) as g_place, place * n_reference / m_known as f_place
    from (
        select
            sized.*,
            sum(n * m_known - n_reference * n_known) over (partition by series order by code rows unbounded preceding) as after,
            lead(code) over (partition by series order by code) as next_code
        from (
            select code_pairs.*, totals.n - totals.n_null as n_known, totals.n_reference - totals.n_reference_null as m_known
            from code_pairs
            inner join totals on code_pairs.series = totals.series
            where totals.n > totals.n_null and totals.n_reference > totals.n_reference_null
        ) as sized
    ) as summed
),

areas as (
    select
        series, max(abs(after)) as ks, sum(n_outside) as n_outside, {{ baton.stable_sum('area', 9) }} as area,
        {{ baton.stable_sum('case when code = -1 or code = 4096 then area else 0 end', 9) }} as tails
    from (
        select
            steps.*,
            case when code = -1 or code = 4096 then abs(f_place - g_place) else {{ baton.drift_area() }} end
            + case when next_code > code + 1 then abs(after) * (next_code - code - 1) else 0 end as area
        from steps
    ) as with_area
    group by series
)
{%- endmacro %}

{#
On DuckDB one sorted pass over the window's own codes, a third of the CPU. The reference is dense and cumulated once per version and feature: behind each code `up_to` of its rows,
and `passed`, the sum up to there of (rows behind the code less its rows' places). Between two codes of the window its own distribution function stands still: the distance is
largest at the ends, and the area is a difference of two `passed`, unless the functions cross there; then the codes between are looked at one by one. A series begins at code -1 and
ends at 4096. Sums run on over all series; what came before a series is taken off. (That an empty frame over a sorted subquery keeps its order is documented: "Order Preservation".)
#}
{% macro duckdb__drift_areas() -%}
{{ baton.drift_lines() }},

{{ baton.drift_places() }},

steps as (
    select
        series, line, code_before, code, stands, m_known, greatest(abs(after_n), abs(ahead), abs(behind)) / (n_known * m_known) as ks, ahead * behind < 0 as is_crossed,
        case when code < 4096 then {{ baton.drift_area() }} else 0 end
        + case when ahead * behind >= 0 then abs((code - code_before - 1) * stands - passed / m_known) else 0 end as area
    from (
        select
            *, (n_before - n_earlier) / n_known as stands, after_n / (n_known * m_known) as after,
            (n_so_far - n_before) / n_known as g, n / m_known as f, (offsets_so_far - offsets_before) / (1048576.0e0 * n_known) as g_place, place * n / m_known as f_place
        from (
            select
                places.*, compared.line, compared.n_known, compared.m_known, compared.n_earlier, here.n, here.place, (here.passed_before - before.passed) / 1e9 as passed,
                (places.n_before - compared.n_earlier) * compared.m_known - before.up_to * compared.n_known as ahead,
                (places.n_before - compared.n_earlier) * compared.m_known - (here.up_to - here.n) * compared.n_known as behind,
                (places.n_so_far - compared.n_earlier) * compared.m_known - here.up_to * compared.n_known as after_n
            from places
            inner join compared on places.series = compared.series
            inner join reference_lines as here on 4098 * compared.line + places.code = here.cell
            inner join reference_lines as before on 4098 * compared.line + places.code_before = before.cell
            where places.code >= 0
        ) as looked_up
    ) as shares
),

-- Crossings are few. Kept beside the sums of their series they need no second look at all steps.
inside as (
    select
        series, max(ks) as ks, {{ baton.stable_sum('area', 9) }} as area,
        list({'line': line, 'code_before': code_before, 'code': code, 'stands': stands, 'm_known': m_known}) filter (where is_crossed) as crossings
    from steps
    group by series
),

beyond as (
    select
        series, sum(n_outside) as n_outside, sum(case when code = -1 then offsets else 0 end) / 1048576.0e0 as below,
        sum(case when code = 4096 then offsets else 0 end) / 1048576.0e0 as above
    from current_codes
    where code < 0 or code > 4095
    group by series
),

ends as (
    select
        compared.series, coalesce(beyond.n_outside, 0) as n_outside,
        abs(lowest.place * lowest.n / compared.m_known - coalesce(beyond.below, 0) / compared.n_known)
        + abs(highest.place * highest.n / compared.m_known - coalesce(beyond.above, 0) / compared.n_known) as tails
    from compared
    inner join reference_lines as lowest on 4098 * compared.line - 1 = lowest.cell
    inner join reference_lines as highest on 4098 * compared.line + 4096 = highest.cell
    left join beyond on compared.series = beyond.series
),

crossed as (
    select series, {{ baton.stable_sum(baton.drift_area(), 9) }} as area
    from (
        select
            crossings.series, crossings.crossing.stands - reference_lines.up_to / crossings.crossing.m_known as after, 0 as g, 0 as g_place,
            reference_lines.n / crossings.crossing.m_known as f, reference_lines.place * reference_lines.n / crossings.crossing.m_known as f_place
        from (
            select series, crossing, unnest(range(crossing.code_before + 1, crossing.code)) as code_between
            from (select series, unnest(crossings) as crossing from inside) as each_crossing
        ) as crossings
        inner join reference_lines on 4098 * crossings.crossing.line + crossings.code_between = reference_lines.cell
    ) as between_codes
    group by series
),

areas as (
    select ends.series, inside.ks, ends.n_outside, inside.area + coalesce(crossed.area, 0) + ends.tails as area, ends.tails
    from ends
    inner join inside on ends.series = inside.series
    left join crossed on ends.series = crossed.series
)
{%- endmacro %}

{#
CTEs `compared`: the series with known rows on both sides; line: their version and feature, n_earlier: known rows of the series before. `reference_lines` (cell: 4098 line + code,
code from -1 to 4096, n, place, up_to, passed; passed_before: without the code itself).
#}
{% macro drift_lines() -%}
{% set so_far = "over (rows between unbounded preceding and current row)" %}
compared as (
    select
        series, version, feature, cast(dense_rank() over (order by version, feature) as integer) as line, n_known, m_known,
        sum(n_known) over (order by series rows between unbounded preceding and current row) - n_known as n_earlier
    from (
        select series, version, feature, sum(n - n_null) as n_known, sum(n_reference - n_reference_null) as m_known
        from totals
        where kind = 'number' and n > n_null and n_reference > n_reference_null
        group by series, version, feature
    ) as known
),

reference_cells as (
    select
        codes.line, codes.code, cast(coalesce(reference_codes.n, 0) as double) as n, coalesce(reference_codes.place, 0) as place
    from (select *, cast(unnest(range(-1, 4097)) as integer) as code from (select distinct line, version, feature from compared) as names) as codes
    left join reference_codes
        on codes.version = reference_codes.version and codes.feature = reference_codes.feature and codes.code = reference_codes.code
),

reference_steps as (
    select *, cast(1e9 * up_to as decimal(38, 0)) - {{ baton.fixed('n * place', 9) }} as own
    from (
        select sums.line, sums.code, sums.n, sums.place, sums.so_far - earlier.total as up_to
        from (select *, sum(n) {{ so_far }} as so_far from (select * from reference_cells order by line, code) as in_order) as sums
        inner join (select line, sum(sum(n)) over (order by line) - sum(n) as total from reference_cells group by line) as earlier on sums.line = earlier.line
    ) as counted
),

reference_lines as (
    select 4098 * sums.line + code as cell, n, place, up_to, cast(so_far - earlier.total as double) as passed, cast(so_far - earlier.total - own as double) as passed_before
    from (select *, sum(own) {{ so_far }} as so_far from (select * from reference_steps order by line, code) as in_order) as sums
    inner join (select line, sum(sum(own)) over (order by line) - sum(own) as total from reference_steps group by line) as earlier on sums.line = earlier.line
)
{%- endmacro %}

{# CTE `places`: one row per series and code of the window, in order, with the code before and the sums over all series up to both. #}
{% macro drift_places() -%}
{% set so_far = "over (rows between unbounded preceding and current row)" %}
places as (
    select series, code, n_so_far, offsets_so_far, lag(code) over () as code_before, lag(n_so_far) over () as n_before, lag(offsets_so_far) over () as offsets_before
    from (
        select
            series, code, sum(n) {{ so_far }} as n_so_far, sum(offsets) {{ so_far }} as offsets_so_far,
            lead(series) over () as next_series, lead(code) over () as next_code
        from (
            select series, code, n, case when code between 0 and 4095 then offsets else 0 end as offsets
            from current_codes
            where series in (select series from compared)
            union all
            select series, cast(unnest([-1, 4096]) as integer) as code, 0, 0
            from compared
            order by series, code
        ) as sorted_codes
    ) as summed
    where next_series is distinct from series or next_code <> code
)
{%- endmacro %}

{#
Area between the two distribution functions over one code, in widths of the grid. `after` and `after - g + f` are their difference behind and before the code. The area
is exact where the difference keeps its sign, else taken as if all rows stood at their mean place.
#}
{% macro drift_area() %}
    {% set before = "(after - g + f)" %}
    {% set meeting = "((f_place + g_place) / (f + g))" %}
    {{ return("case when " ~ before ~ " * after < 0 then abs(" ~ before ~ ") * " ~ meeting ~ " + abs(after) * (1 - " ~ meeting ~ ") else abs(" ~ before ~ " + g - g_place - f + f_place) end") }}
{% endmacro %}
