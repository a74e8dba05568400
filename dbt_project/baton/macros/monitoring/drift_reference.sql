{#
The reference as CTEs, from `ops.model_reference`, of the versions that are compared:
`scales` (version, feature, low, high, width: the fine grid; lowest, highest, deviation; e1 ... : finite edges of the bins),
`reference_bins` (version, feature, bin, n, n_once: rows whose value stands there once), `reference_codes` (version, feature, code, n, place: mean place inside the code),
`reference_categories` (version, feature, category, bin).
#}
{% macro drift_reference(product, reference, edges) -%}
reference_rows as (
    select cast(version as integer) as version, feature, kind, bin, {{ baton.finite('lower') }} as lower, {{ baton.finite('upper') }} as upper, category, n, {{ baton.finite('value') }} as value
    from {{ reference }}
    where product = {{ baton.quoted(product) }} and kind in ('quantile', 'fine', 'category', 'moments') and version in (select version from targets)
),

edges as (
    select version, feature, edge, row_number() over (partition by version, feature order by edge) as place
    from (
        select version, feature, lower as edge from reference_rows where kind = 'quantile' and lower is not null
        union
        select version, feature, upper as edge from reference_rows where kind = 'quantile' and upper is not null
    ) as ends
),

scale_ends as (
    select
        version, feature, max(case when kind = 'fine' and bin = 0 then lower end) as low, max(case when kind = 'fine' and bin = 4095 then upper end) as high,
        max(case when kind = 'moments' then lower end) as lowest, max(case when kind = 'moments' then upper end) as highest,
        max(case when kind = 'moments' then value end) as deviation
    from reference_rows
    group by version, feature
),

edge_columns as (
    select
        version, feature
        {%- for place in range(1, edges + 1) %},
        max(case when place = {{ place }} then edge end) as e{{ place }}
        {%- endfor %}
    from edges
    group by version, feature
),

scales as (
    select
        scale_ends.*, {{ baton.drift_width('scale_ends') }} as width
        {%- for place in range(1, edges + 1) %}, edge_columns.e{{ place }}{% endfor %}
    from scale_ends
    left join edge_columns on scale_ends.version = edge_columns.version and scale_ends.feature = edge_columns.feature
),

reference_bins as (
    select
        reference_rows.version, reference_rows.feature,
        case when reference_rows.bin < 0 then -1 when reference_rows.kind = 'quantile' then coalesce(edges.place, 0)
            else reference_rows.bin end as bin,
        sum(reference_rows.n) as n,
        sum(case when reference_rows.n = 1 and reference_rows.bin >= 0 and reference_rows.kind = 'category' then 1 else 0 end) as n_once
    from reference_rows
    left join edges
        on reference_rows.version = edges.version and reference_rows.feature = edges.feature and reference_rows.lower = edges.edge and reference_rows.kind = 'quantile'
    where reference_rows.kind in ('quantile', 'category')
    group by 1, 2, 3
),

reference_codes as (
    select
        reference_rows.version, reference_rows.feature, reference_rows.bin as code, reference_rows.n,
        {{ baton.drift_place() }} as place
    from reference_rows
    inner join scales on reference_rows.version = scales.version and reference_rows.feature = scales.feature
    where reference_rows.kind = 'fine' and reference_rows.n > 0
),

reference_categories as (
    select version, feature, category, min(bin) as bin
    from reference_rows
    where kind = 'category' and bin >= 0 and category is not null
    group by version, feature, category
)
{%- endmacro %}

{# Width of a fine bin as `ml.reference` computes it: 1 where the grid has no extent. Divided first, because the difference may overflow. #}
{% macro drift_width(relation) %}
    {% set width = relation ~ ".high / 4096 - " ~ relation ~ ".low / 4096" %}
    {{ return("case when " ~ width ~ " > 0 then " ~ width ~ " else 1 end") }}
{% endmacro %}

{# Mean place inside a fine bin, in widths, from its mean; the middle where the mean is not known. In the tails the distance from the grid. #}
{% macro drift_place() %}
    {% set place = "case when bin < 0 then (scales.low - value) / scales.width when bin > 4095 then (value - scales.high) / scales.width else (value - scales.low) / scales.width - bin end" %}
    {{ return("case when value is null then 0.5 when bin between 0 and 4095 and " ~ place ~ " > 1 then 1 when " ~ place ~ " < 0 then 0 when " ~ place
        ~ " > 1e6 then 1e6 else " ~ place ~ " end") }}
{% endmacro %}
