{# What the delay curve and its readers share: strata, ages on one grid, how much of the positives is seen at an age. #}

{# Seconds between two points of the age grid: the finest of a minute, 5, 15, an hour, 6, a day that cuts horizon + grace into at most 1,500 pieces. #}
{% macro delay_grid(parameters) %}
    {% set open_for = baton.open_seconds(parameters) %}
    {% for step in [60, 300, 900, 3600, 21600] if open_for <= 1500 * step %}{{ return(step) }}{% endfor %}
    {{ return(86400) }}
{% endmacro %}

{# Seconds from as_of until a cohort closes: horizon + grace. #}
{% macro open_seconds(parameters) %}
    {{ return(baton.duration_parts(parameters.outcome.horizon).seconds + baton.duration_parts(parameters.outcome.grace).seconds) }}
{% endmacro %}

{# The last point of the grid, at or after horizon + grace: every positive that counts is seen there. #}
{% macro last_step(parameters) %}
    {% set grid = baton.delay_grid(parameters) %}
    {{ return(((baton.open_seconds(parameters) + grid - 1) / grid) | int) }}
{% endmacro %}

{# The first grid point by which something known at `known_at` is seen; knowledge dated before as_of counts as known at once. #}
{% macro seen_step(parameters, as_of, known_at) %}
    {% set grid = baton.delay_grid(parameters) %}
    {% set seconds = dbt.datediff(as_of, known_at, 'second') | trim %}
    {{ return("case when " ~ known_at ~ " <= " ~ as_of ~ " then 0 else cast(ceil(" ~ seconds ~ " / " ~ grid ~ "e0) as bigint) end") }}
{% endmacro %}

{# The last grid point that a decision has reached at now. #}
{% macro reached_step(parameters, as_of) %}
    {% set seconds = dbt.datediff(as_of, baton.now() | trim, 'second') | trim %}
    {{ return("cast(floor(" ~ seconds ~ " / " ~ baton.delay_grid(parameters) ~ "e0) as bigint)") }}
{% endmacro %}

{# Stratum of a decision: 'campaign=brand', with several columns 'campaign=brand|region=EU', % and | in values escaped; `all` without delay_by. #}
{% macro stratum(parameters, alias) %}
    {% set parts = [] %}
    {% for column in parameters.outcome.delay_by %}
        {% set text = "coalesce(cast(" ~ alias ~ "." ~ column ~ " as " ~ dbt.type_string() ~ "), '(none)')" %}
        {% do parts.append(baton.quoted(('' if loop.first else '|') ~ column ~ '=') ~ " || replace(replace(" ~ text ~ ", '%', '%25'), '|', '%7C')") %}
    {% endfor %}
    {{ return(parts | join(' || ') if parts else "'all'") }}
{% endmacro %}

{#
CTE `seen_shares`: (stratum, step, share, n_positives) for every (stratum, step) of `asked`: the share of the eventual positives that is seen at that age, from the
table `delay`. A stratum with fewer positives than monitor.delay.min_positives has no row here.
#}
{% macro seen_shares(parameters, delay, asked) %}
seen_points as (
    select stratum, cast(round(age_seconds / {{ baton.delay_grid(parameters) }}e0) as bigint) as step, share_seen, n_positives, 0 as is_asked
    from {{ delay }}
    where n_positives >= {{ parameters.monitor.delay.min_positives }}
    union all
    select stratum, step, cast(null as {{ baton.type_double() }}) as share_seen, cast(null as bigint) as n_positives, 1 as is_asked
    from {{ asked }}
),

seen_shares as (
    select stratum, step, coalesce(share, 0) as share, n_positives
    from (
        select
            stratum, step, is_asked,
            max(share_seen) over (partition by stratum order by step, is_asked rows between unbounded preceding and current row) as share,
            max(n_positives) over (partition by stratum) as n_positives
        from seen_points
    ) as filled
    where is_asked = 1 and n_positives is not null
)
{%- endmacro %}
