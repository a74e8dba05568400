{{
    baton.performance(
        'churn', decisions=ref('churn_decisions'), outcomes=ref('churn_outcomes'), population=ref('churn_scoring_set')
    )
}}
