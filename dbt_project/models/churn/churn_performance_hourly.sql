{{ baton.performance_hourly('churn', decisions=ref('churn_decisions'), outcomes=ref('churn_outcomes')) }}
