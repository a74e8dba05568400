{{
    baton.health(
        'churn',
        population=ref('churn_scoring_set'),
        predictions=source('churn', 'predictions'),
        parity=ref('churn_parity'),
        performance=ref('churn_performance'),
        worst_slices=ref('churn_worst_slices'),
        calibration=ref('churn_calibration'),
        drift=ref('churn_drift'),
        outcomes=ref('churn_outcomes'),
        delay=ref('churn_delay')
    )
}}
