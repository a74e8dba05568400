{{
    baton.drift(
        'churn',
        predictions=source('churn', 'predictions'),
        features=source('churn', 'prediction_features'),
        reference='ops.model_reference'
    )
}}
