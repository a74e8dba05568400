{{
    baton.parity(
        'churn',
        predictions=source('churn', 'predictions'),
        features=source('churn', 'prediction_features'),
        replay=churn_scoring_rows('baton_days'),
        reference=source('ops', 'model_reference')
    )
}}
