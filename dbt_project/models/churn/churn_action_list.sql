-- depends_on: {{ ref('churn_scoring_set') }}
with

champion_predictions as (
    select * from {{ source('churn', 'predictions') }}
    where role = 'champion'
),

scored_accounts as (
    select * from {{ ref('churn_scoring_set') }}
),

latest_day as (
    select max(as_of) as as_of from champion_predictions
),

{# A day scored by two champions keeps the first word, as decisions do. #}
latest_predictions as (
    select
        champion_predictions.*,
        row_number() over (
            partition by champion_predictions.account_id
            order by champion_predictions.predicted_at, champion_predictions.prediction_id
        ) as nth
    from champion_predictions
    inner join latest_day on champion_predictions.as_of = latest_day.as_of
),

accounts_at_risk as (
    select * from latest_predictions
    where nth = 1 and predicted_label = 1
),

last_quiet_days as (
    select
        account_id,
        max(as_of) as quiet_as_of
    from champion_predictions
    where predicted_label = 0
    group by account_id
),

risk_spells as (
    select
        champion_predictions.account_id,
        min(champion_predictions.as_of) as at_risk_since
    from champion_predictions
    left join last_quiet_days on champion_predictions.account_id = last_quiet_days.account_id
    where last_quiet_days.quiet_as_of is null or champion_predictions.as_of > last_quiet_days.quiet_as_of
    group by champion_predictions.account_id
),

actions as (
    select
        accounts_at_risk.account_id,
        accounts_at_risk.as_of,
        case when accounts_at_risk.is_holdout then 'leave alone' else 'call' end as decision,
        accounts_at_risk.is_holdout,
        accounts_at_risk.score,
        accounts_at_risk.threshold,
        {{ churn_at_risk_usd('scored_accounts.mrr_usd') }} as at_risk_usd,
        risk_spells.at_risk_since,
        accounts_at_risk.reasons,
        'customer_success' as contact_group,
        accounts_at_risk.model_version,
        accounts_at_risk.prediction_id
    from accounts_at_risk
    inner join scored_accounts
        on accounts_at_risk.account_id = scored_accounts.account_id and accounts_at_risk.as_of = scored_accounts.as_of
    left join risk_spells on accounts_at_risk.account_id = risk_spells.account_id
)

select * from actions
order by score desc, account_id asc
