{# A complete select of column as_of: the instants first, first + step days, ... up to and including last.
   first, last: SQL expressions of type timestamp, scalar subqueries allowed. No row where first > last or either is null. #}
{% macro day_series(first, last, step_days=1) %}{{ return(adapter.dispatch('day_series', 'baton')(first, last, step_days)) }}{% endmacro %}

{# Digits multiplied out: no recursion, no series function. Reaches 10,000 steps. #}
{% macro default__day_series(first, last, step_days) -%}
select as_of
from (
    select {{ dbt.dateadd('day', 'n * ' ~ step_days, first) }} as as_of
    from (
        select ones.d + 10 * tens.d + 100 * hundreds.d + 1000 * thousands.d as n
        from
            {%- for place in ['ones', 'tens', 'hundreds', 'thousands'] %}
            {{ 'cross join ' if not loop.first }}({% for d in range(10) %}select {{ d }} as d{{ ' union all ' if not loop.last }}{% endfor %}) as {{ place }}
            {%- endfor %}
    ) as steps
) as days
where as_of <= {{ last }}
{%- endmacro %}

{% macro duckdb__day_series(first, last, step_days) -%}
select unnest(generate_series({{ first }}, {{ last }}, interval {{ step_days }} day)) as as_of
{%- endmacro %}
