{{
    baton.calibration(
        'churn', hourly=ref('churn_performance_hourly'), decisions=ref('churn_decisions'), outcomes=ref('churn_outcomes')
    )
}}
