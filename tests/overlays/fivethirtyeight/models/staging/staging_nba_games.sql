{{ games(source('raw', 'nba_games')) }}
