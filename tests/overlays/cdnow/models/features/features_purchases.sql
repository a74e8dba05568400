{{ baton.event_versions(ref('staging_purchases'), 'customer_id', ['purchase_id'], ['n_cds', 'amount_usd']) }}
order by customer_id, valid_from
