{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false
    )
}}

with

days as (
    {{ baton.scoring_days() }}
),

accounts_per_day as (
    {{ churn_scoring_rows('days') }}
)

select * from accounts_per_day
order by as_of, account_id
