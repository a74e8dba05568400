{{
    baton.performance(
        'lapse', decisions=ref('lapse_decisions'), outcomes=ref('lapse_outcomes'), population=ref('lapse_scoring_set')
    )
}}
