{#
CTEs `kept` (rows of the table that still hold), `needed` (windows to compute) and `targets` (what to rank for them). A version that is alone in its window shares the
ranking of `all`. Rankings are exact for the overall day, and while few enough decisions are ranked that this costs little; else scores are binned.
#}
{% macro performance_targets(built, spec_hash, population) %}
{% set same_row %}
windows.window_kind = built.window_kind and windows.window_end = built.window_end and windows.slice_name = built.slice_name
        and windows.slice_value = built.slice_value and windows.version = built.model_version and built.spec_hash = {{ baton.quoted(spec_hash) }}
        and windows.n = built.n and windows.content = built.content
        {%- if population is not none %}
        and windows.n_population = coalesce(built.n_population, windows.n_population) and windows.n_never_scored = coalesce(built.n_never_scored, windows.n_never_scored)
        and (built.n_population is not null or windows.version <> 'all')
        {%- else %}
        and built.n_population is null
        {%- endif %}
{% endset %}
{%- if built is not none %}
kept as (
    select built.*
    from {{ built }} as built
    inner join windows on {{ same_row | trim }}
),

needed as (
    select windows.*
    from windows
    left join {{ built }} as built on {{ same_row | trim }}
    where built.window_end is null
),
{% else %}
needed as (select * from windows),
{% endif %}

labelled as (
    select
        needed.*,
        case when n_matured = n_matured_all then 'all' else version end as rank_version,
        case when {{ baton.ranked_exactly() }} then 'exact' else 'binned' end as method
    from needed
    where n_matured > 0
),

targets as (
    select distinct_targets.*, row_number() over (order by window_kind, window_end, slice_name, slice_value, rank_version) as target
    from (
        select distinct window_kind, window_length, window_end, window_start, slice_name, slice_value, rank_version, method, n_pos, n_neg
        from labelled
    ) as distinct_targets
),

target_days as (
    select targets.target, targets.window_length, targets.slice_name, targets.slice_value, targets.rank_version, targets.method, targets.n_pos, targets.n_neg, days.day
    from targets
    inner join days on days.day > targets.window_start and days.day <= targets.window_end
)
{%- endmacro %}

{# Overall: always per day, and up to 20,000 matured decisions. A slice: up to 1,000. Above, 0.025 wide log-odds bins move AUC by less than 1e-3. #}
{% macro ranked_exactly() %}
    {{ return("slice_name = 'overall' and (window_length = 1 or n_matured <= 20000) or n_matured <= 1000") }}
{% endmacro %}
