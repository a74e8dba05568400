{#
What may be known of an account at an as_of: point-in-time lookups only, the same in training and scoring.
spine: relation or CTE with account_id and as_of.
Returns a select; one row per spine row: account_id, as_of, features, amounts.
#}
{% macro churn_features(spine) -%}
with

{# The same lookup, asked 90 days earlier: what the account paid then, as it was known then. #}
earlier_spine as (
    select
        account_id,
        as_of as later_as_of,
        as_of - {{ baton.interval('90 days') }} as as_of
    from {{ spine }}
),

earlier_subscription_state as (
    {{ baton.latest_as_of('earlier_spine', ref('features_subscriptions'), 'account_id', ['mrr_usd as mrr_usd_before']) }}
),

base_spine as (
    select
        account_id,
        later_as_of as as_of,
        mrr_usd_before
    from earlier_subscription_state
),

account_state as (
    {{ baton.latest_as_of(
        'base_spine', ref('features_accounts'), 'account_id', ['country', 'segment', 'n_seats', 'signed_up_at']
    ) }}
),

subscription_state as (
    {{ baton.latest_as_of(
        'account_state', ref('features_subscriptions'), 'account_id', ['plan', 'contract', 'mrr_usd']
    ) }}
),

usage_windows as (
    {{ baton.window_as_of('subscription_state', ref('features_usage'), 'account_id', {
        '7 days': {'n_actions_7d': 'sum(n_actions)', 'n_web_days_7d': "sum(case when channel = 'web' then 1 else 0 end)"},
        '28 days': {
            'n_actions_28d': 'sum(n_actions)',
            'n_sessions_28d': 'sum(n_sessions)',
            'n_web_days_28d': "sum(case when channel = 'web' then 1 else 0 end)",
            'last_used_at': 'max(event_at)',
        },
    }) }}
),

invoice_windows as (
    {{ baton.window_as_of('usage_windows', ref('features_invoices'), 'account_id', {
        '90 days': {
            'n_retried_invoices_90d': 'sum(case when n_attempts > 1 then 1 else 0 end)',
            'n_failed_invoices_90d': "sum(case when status = 'failed' then 1 else 0 end)",
        },
    }) }}
),

ticket_windows as (
    {{ baton.window_as_of('invoice_windows', ref('features_tickets'), 'account_id', {
        '28 days': {
            'n_tickets_28d': 'count(*)',
            'n_urgent_tickets_28d': "sum(case when severity = 'urgent' then 1 else 0 end)",
        },
    }) }}
),

{# No event in a window is a zero, not an unknown; the longest silence a window can see is its length. #}
features as (
    select
        account_id,
        as_of,

        country,
        segment,
        plan,
        contract,
        n_seats,
        cast({{ dbt.datediff('signed_up_at', 'as_of', 'day') }} as integer) as tenure_days,
        mrr_usd,
        cast(mrr_usd - coalesce(mrr_usd_before, mrr_usd) as double) as mrr_change_90d_usd,
        cast(coalesce(n_actions_7d, 0) as double) / n_seats as actions_per_seat_7d,
        cast(coalesce(n_actions_28d, 0) as double) / n_seats as actions_per_seat_28d,
        coalesce(cast(n_actions_7d as double) / n_actions_28d, 0) as recent_actions_share,
        cast(coalesce(n_sessions_28d, 0) as integer) as n_sessions_28d,
        cast(coalesce(n_web_days_7d, 0) as integer) as n_web_days_7d,
        cast(coalesce(n_web_days_28d, 0) as integer) as n_web_days_28d,
        cast(coalesce({{ dbt.datediff('last_used_at', 'as_of', 'day') }}, 28) as integer) as days_since_use,
        cast(coalesce(n_failed_invoices_90d, 0) as integer) as n_failed_invoices_90d,
        cast(coalesce(n_retried_invoices_90d, 0) as integer) as n_retried_invoices_90d,
        cast(n_tickets_28d as integer) as n_tickets_28d,
        cast(coalesce(n_urgent_tickets_28d, 0) as integer) as n_urgent_tickets_28d,

        {{ churn_saved_usd('mrr_usd') }} as saved_usd
    from ticket_windows
)

select * from features
{%- endmacro %}
