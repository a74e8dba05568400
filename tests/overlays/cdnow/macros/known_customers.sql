{# Customers who had bought at least once by as_of. days: relation or CTE with column as_of. One row per customer_id and as_of. #}
{% macro known_customers(days) -%}
select
    customers.customer_id,
    days.as_of
from {{ days }} as days
inner join (
    select customer_id, min(valid_from) as known_from from {{ ref('features_purchases') }} group by customer_id
) as customers on customers.known_from <= days.as_of
{%- endmacro %}
