{#
Every value of a numeric or timestamp column lies between the bounds, both inclusive; nulls are `not_missing`'s business.
NaN and infinity fail. Bounds are SQL: a number, or an expression such as "timestamp '2020-01-01'" or "{{ baton.now() }}".
Fails with one row: n_rows outside, lowest, highest, message.
#}
{% test within_range(model, column_name, at_least=none, at_most=none) %}
{% if at_least is none and at_most is none %}
    {{ exceptions.raise_compiler_error("within_range on " ~ column_name ~ " has no bound; give at_least, at_most or both") }}
{% endif %}
{% set kept, told = [], [] %}
{% if at_least is not none %}{% do kept.append(column_name ~ ' >= ' ~ at_least) %}{% do told.append('>= ' ~ at_least) %}{% endif %}
{% if at_most is not none %}{% do kept.append(column_name ~ ' <= ' ~ at_most) %}{% do told.append('<= ' ~ at_most) %}{% endif %}
{% if at_most is none %}{# NaN is the largest number of DuckDB and of Spark; without an upper bound it would pass #}
    {% do kept.append("cast(" ~ column_name ~ " as " ~ dbt.type_string() ~ ") not in ('nan', 'NaN', 'inf', 'Infinity')") %}
{% endif %}
select
    n_rows,
    lowest,
    highest,
    {{ baton.quoted(column_name ~ ' in ') }} || {{ baton.say('n_rows') }} || ' rows of ' || {{ baton.quoted(baton.name_of(model)) }} || ' is between '
        || {{ baton.say('lowest') }} || ' and ' || {{ baton.say('highest') }} || {{ baton.quoted('; allowed is ' ~ told | join(' and ')) }} as message
from (
    select count(*) as n_rows, min({{ column_name }}) as lowest, max({{ column_name }}) as highest
    from {{ model }}
    where {{ column_name }} is not null and not ({{ kept | join(' and ') }})
) as outside
where n_rows > 0
{% endtest %}
