{# What is known of a customer at as_of, the same for training and scoring. spine: customer_id, as_of. #}
{% macro lapse_features(spine) -%}
with windows as (
    {{ baton.window_as_of(spine, ref('features_purchases'), 'customer_id', {
        '91 days': {'n_purchases_91d': 'count(*)', 'spent_91d_usd': 'sum(amount_usd)'},
        '182 days': {'n_purchases_182d': 'count(*)'},
        '730 days': {
            'n_purchases': 'count(*)',
            'n_cds': 'sum(n_cds)',
            'spent_usd': 'sum(amount_usd)',
            'first_purchase_at': 'min(event_at)',
            'last_purchase_at': 'max(event_at)',
        },
    }) }}
)

select
    customer_id,
    as_of,
    n_purchases_91d,
    n_purchases_182d,
    n_purchases,
    n_cds,
    coalesce(spent_91d_usd, 0) as spent_91d_usd,
    spent_usd,
    spent_usd / n_purchases as mean_purchase_usd,
    date_diff('day', last_purchase_at, as_of) as days_since_purchase,
    date_diff('day', first_purchase_at, last_purchase_at) as days_from_first_to_last
from windows
{%- endmacro %}
