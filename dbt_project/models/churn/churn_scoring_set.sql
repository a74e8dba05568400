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

active_accounts_per_day as (
    {{ active_accounts('days') }}
),

features_per_account_and_day as (
    {{ churn_features('active_accounts_per_day') }}
)

select * from features_per_account_and_day
order by as_of, account_id
