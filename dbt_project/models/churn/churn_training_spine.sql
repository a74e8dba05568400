{# The longest window looks back 90 days; 60 days of history make it useful. Mondays, so that the days are the same at every now. #}
{% set warm_up_days = 60 %}
{% set first_known = '(select min(valid_from) from ' ~ ref('features_usage') ~ ')' %}

with

weeks as (
    {{ baton.day_series(
        "date_trunc('week', " ~ dbt.dateadd('day', warm_up_days + 7, first_known) ~ ")", baton.as_of(), step_days=7
    ) }}
),

active_accounts_per_week as (
    {{ active_accounts('weeks') }}
)

select * from active_accounts_per_week
order by as_of, account_id
