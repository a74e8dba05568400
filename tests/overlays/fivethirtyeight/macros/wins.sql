{# Games that team 1 won, as versions. A result that is corrected to anything else takes the win back. #}
{% macro wins(games) -%}
with

results as (
    select
        game_id,
        season,
        day_ends_at as event_at,
        known_at,
        row_id,
        is_deleted or team1_won is null or team1_won <> 1 as is_deleted
    from {{ games }}
),

versions as (
    {{ baton.event_versions('results', 'game_id', ['game_id'], ['season']) }}
)

select * from versions
{%- endmacro %}
