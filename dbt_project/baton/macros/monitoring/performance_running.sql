{#
CTE `running`: rows of `steps` with, per target, the sums up to and including each score (`_up_to`); n is called n_here.
names: what is summed. On DuckDB one sorted pass adds up everything and each target's start is taken off: a third of the CPU of a window per target. That an empty frame over a
sorted subquery keeps its order is documented ("Order Preservation").
#}
{% macro running_sums(names) %}{{ return(adapter.dispatch('running_sums', 'baton')(names)) }}{% endmacro %}

{% macro default__running_sums(names) %}
running as (
    select
        target, score, pos, neg, open_pos, n as n_here, expected,
        {%- for name in names %}
        cast(sum({{ name }}) over (partition by target order by score rows between unbounded preceding and current row) as {{ baton.running_type(name) }}) as {{ name }}_up_to{{ ',' if not loop.last }}
        {%- endfor %}
    from steps
)
{%- endmacro %}

{% macro duckdb__running_sums(names) %}
starts as (
    select
        target,
        {%- for name in names %}
        sum({{ name }}) over (order by target) - {{ name }} as {{ name }}_before{{ ',' if not loop.last }}
        {%- endfor %}
    from (select target, {{ baton.summed(names) }} from steps group by target) as totals
),

summed as (
    select
        target, score, lead(target) over () as next_target, lead(score) over () as next_score
        {%- for name in names %},
        sum({{ name }}) over (rows between unbounded preceding and current row) as {{ name }}_so_far
        {%- endfor %}
    from (select * from steps order by target, score) as sorted_steps
),

-- Of rows with one score the last one stands for all; what came before them ends at the row before.
distinct_scores as (
    select
        target, score
        {%- for name in names %},
        {{ name }}_so_far, lag({{ name }}_so_far, 1, 0) over () as {{ name }}_passed
        {%- endfor %}
    from summed
    where next_target is distinct from target or next_score <> score
),

running as (
    select
        distinct_scores.target, score,
        {%- for name in names %}
        cast({{ name }}_so_far - {{ name }}_passed as bigint) as {{ 'n_here' if name == 'n' else name }},
        {%- endfor %}
        {%- for name in names %}
        cast({{ name }}_so_far - {{ name }}_before as {{ baton.running_type(name) }}) as {{ name }}_up_to{{ ',' if not loop.last }}
        {%- endfor %}
    from distinct_scores
    inner join starts on distinct_scores.target = starts.target
)
{%- endmacro %}

{# Counts are whole; `expected`, in 10^-12 of a row, is beyond a bigint from nine million rows on. #}
{% macro running_type(name) %}{{ return(baton.type_double() if name == 'expected' else 'bigint') }}{% endmacro %}
