{{ wins(ref('staging_nba_games')) }}
