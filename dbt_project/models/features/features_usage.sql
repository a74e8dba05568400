with

usage_versions as (
    {{ baton.event_versions(
        ref('staging_usage'), 'account_id', 'usage_id', ['channel', 'n_actions', 'n_sessions', 'n_active_users']
    ) }}
)

select * from usage_versions
order by account_id, valid_from
