with

source as (
    select * from {{ source('raw', 'accounts') }}
),

renamed as (
    select
        -- ids
        account_id,
        row_id,

        -- categories
        company_name,
        contact_name,
        email,
        country,
        segment,

        -- numbers
        cast(seats as integer) as n_seats,

        -- timestamps and versions
        signed_up_at,
        event_at,
        known_at,
        is_deleted
    from source
)

select * from renamed
