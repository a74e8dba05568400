{{
    baton.metrics(
        'churn', {'churn_training_set': ref('churn_training_set'), 'churn_scoring_set': ref('churn_scoring_set')}
    )
}}
