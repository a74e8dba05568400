with

churn_versions as (
    {{ baton.event_versions(ref('staging_churn_events'), 'account_id', 'churn_id', ['reason'], arrived='row_id') }}
)

select * from churn_versions
order by account_id, valid_from
