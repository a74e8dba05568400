with

subscription_versions as (
    {{ baton.state_versions(
        ref('staging_subscriptions'), 'account_id', ['plan', 'contract', 'status', 'mrr_usd']
    ) }}
)

select * from subscription_versions
order by account_id, valid_from
