with

account_versions as (
    {{ baton.state_versions(
        ref('staging_accounts'), 'account_id', ['country', 'segment', 'n_seats', 'signed_up_at']
    ) }}
)

select * from account_versions
order by account_id, valid_from
