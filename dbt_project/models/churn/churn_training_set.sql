with

features_per_account_and_week as (
    {{ churn_features(ref('churn_training_spine')) }}
),

labelled as (
    {{ baton.with_labels('features_per_account_and_week', ref('churn_events'), 'churn') }}
)

select * from labelled
order by as_of, account_id
