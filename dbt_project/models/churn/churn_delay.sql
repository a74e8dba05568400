{{ baton.delay('churn', decisions=ref('churn_decisions'), outcomes=ref('churn_outcomes')) }}
