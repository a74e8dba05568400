{# Every value that is not null is a `field` of `to`. Fails with one row per orphan: value, n_rows, message. #}
{% test references(model, column_name, to, field) %}
select
    child.{{ column_name }} as value,
    count(*) as n_rows,
    {{ baton.quoted(column_name ~ ' ') }} || {{ baton.say('child.' ~ column_name) }} || ' of ' || {{ baton.say('count(*)') }} || ' rows in '
        || {{ baton.quoted(baton.name_of(model) ~ ' is no ' ~ field ~ ' of ' ~ baton.name_of(to)) }} as message
from {{ model }} as child
left join (select distinct {{ field }} as known from {{ to }}) as parent on child.{{ column_name }} = parent.known
where child.{{ column_name }} is not null and parent.known is null
group by child.{{ column_name }}
{% endtest %}
