{{ games(source('raw', 'nfl_games')) }}
