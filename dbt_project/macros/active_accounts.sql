{# The accounts a customer-success team could act on at each as_of: known, not deleted, their subscription known to be active.
   days: relation or CTE with column as_of. Returns a select; one row per account_id and as_of. #}
{% macro active_accounts(days) -%}
select
    accounts.account_id,
    days.as_of
from {{ days }} as days
inner join {{ ref('features_accounts') }} as accounts
    on
        days.as_of >= accounts.valid_from
        and days.as_of < accounts.valid_to
inner join {{ ref('features_subscriptions') }} as subscriptions
    on
        accounts.account_id = subscriptions.account_id
        and days.as_of >= subscriptions.valid_from
        and days.as_of < subscriptions.valid_to
where
    not accounts.is_deleted
    and not subscriptions.is_deleted
    and subscriptions.status = 'active'
{%- endmacro %}
