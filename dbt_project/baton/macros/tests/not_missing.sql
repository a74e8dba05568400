{# No null in the column. Fails with one row: n_rows, n_missing, message; no value of a row is shown, the column may be personal. #}
{% test not_missing(model, column_name) %}
select
    n_rows,
    n_missing,
    {{ baton.say('n_missing') }} || ' of ' || {{ baton.say('n_rows') }} || ' rows in ' || {{ baton.quoted(baton.name_of(model)) }}
        || {{ baton.quoted(' lack ' ~ column_name ~ '; allowed are 0') }} as message
from (
    select count(*) as n_rows, coalesce(sum(case when {{ column_name }} is null then 1 else 0 end), 0) as n_missing
    from {{ model }}
) as counted
where n_missing > 0
{% endtest %}
