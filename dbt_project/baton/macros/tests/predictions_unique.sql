{# The prediction log holds each prediction_id once. Fails with one row per repeated or missing id: prediction_id, n_rows, message.
   An external writer may repeat itself: there set severity warn, since decisions count an id once anyway. #}
{% test predictions_unique(model) %}
select
    prediction_id,
    count(*) as n_rows,
    'prediction_id ' || {{ baton.say('prediction_id') }} || ' stands in ' || {{ baton.say('count(*)') }}
        || {{ baton.quoted(' rows of ' ~ baton.name_of(model) ~ '; allowed is 1') }} as message
from {{ model }}
group by prediction_id
having count(*) > 1 or prediction_id is null
{% endtest %}
