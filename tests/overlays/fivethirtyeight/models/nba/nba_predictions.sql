{{
    baton.external_predictions(
        'nba', forecasts=ref('staging_nba_games'), score='team1_wins_chance', as_of='day_begins_at', excluded='exclusion_reason is not null'
    )
}}
