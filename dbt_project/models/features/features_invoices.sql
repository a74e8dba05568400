with

invoice_versions as (
    {{ baton.event_versions(
        ref('staging_invoices'), 'account_id', 'invoice_id', ['status', 'n_attempts', 'amount_usd']
    ) }}
)

select * from invoice_versions
order by account_id, valid_from
