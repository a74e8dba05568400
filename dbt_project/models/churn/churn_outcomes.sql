{{ baton.outcomes('churn', decisions=ref('churn_decisions'), events=ref('churn_events')) }}
