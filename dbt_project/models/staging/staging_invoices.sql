with

source as (
    select * from {{ source('raw', 'invoices') }}
),

renamed as (
    select
        -- ids
        invoice_id,
        account_id,
        row_id,

        -- categories
        status,

        -- numbers
        cast(n_attempts as integer) as n_attempts,
        cast(amount_usd as double) as amount_usd,

        -- timestamps and versions
        event_at,
        known_at,
        is_deleted
    from source
)

select * from renamed
