{{ baton.outcomes('lapse', decisions=ref('lapse_decisions'), events=ref('features_purchases')) }}
