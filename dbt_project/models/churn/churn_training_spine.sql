{#
The longest window looks back 90 days; 60 days of history make it useful. Every eighth day, counted from a fixed one: the same days
at every now, and each weekday in turn. A fixed weekday would teach the model that every day is like it, and all other days would look like drift.
#}
{% set warm_up_days = 60 %}
{% set step_days = 8 %}
{% set origin = "timestamp '1970-01-05 00:00:00'" %}
{% set warmed_up = dbt.dateadd('day', warm_up_days, '(select min(valid_from) from ' ~ ref('features_usage') ~ ')') %}
{% set steps = 'cast(ceil(' ~ dbt.datediff(origin, warmed_up, 'day') ~ ' / ' ~ step_days ~ '.0) as integer)' %}

with

days as (
    {{ baton.day_series(
        dbt.dateadd('day', step_days ~ ' * ' ~ steps, origin), baton.as_of(), step_days=step_days
    ) }}
),

active_accounts_per_day as (
    {{ active_accounts('days') }}
)

select * from active_accounts_per_day
order by as_of, account_id
