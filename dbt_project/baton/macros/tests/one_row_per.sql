{# The grain: at most one row per `columns`. Fails with one row per repeated key: the columns, n_rows, message. Nulls are equal to each other here. #}
{% test one_row_per(model, columns) %}
{% set columns = [columns] if columns is string else columns %}
select
    {{ columns | join(', ') }},
    count(*) as n_rows,
    {{ baton.say('count(*)') }} || ' rows in ' || {{ baton.quoted(baton.name_of(model)) }} || ' for '
        {%- for column in columns %} || '{{ column }} ' || {{ baton.say(column) }} || {{ "', '" if not loop.last else "'; allowed is 1'" }}{% endfor %} as message
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
