{#
CTEs `needed` (windows to compute), `gone` (rows of the table that hold no longer), `targets` (what to rank for the needed ones; series: its slice and version, line: these and its kind). A window is not needed if the table has its
row with the same content. A version that is alone in its window shares the ranking of `all`. Rankings are exact where `ranked_exactly` says so; else scores are binned.
#}
{% macro performance_targets(windows, built, spec_hash, population) %}
{% set keys = "windows.window_kind = built.window_kind and windows.window_end = built.window_end and windows.slice_name = built.slice_name
        and windows.slice_value = built.slice_value and windows.version = built.model_version" %}
{%- if built is not none %}
needed as (
    select windows.*
    from windows
    left join {{ built }} as built
        on {{ keys }} and built.basis = 'matured' and built.spec_hash = {{ baton.quoted(spec_hash) }}
        and windows.n = built.n and windows.content = built.content
        {%- if population is not none %}
        and windows.n_population = coalesce(built.n_population, windows.n_population) and windows.n_never_scored = coalesce(built.n_never_scored, windows.n_never_scored)
        and (built.n_population is not null or windows.version <> 'all')
        {%- else %}
        and built.n_population is null
        {%- endif %}
    where built.window_end is null
),

gone as (
    select built.window_kind, built.window_end, built.slice_name, built.slice_value, built.model_version, built.basis
    from {{ built }} as built
    left join windows on {{ keys }}
    where windows.window_kind is null and built.basis <> 'delay_corrected'
),
{% else %}
needed as (select * from windows),
{% endif %}
targets as (
    select
        distinct_targets.*, cast(row_number() over (order by window_kind, tick, slice_name, slice_value, rank_version) as integer) as target,
        cast(dense_rank() over (order by slice_name, slice_value, rank_version) as integer) as series,
        cast(dense_rank() over (order by window_kind, slice_name, slice_value, rank_version) as integer) as line
    from (
        select distinct
            window_kind, tick, slice_name, slice_value, case when n = n_all then 'all' else version end as rank_version,
            {{ baton.by_window(windows, 'hours') }} as window_hours,
            case when {{ baton.ranked_exactly(windows) }} then 'exact' else 'binned' end as method,
            n_matured < n as is_open, n_pos, n_neg, naive_n_pos, naive_n_neg, naive_score_sum, n
        from needed
        where n > 0
    ) as distinct_targets
),

{% for window in windows if window.unit != 'whole' -%}
{% if loop.first %}target_ticks as ({% else %}    union all{% endif %}
    select
        target, {{ baton.quoted(window.unit) }} as unit, tick - step as tick, tick as last_tick, tick - {{ window.length }} as after_tick, series, slice_name, slice_value, rank_version, method, is_open, window_hours
    from targets
    cross join ({{ baton.steps(window.length) }}) as steps
    where window_kind = {{ baton.quoted(window.name) }}
{% if loop.last %}),
{% endif %}
{%- endfor %}

{# open_after: the decisions of windows in which something is open come after this hour. #}
series as (
    select series, slice_name, slice_value, rank_version, min(case when is_open then {{ baton.first_hour(windows) }} end) as open_after
    from targets
    group by series, slice_name, slice_value, rank_version
),

scope as (
    select coalesce(min({{ baton.first_hour(windows) }}), 0) as after_hour, coalesce(max({{ baton.last_hour(windows) }}), 0) as last_hour
    from targets
)
{%- endmacro %}

{# Overall: always per day and over the whole history, and up to 20,000 decisions. A slice: up to 1,000. Above, 0.025 wide log-odds bins move AUC by less than 1e-3. #}
{% macro ranked_exactly(windows) %}
    {% set always = [] %}
    {% for window in windows if window.unit == 'whole' or (window.unit == 'day' and window.length == 1) %}{% do always.append(baton.quoted(window.name)) %}{% endfor %}
    {{ return("slice_name = 'overall' and (n <= 20000" ~ (' or window_kind in (' ~ always | join(', ') ~ ')' if always else '') ~ ") or n <= 1000") }}
{% endmacro %}

{# The hours a target's window holds are after the first and up to the last of these. #}
{% macro first_hour(windows) %}
    {% set cases = [] %}
    {% for window in windows %}
        {% set first = '-1000000000' if window.unit == 'whole' else ('tick - ' ~ window.length if window.unit == 'hour' else '24 * (tick - ' ~ window.length ~ ')') %}
        {% do cases.append("when " ~ baton.quoted(window.name) ~ " then " ~ first) %}
    {% endfor %}
    {{ return("case window_kind " ~ cases | join(' ') ~ " end") }}
{% endmacro %}

{% macro last_hour(windows) %}
    {% set cases = [] %}
    {% for window in windows %}{% do cases.append("when " ~ baton.quoted(window.name) ~ " then " ~ ('tick' if window.unit == 'hour' else '24 * tick')) %}{% endfor %}
    {{ return("case window_kind " ~ cases | join(' ') ~ " end") }}
{% endmacro %}
