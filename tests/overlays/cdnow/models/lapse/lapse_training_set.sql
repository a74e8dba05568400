with

first_purchase as (
    select min(valid_from) as known_from from {{ ref('features_purchases') }}
),

weeks as (
    {{ baton.day_series("(select known_from from first_purchase) + interval '90 days'", baton.as_of(), step_days=7) }}
),

customers_per_week as (
    {{ known_customers('weeks') }}
),

features_per_customer_and_week as (
    {{ lapse_features('customers_per_week') }}
),

labelled as (
    {{ baton.with_labels('features_per_customer_and_week', ref('features_purchases'), 'lapse') }}
)

select * from labelled
order by as_of, customer_id
