with

source as (
    select * from {{ source('raw', 'usage_events') }}
),

renamed as (
    select
        -- ids
        usage_id,
        account_id,
        row_id,

        -- categories
        channel,

        -- numbers
        cast(n_actions as integer) as n_actions,
        cast(n_sessions as integer) as n_sessions,
        cast(active_users as integer) as n_active_users,

        -- timestamps and versions
        event_at,
        known_at,
        is_deleted
    from source
)

select * from renamed
