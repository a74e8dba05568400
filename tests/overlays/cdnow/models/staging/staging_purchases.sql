select
    customer_id,
    purchase_id,
    n_cds,
    amount_usd,
    event_at,
    known_at,
    row_id,
    is_deleted
from {{ source('raw', 'purchases') }}
