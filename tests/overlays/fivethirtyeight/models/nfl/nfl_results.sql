{{ wins(ref('staging_nfl_games')) }}
