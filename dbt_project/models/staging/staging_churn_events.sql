with

source as (
    select * from {{ source('raw', 'churn_events') }}
),

renamed as (
    select
        -- ids
        churn_id,
        account_id,
        row_id,

        -- categories
        reason,

        -- timestamps and versions
        event_at,
        known_at,
        is_deleted
    from source
)

select * from renamed
