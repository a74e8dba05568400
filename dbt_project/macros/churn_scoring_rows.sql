{# Whom churn scores on given days, with features as they were known then: the scoring set writes these rows, parity asks for them again.
   days: relation or CTE with column as_of. Returns a select; one row per account_id and as_of. #}
{% macro churn_scoring_rows(days) -%}
with

active_accounts_per_day as (
    {{ active_accounts(days) }}
),

features_per_account_and_day as (
    {{ churn_features('active_accounts_per_day') }}
)

select * from features_per_account_and_day
{%- endmacro %}
