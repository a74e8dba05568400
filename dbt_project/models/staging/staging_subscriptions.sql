with

source as (
    select * from {{ source('raw', 'subscriptions') }}
),

renamed as (
    select
        -- ids
        account_id,
        row_id,

        -- categories
        plan,
        contract,
        status,

        -- numbers
        cast(mrr_usd as double) as mrr_usd,

        -- timestamps and versions
        event_at,
        known_at,
        is_deleted
    from source
)

select * from renamed
