with

source as (
    select * from {{ source('raw', 'support_tickets') }}
),

renamed as (
    select
        -- ids
        ticket_id,
        account_id,
        row_id,

        -- categories
        severity,
        topic,

        -- timestamps and versions
        event_at,
        known_at,
        is_deleted
    from source
)

select * from renamed
