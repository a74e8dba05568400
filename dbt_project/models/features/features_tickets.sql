with

ticket_versions as (
    {{ baton.event_versions(
        ref('staging_support_tickets'), 'account_id', 'ticket_id', ['severity', 'topic']
    ) }}
)

select * from ticket_versions
order by account_id, valid_from
