{{
    baton.external_predictions(
        'nfl', forecasts=ref('staging_nfl_games'), score='team1_wins_chance', as_of='day_begins_at', excluded='exclusion_reason is not null'
    )
}}
