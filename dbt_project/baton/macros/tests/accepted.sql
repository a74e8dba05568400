{# Every value that is not null is one of `values`. Fails with one row per other value: value, n_rows, message. #}
{% test accepted(model, column_name, values) %}
{% set literals = [] %}
{% for value in values %}{% do literals.append(baton.quoted(value) if value is string else value | string) %}{% endfor %}
select
    {{ column_name }} as value,
    count(*) as n_rows,
    {{ baton.quoted(column_name ~ ' is ') }} || {{ baton.say(column_name) }} || ' in ' || {{ baton.say('count(*)') }} || ' rows of '
        || {{ baton.quoted(baton.name_of(model) ~ '; allowed is ' ~ values | join(', ')) }} as message
from {{ model }}
where {{ column_name }} is not null and {{ column_name }} not in ({{ literals | join(', ') }})
group by {{ column_name }}
{% endtest %}
