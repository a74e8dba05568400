{# Money in one place: an account that leaves takes six months of revenue with it; contacting it keeps three in ten of those. #}
{% macro churn_at_risk_usd(mrr_usd) -%}
round(6 * {{ mrr_usd }}, 2)
{%- endmacro %}

{% macro churn_saved_usd(mrr_usd) -%}
round(0.3 * {{ churn_at_risk_usd(mrr_usd) }} - {{ churn_contact_usd() }}, 2)
{%- endmacro %}

{# What one contact costs; the exposure's `fp` is the same number with a minus. #}
{% macro churn_contact_usd() -%}
60
{%- endmacro %}
