-- depends_on: {{ ref('churn_scoring_set') }}
{{ baton.decisions('churn', predictions=source('churn', 'predictions'), scoring_set=ref('churn_scoring_set')) }}
