{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with

days as (
    {{ baton.scoring_days() }}
),

customers_per_day as (
    {{ known_customers('days') }}
),

features_per_customer_and_day as (
    {{ lapse_features('customers_per_day') }}
)

select * from features_per_customer_and_day
order by as_of, customer_id
