{#
What was scored is what the same query gives today, held against the output of `baton.parity` (`model`).

product:  name of the exposure
at_least: lowest share of equal values that passes, per feature and window
days:     how many of the newest windows are judged; default is what the last run asked again

Fails with one row per feature and window below it: window_end, feature, n, n_equal, exact_match_rate, largest_difference, at_least, message.
#}
{% test train_serve_parity(model, product, at_least=1.0, days=none) %}
{% set float = baton.type_double() %}
select
    window_end,
    feature,
    n,
    n_equal,
    exact_match_rate,
    largest_difference,
    cast({{ at_least }} as {{ float }}) as at_least,
    {{ baton.quoted(product ~ ' was scored with other values of ') }} || feature || ' than the same query gives today: ' || {{ baton.say('n - n_equal') }} || ' of '
        || {{ baton.say('n') }} || ' rows differ in the 1d window ending ' || {{ baton.say('window_end') }} || ', exact match '
        || {{ baton.say('round(exact_match_rate, 6)') }} || {{ baton.quoted(', allowed is >= ' ~ at_least) }}
        || case when largest_difference is null then '' else ', largest difference ' || {{ baton.say('largest_difference') }} end
        || case when n_missing_logged > 0 then ', ' || {{ baton.say('n_missing_logged') }} || ' only there today' else '' end
        || case when n_missing_replayed > 0 then ', ' || {{ baton.say('n_missing_replayed') }} || ' only there when scored' else '' end
        || {{ baton.quoted(baton.owner_of(model)) }} as message
from {{ model }}
where n_equal < {{ at_least }} * n
    {%- if days is none %}
    and evaluated_at = (select max(evaluated_at) from {{ model }})
    {%- else %}
    and window_end > (select max(window_end) from {{ model }}) - {{ baton.interval(days ~ ' days') }}
    {%- endif %}
order by window_end desc, exact_match_rate, feature
{% endtest %}
