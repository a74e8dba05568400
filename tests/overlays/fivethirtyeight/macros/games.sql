{#
Games as one file told them: the forecast made before, the result beside it. One row per version of a game.
The file knows days only: the forecast is taken as made when the day of the game begins; the result as known when the day after it is over.
exclusion_reason says why a game has no 0/1 answer; null where it has one, or will have.
#}
{% macro games(source) -%}
select
    cast(cast(event_at as date) as varchar) || ' ' || team1 || ' - ' || team2 as game_id,
    season,
    team1,
    team2,
    event_at as day_begins_at,
    event_at + interval '1 day' as day_ends_at,
    prob1 as team1_wins_chance,
    prob1_outcome as team1_won,
    case when prob1_outcome not in (0, 1) then 'tie: neither team won' end as exclusion_reason,
    event_at,
    known_at,
    row_id,
    is_deleted
from {{ source }}
{%- endmacro %}
